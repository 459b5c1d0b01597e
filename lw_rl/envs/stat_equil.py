"""The iteration to statistical equilibrium as a gymnasium environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, SupportsFloat, get_args

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from ..arrays import Array, Single
from ..errors import ContextError
from ..files import Json
from ..host.state import LinePhysics
from ..norms import to_log
from ..operator.base import CarriesLight
from ..policies.observation import (
    MAX_POINTS,
    NCHANNELS,
    POINT_MULTIPLE,
    Previous,
    correction,
    observe,
    observe_depths,
    size_of,
)
from ..problems import Problem, random_problem
from .line_agents import LineAgents
from .prepared import Prepared, prepare
from .reward import REWARD_CLIP, reward_map

__all__ = [
    "SOLVED",
    "Sampling",
    "StatEquil",
    "Visit",
]

#: Change of the logarithm beyond which a state counts as diverged.
_DIVERGED = 60.0
#: Estimated error below which a problem costs no more, where hard problems are drawn more often.
SOLVED = 1e-6
#: What a problem that was never met is taken to cost [formal solutions].
_UNKNOWN_COST = 10.0

Sampling = Literal["uniform", "hard", "in order"]


class Visit(NamedTuple):
    """A state that an episode visited.

    Attributes
    ----------
    y, r : Array
        The unknown, and the residual of the plain update there, shape [Nspace].
    error : Array
        The relative error ``S*/S - 1`` by the operator, shape [Nspace].
    starts : bool
        Whether a trajectory begins there.
    """

    y: Array
    r: Array
    error: Array
    starts: bool


class StatEquil(gym.Env[Single, Single]):
    """Drive the atoms of a Lightweaver context to statistical equilibrium.

    ## Description
    Each step is one formal solution: the approximate operator and the action correct the line
    source function at every depth, the formal solution and the host's statistical equilibrium give
    the residual there.

    Where atoms have more than two levels, every one of their lines is corrected, beside the coupled
    operator of all of them: one more agent for each line and depth, and statistical equilibrium
    maps what becomes of the lines to populations (`lw_rl.schemes.lines`).

    ## Action space
    ``Box(-1, 1, (Npoints,))``: one number per point of the policy, resampled from the model's own
    depths in the index coordinate. See :mod:`lw_rl.policies.observation` for its meaning. In two
    dimensions ``Box(-1, 1, (Npoints, Nx))``: the points of every column; with more levels
    ``Box(-1, 1, (Npoints, Nline))``: the points of every line. What a thin line is told, or one
    that is inverted somewhere, does nothing.

    ## Observation space
    ``Box(-inf, inf, (NCHANNELS, Npoints))``, float32; the channels are those of
    :data:`lw_rl.policies.observation.CHANNELS`. In two dimensions ``(NCHANNELS, Npoints, Nx)``,
    with more levels ``(NCHANNELS, Npoints, Nline)``.

    ## Reward
    The decrease of the logarithm of the error, averaged over the points (`lw_rl.envs.reward`; the
    map itself is ``info["reward_map"]``). ``reward="error"`` takes the true error, which needs the
    solution of every problem (found once, without the policy); ``reward="residual"`` takes the
    operator's estimate of it and needs no ground truth.

    ## Starting state
    A problem is drawn; its context goes back to the operator's own solution, J fresh. With
    ``start="mixed"`` some episodes begin in LTE, with up to ten plain steps, or with a smooth
    random change. Atoms with more levels begin in LTE.

    ## Episode end
    Terminated when the estimated error falls below `tolerance` (equilibrium) or the state is no
    longer physical (diverged); truncated by the ``TimeLimit`` of the registration.

    ## Info
    Of one shape whatever the problem, so that vectorised environments can stack it: ``problem``,
    its name; after a step ``reward_map``, of the shape of an action; with ``reward="error"`` also
    ``error``, the largest true error of ln S, with more levels of the logarithm of all populations.
    What depends on the problem's number of depths are attributes of the environment itself:
    :attr:`physics` and :attr:`visited`, which two-level atoms have alone.

    ## Version History
    * v0: initial version

    Parameters
    ----------
    problems : sequence of Problem or int, optional
        The problems to draw from; a number takes that many of the ``train`` stream (default: 16).
        All have the same number of columns, and of lines where atoms have more than two levels.
    Npoints : int, optional
        Points of the policy (default: 96).
    reward : {"error", "residual"}, optional
        See above (default: "error").
    start : {"operator", "mixed"}, optional
        See above (default: "operator").
    tolerance : float, optional
        Estimated error at which an episode ends (default: 1e-7).
    sampling : {"uniform", "hard", "in order"}, optional
        How a problem is drawn: all alike, in proportion to the formal solutions that it took last
        time until its estimated error was below :data:`SOLVED` (a problem never met counts as the
        hardest), or one after the other (default: "uniform").

    Raises
    ------
    ValueError
        If an argument is out of range; the message names the value and the bound.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (gymnasium's own declaration)

    def __init__(
        self,
        problems: Sequence[Problem] | int = 16,
        Npoints: int = 96,
        reward: Literal["error", "residual"] = "error",
        start: Literal["operator", "mixed"] = "operator",
        tolerance: float = 1e-7,
        sampling: Sampling = "uniform",
    ):
        if isinstance(problems, int):
            problems = [random_problem("train", k) for k in range(problems)]
        if len(problems) == 0:
            raise ValueError("problems must hold at least one problem, got none")
        columns = sorted({p.columns for p in problems})
        if len(columns) > 1:
            raise ValueError(
                f"the problems have {', '.join(map(str, columns))} columns; those of one "
                "environment need the same number, because its spaces have one shape"
            )
        lines = sorted({0 if p.two_level else p.lines for p in problems})
        if len(lines) > 1:
            raise ValueError(
                f"the problems have {', '.join(map(str, lines))} lines (0: of a two-level atom); "
                "those of one environment need the same number, because its spaces have one shape"
            )
        if lines != [0] and start != "operator":
            raise ValueError(f"atoms with more than two levels begin in LTE, not {start!r}")
        if Npoints % POINT_MULTIPLE or not POINT_MULTIPLE <= Npoints <= MAX_POINTS:
            raise ValueError(
                f"Npoints must be a multiple of {POINT_MULTIPLE} up to {MAX_POINTS}, got {Npoints}"
            )
        if reward not in ("error", "residual"):
            raise ValueError(f"reward must be 'error' or 'residual', got {reward!r}")
        if start not in ("operator", "mixed"):
            raise ValueError(f"start must be 'operator' or 'mixed', got {start!r}")
        if sampling not in get_args(Sampling):
            raise ValueError(f"sampling must be one of {get_args(Sampling)}, got {sampling!r}")
        if not 0.0 < tolerance < 1.0:
            raise ValueError(f"tolerance must lie between 0 and 1, got {tolerance!r}")
        self.problems = list(problems)
        self.Npoints = Npoints
        self.reward_kind = reward
        self.start = start
        self.tolerance = tolerance
        self.sampling = sampling
        further = lines if lines != [0] else [] if columns == [1] else columns
        shape = (Npoints, *further)
        self.action_space = spaces.Box(-1.0, 1.0, shape, np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (NCHANNELS, *shape), np.float32)
        self._prepared: dict[int, Prepared] = {}
        self._levels = lines != [0]
        self._agents: dict[int, LineAgents] = {}
        self._next = 0
        self._index = 0
        self._costs = np.full(len(self.problems), _UNKNOWN_COST)
        self._y = self._r = self._error = np.zeros(0)
        self._previous: Previous | None = None
        self._visited: list[Visit] = []

    # ---- gymnasium ----------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: Json | None = None) -> tuple[Single, Json]:
        """Draw a problem and put its context back to the start.

        ``options={"problem": k}`` takes the k-th problem.
        """
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(len(self.problems)))
        if options and "problem" in options:
            self._index = int(options["problem"])
        elif self.sampling == "in order":
            self._index, self._next = self._next, (self._next + 1) % len(self.problems)
        elif self.sampling == "hard":
            share = self._costs / self._costs.sum()
            self._index = int(self.np_random.choice(len(self.problems), p=share))
        else:
            self._index = drawn
        self._costs[self._index] = 1.0
        if self._levels:
            self._begin_lines()
            return self._observe(), self._info(None)
        if self._index not in self._prepared:
            problem = self.problems[self._index]
            self._prepared[self._index] = prepare(
                problem, self.Npoints, self.reward_kind == "error"
            )
        prepared = self._present
        prepared.begin()
        self._previous = None
        self._visited = []
        far = self.start == "mixed" and self.np_random.random() < 0.15
        if not far:
            prepared.shine()
        self._evaluate(None if far else prepared.first, starts=True, led=not far)
        if self.start == "mixed":
            self._wander(prepared)
        return self._observe(), self._info(None)

    def step(self, action: Single) -> tuple[Single, SupportsFloat, bool, bool, Json]:
        """Correct the source function and make one formal solution."""
        if self._levels:
            return self._step_lines(action)
        prepared = self._present
        y_before, r_before, error_before = self._y, self._r, self._error
        estimate = to_log(error_before)
        delta = correction(prepared.frame, action, estimate)
        if size_of(error_before) > SOLVED:
            self._costs[self._index] += 1.0
        valid = self._evaluate(y_before + delta, led=True)
        if not valid:
            # A state without a residual cannot be observed: go back to the last one that has one.
            self._y, self._r, self._error = y_before, r_before, error_before
            rewards = np.full(prepared.frame.shape, -REWARD_CLIP)
            return self._observe(), -REWARD_CLIP, True, False, self._info(rewards)
        self._previous = Previous(delta, estimate, to_log(self._error))
        rewards = self._rewards(prepared, y_before, estimate)
        converged = size_of(self._error) < self.tolerance
        return self._observe(), float(rewards.mean()), converged, False, self._info(rewards)

    # ---- beyond observation and info     ------------------------------------------------------

    @property
    def physics(self) -> LinePhysics:
        """Local physics of the present problem's line.

        Raises
        ------
        ContextError
            If its atoms have more than two levels.
        """
        if self._levels:
            raise ContextError(
                f"problem {self.problems[self._index].name!r} has several lines, whose physics "
                "change with the populations: hindsight pairs are of one line alone"
            )
        return self._present.physics

    @property
    def visited(self) -> list[Visit]:
        """The states that this episode has visited so far, one for each formal solution."""
        return list(self._visited)

    @property
    def Nformal(self) -> int:
        """Formal solutions made so far, those for the reference solutions included."""
        ready: list[Prepared | LineAgents] = [*self._prepared.values(), *self._agents.values()]
        return sum(p.Nformal + p.adapter.Nformal for p in ready)

    # ---- atoms with many levels ---------------------------------------------------------------

    def _begin_lines(self) -> None:
        if self._index in self._agents:
            self._agents[self._index].begin()
            return
        problem, solved = self.problems[self._index], self.reward_kind == "error"
        self._agents[self._index] = LineAgents(problem, self.Npoints, solved)

    def _step_lines(self, action: Single) -> tuple[Single, SupportsFloat, bool, bool, Json]:
        agents = self._agents[self._index]
        if agents.size > SOLVED:
            self._costs[self._index] += 1.0
        rewards, valid = agents.step(np.asarray(action))
        ends = not valid or agents.size < self.tolerance
        return self._observe(), float(rewards.mean()), ends, False, self._info(rewards)

    # ---- inside -------------------------------------------------------------------------------

    @property
    def _present(self) -> Prepared:
        return self._prepared[self._index]

    def _evaluate(self, y: Array | None, starts: bool = False, led: bool = False) -> bool:
        """Make a formal solution at a state, to which perhaps the operator has led."""
        prepared = self._present
        adapter = prepared.adapter
        before = adapter.snapshot()
        if y is not None and not np.max(np.abs(y - prepared.frame.log_B)) < _DIVERGED:
            return False
        if led and y is not None and isinstance(prepared.operator, CarriesLight):
            prepared.operator.carry(y)
        evaluation = prepared.evaluate(y)
        if not evaluation.valid:
            adapter.restore(before)
            return False
        self._y, self._r = evaluation.y, evaluation.r
        assert evaluation.lambda_residual is not None
        self._error = prepared.operator.error(evaluation.y, evaluation.lambda_residual)
        self._visited.append(Visit(evaluation.y, evaluation.r, self._error, starts))
        return True

    def _wander(self, prepared: Prepared) -> None:
        """Begin somewhere on the way instead."""
        if self.np_random.random() < 0.3:
            for _ in range(int(self.np_random.integers(1, 11))):
                r, before = self._r, to_log(self._error)
                if self._evaluate(self._y + r):
                    self._previous = Previous(r, before, to_log(self._error))
        if self.np_random.random() < 0.35:
            amplitude = 10.0 ** self.np_random.uniform(-2.0, 0.3)
            self._evaluate(self._y + amplitude * self._smooth(prepared), starts=True)
            self._previous = None

    def _smooth(self, prepared: Prepared) -> Array:
        """Return a smooth random function of ln tau of order one, shape [Nspace]."""
        x = prepared.physics.log_tau
        length = self.np_random.uniform(1.0, 6.0)
        knots = np.arange(x.min(), x.max() + length, length)
        bumps = np.exp(-0.5 * ((x[:, None] - knots) / length) ** 2)
        return bumps @ self.np_random.standard_normal(knots.size)

    def _rewards(self, prepared: Prepared, y_before: Array, estimate: Array) -> Array:
        if prepared.solution is None:
            before, after = estimate, to_log(self._error)
        else:
            before, after = y_before - prepared.solution, self._y - prepared.solution
        frame = prepared.frame
        return reward_map(observe_depths(frame, before), observe_depths(frame, after))

    def _observe(self) -> Single:
        if self._levels:
            return self._agents[self._index].observe()
        frame = self._present.frame
        return observe(frame, self._y, self._r, to_log(self._error), self._previous)

    def _info(self, rewards: Array | None) -> Json:
        info: Json = {"problem": self.problems[self._index].name}
        if rewards is not None:
            info["reward_map"] = rewards
        if self._levels:
            error = self._agents[self._index].error
            return info if error is None else {**info, "error": error}
        prepared = self._present
        if prepared.solution is not None:
            info["error"] = float(np.max(np.abs(self._y - prepared.solution)))
        return info

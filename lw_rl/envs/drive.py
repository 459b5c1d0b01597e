"""The decisions of a solve as a gymnasium environment."""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, SupportsFloat

import gymnasium as gym
import lightweaver as lw
import numpy as np
from gymnasium import spaces

from ..arrays import Array, Single
from ..files import Json
from ..host.adapter import Adapter
from ..iterate import solve
from ..policies.drive import (
    DIALS,
    NAMES,
    Decision,
    Kind,
    Situation,
    decision_of,
    observe_situation,
)
from ..problems import Problem, random_problem
from ..result import Result
from ..schemes import Depthwise

__all__ = ["FALSE_STOP", "Drive", "Key", "Node", "constant"]

#: Reward of a solve that stops although its true error is above the tolerance, or not at all.
FALSE_STOP = -10.0
#: Reward of the time of one formal solution.
_UNIT = -0.1
#: Time, in formal solutions, at which an episode is given up, and formal solutions at most.
_DEAREST, _MOST = 150.0, 60
#: Share of the tolerance to which the reference is solved.
_REFERENCE = 1e-4


class _Cancelled(BaseException):
    """The episode is over before the solve is."""


Key = tuple[str, tuple[Decision, ...]]
"""A problem's name and the decisions made."""


class Node(NamedTuple):
    """What was met after a sequence of decisions on a problem.

    Attributes
    ----------
    observation : Single or None
        None at the end of a solve.
    cost : float
        Time so far by the model, in formal solutions.
    ended : str
        How the solve ended; empty where it goes on.
    error : float
        True error at its end.
    Nformal : int
        Formal solutions so far.
    work : mapping of str to float
        What operators did.
    """

    observation: Single | None
    cost: float
    ended: str = ""
    error: float = np.nan
    Nformal: int = 0
    work: Mapping[str, float] = MappingProxyType({})


@dataclass
class _Solve:
    """A solve in a thread of its own, which waits at every decision.

    It is the call that users make; the thread turns its callback inside out.
    """

    start: lw.Context
    tolerance: float
    prd: bool

    def __post_init__(self) -> None:
        self.ctx = copy.deepcopy(self.start)
        self.decisions: queue.Queue[Decision | None] = queue.Queue()
        self.situations: queue.Queue[Situation | Result | BaseException] = queue.Queue()
        self.situation: Situation | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def decide(self, situation: Situation) -> Decision:
        """Hand a situation over and wait for the decision; called by the scheme."""
        self.situations.put(situation)
        decision = self.decisions.get()
        if decision is None:
            raise _Cancelled
        return decision

    def _run(self) -> None:
        try:
            self.situations.put(
                solve(
                    self.ctx, popsTol=self.tolerance, NmaxIter=_MOST, prd=self.prd, quiet=True,
                    scheme=Depthwise(None, driver=self), bound=False,
                )
            )  # fmt: skip
        except _Cancelled:
            pass
        except BaseException as err:
            self.situations.put(err)

    def next(self) -> Situation | Result:
        """Return the next situation, or the result."""
        met = self.situations.get()
        if isinstance(met, BaseException):
            raise met
        if isinstance(met, Situation):
            self.situation = met
        return met

    def cancel(self) -> None:
        """End the thread."""
        if self.thread.is_alive():
            self.decisions.put(None)
            self.thread.join()


class Drive(gym.Env[Single, Single]):
    """Decide what a solve spends: how good its operators are, when they are renewed, when it stops.

    ## Description
    An episode is a solve by the package's own call. Its first decision is due before the first
    formal solution, and one more after each.

    ## Action space
    ``Box(-1, 1, (7,))``, of which zeros are the fixed setting: see `lw_rl.policies.drive`.

    ## Observation space
    ``Box(-inf, inf, (21,))``, float32; the channels are :data:`lw_rl.policies.drive.NAMES`.

    ## Reward
    A tenth of minus the cost since the last decision, in the time of a formal solution, by the
    calibrated model of `lw_rl.policies.costs`: deterministic. At the end, :data:`FALSE_STOP` where
    the true error is above the tolerance, or the solve did not stop.

    ## Starting state
    A problem is drawn; its populations are in LTE.

    ## Episode end
    Terminated when the solve ends, which the certificate decides, or after 60 formal solutions, or
    when the cost is above 150 formal solutions. With ``stops=True`` a decision to stop ends it too.

    ## Info
    ``problem``, ``cost``, ``Nformal``; at the end ``outcome`` and ``error``.

    ## Replay
    A solve is deterministic, so what follows a sequence of decisions is found once and remembered
    (`memory`); an episode runs a solve only where it leaves what is known. With `coarse` the
    actions are rounded to multiples of its inverse, so that sequences recur: an exact simulator of
    the decisions on that grid, not of those between.

    ## Version History
    * v0: initial version

    Parameters
    ----------
    problems : sequence of Problem or int, optional
        The problems to draw from; a number takes that many of the ``train`` stream (default: 8).
    tolerance : float, optional
        On the error (default: 1e-3).
    coarse : int, optional
        See above; 0 does not round (default: 0).
    dials : sequence of str, optional
        Which numbers of an action count; the others are taken for zero (default: all).
    stops : bool, optional
        Whether a driver may stop against the certificate (default: False).
    decisions : int, optional
        Decisions of an episode; the last one holds for the rest of the solve. 0 asks for one
        before every formal solution and after the last (default: 0).
    memory : dict, optional
        What was met before, by this environment or another (default: nothing).

    Raises
    ------
    ValueError
        If an argument is out of range.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (gymnasium's own declaration)

    def __init__(
        self,
        problems: Sequence[Problem] | int = 8,
        tolerance: float = 1e-3,
        coarse: int = 0,
        dials: Sequence[str] = DIALS,
        stops: bool = False,
        decisions: int = 0,
        memory: dict[Key, Node] | None = None,
    ):
        if isinstance(problems, int):
            problems = [random_problem("train", k) for k in range(problems)]
        if len(problems) == 0:
            raise ValueError("problems must hold at least one problem, got none")
        if not 0.0 < tolerance < 1.0:
            raise ValueError(f"tolerance must lie between 0 and 1, got {tolerance!r}")
        if coarse < 0 or decisions < 0:
            raise ValueError(
                f"coarse and decisions must be 0 or more, got {coarse!r} and {decisions!r}"
            )
        unknown = set(dials) - set(DIALS)
        if unknown:
            raise ValueError(f"dials are {', '.join(DIALS)}; got {', '.join(sorted(unknown))}")
        self.problems = list(problems)
        self.tolerance, self.coarse, self.stops = tolerance, coarse, stops
        self._counts = np.array([name in dials for name in DIALS], dtype=float)
        self.action_space = spaces.Box(-1.0, 1.0, (len(DIALS),), np.float32)
        self.observation_space = spaces.Box(-np.inf, np.inf, (len(NAMES),), np.float32)
        #: What was met, by problem and decisions.
        self.memory: dict[Key, Node] = {} if memory is None else memory
        self.decisions = decisions
        self.kinds: dict[str, Kind] = {}
        self._contexts: dict[str, lw.Context] = {}
        self._references: dict[str, list[Array]] = {}
        self._problem = self.problems[0]
        self._path: tuple[Decision, ...] = ()
        self._solve: _Solve | None = None
        #: Decisions that the solve under way has got.
        self._given: tuple[Decision, ...] = ()
        self._last = Node(None, 0.0)
        #: Solves that were run.
        self.solves = 0

    # ---- gymnasium ----------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None, options: Json | None = None) -> tuple[Single, Json]:
        """Draw a problem and begin to solve it; ``options={"problem": k}`` takes the k-th."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(len(self.problems)))
        if options and "problem" in options:
            drawn = int(options["problem"])
        self._problem, self._path = self.problems[drawn], ()
        self._cancel()
        self._last = self._node()
        assert self._last.observation is not None
        return self._last.observation.copy(), self._info()

    def step(self, action: Single) -> tuple[Single, SupportsFloat, bool, bool, Json]:
        """Decide, and go on to the next decision or the end.

        Raises
        ------
        gymnasium.error.ResetNeeded
            If the episode has ended.
        """
        before = self._last
        if before.observation is None:
            raise gym.error.ResetNeeded(
                f"the solve of {self._problem.name} has ended after {len(self._path)} decisions: "
                "call reset()"
            )
        decision = self.decision(action)
        if decision.stop and self.stops and self._path:
            return self._stopped(before)
        self._path = (*self._path, decision)
        if len(self._path) == self.decisions:
            self._hold(decision)
        self._last = node = self._node()
        reward = _UNIT * (node.cost - before.cost)
        done = bool(node.ended)
        if done and self.is_false(node):
            reward += FALSE_STOP
        observation = before.observation if node.observation is None else node.observation
        # A copy: what is remembered of a solve stays as it was, whatever a learner does to it.
        return observation.copy(), float(reward), done, False, self._info()

    def close(self) -> None:
        """End a solve that is under way."""
        self._cancel()

    # ---- beyond -------------------------------------------------------------------------------

    @property
    def node(self) -> Node:
        """What was met last."""
        return self._last

    def is_false(self, node: Node) -> bool:
        """Whether a solve ended above the tolerance, or did not stop."""
        return node.ended not in ("converged", "rounding") or not node.error <= self.tolerance

    def decision(self, action: Array | Single) -> Decision:
        """Return the decision that an action stands for here, all that has no effect left out."""
        a = np.clip(np.nan_to_num(np.asarray(action, dtype=float)), -1.0, 1.0) * self._counts
        if self.coarse:
            a = np.round(a * self.coarse) / self.coarse
        d, kind, first = decision_of(a), self.kinds[self._problem.name], not self._path
        if first:
            # The scheme takes no step before the first formal solution.
            fidelity = d.fidelity if kind.one_line and kind.Ndim == 1 else 1.0
            return Decision(fidelity=fidelity, tolerance=d.tolerance if kind.one_line else 1.0)
        if d.plain or d.hand_over:
            return Decision(plain=d.plain and not d.hand_over, hand_over=d.hand_over)
        tolerance = 1.0 if kind.one_line and kind.Ndim == 1 else d.tolerance
        # In two dimensions operators are linearised where they are used.
        renew = d.renew if kind.Ndim == 1 else None
        return Decision(
            tolerance=tolerance, relaxation=d.relaxation, renew=renew, stop=d.stop and self.stops
        )

    # ---- inside -------------------------------------------------------------------------------

    def _cancel(self) -> None:
        if self._solve is not None:
            self._solve.cancel()
        self._solve, self._given = None, ()

    def _context(self) -> lw.Context:
        name = self._problem.name
        if name not in self._contexts:
            self._contexts[name] = self._problem.context()
        return self._contexts[name]

    def _reference(self) -> list[Array]:
        name = self._problem.name
        if name not in self._references:
            ctx = copy.deepcopy(self._context())
            solve(ctx, popsTol=_REFERENCE * self.tolerance, JTol=np.inf, NmaxIter=300,
                  prd=self._problem.prd, quiet=True, bound=False)  # fmt: skip
            self._references[name] = Adapter(ctx).populations()
        return self._references[name]

    def _hold(self, decision: Decision) -> None:
        """Go on with the same decision to the end; its end stands for the first of them."""
        key = self._key(self._path)
        if key in self.memory and self.memory[key].ended:
            return
        path = self._path
        while not self._node().ended:
            self._path = (*self._path, decision)
        self.memory[key] = self._node()
        self._path = path

    def _key(self, path: tuple[Decision, ...]) -> Key:
        return self._problem.name, path

    def _node(self) -> Node:
        """Return what is met after the decisions of this episode."""
        key = self._key(self._path)
        if key not in self.memory:
            self._run_to(self._path)
        return self.memory[key]

    def _run_to(self, path: tuple[Decision, ...]) -> None:
        """Run a solve along decisions, and remember all that it meets."""
        if self._solve is None or path[: len(self._given)] != self._given:
            self._cancel()
            self._solve = _Solve(self._context(), self.tolerance, self._problem.prd)
            self.solves += 1
            self._meet(self._solve.next())
        while self._solve is not None and len(self._given) < len(path):
            decision = path[len(self._given)]
            self._given = (*self._given, decision)
            self._solve.decisions.put(decision)
            self._meet(self._solve.next())

    def _meet(self, met: Situation | Result) -> None:
        assert self._solve is not None
        key = self._key(self._given)
        if isinstance(met, Situation):
            self.kinds[self._problem.name] = met.kind
            dear = met.cost > _DEAREST
            self.memory[key] = Node(
                None if dear else observe_situation(met), met.cost, "dear" if dear else "", np.nan,
                met.made, dict(met.work),
            )  # fmt: skip
            if dear:
                self._cancel()
            return
        situation = self._solve.situation
        assert situation is not None
        error = self._error(self._solve.ctx)
        # The last step's work is in the ledger that situations share.
        cost = Situation(situation.kind, made=met.Nformal, work=situation.work).cost
        self.memory[key] = Node(None, cost, met.outcome, error, met.Nformal, dict(situation.work))
        self._solve, self._given = None, ()

    def _error(self, ctx: lw.Context) -> float:
        return max(
            float(np.max(np.abs(n / n_ref - 1.0)))
            for n, n_ref in zip(Adapter(ctx).populations(), self._reference(), strict=True)
        )

    def _stopped(self, before: Node) -> tuple[Single, SupportsFloat, bool, bool, Json]:
        """End the episode where the driver would."""
        self._run_to_live(self._path)
        assert self._solve is not None and before.observation is not None
        error = self._error(self._solve.ctx)
        self._last = Node(None, before.cost, "converged", error, before.Nformal)
        reward = FALSE_STOP if error > self.tolerance else 0.0
        self._cancel()
        return before.observation.copy(), reward, True, False, self._info()

    def _run_to_live(self, path: tuple[Decision, ...]) -> None:
        """Have a solve that stands after these decisions."""
        if self._solve is None or self._given != path:
            self._cancel()
            self._run_to(path)

    def _info(self) -> Json:
        node = self._last
        info: Json = {"problem": self._problem.name, "cost": node.cost, "Nformal": node.Nformal}
        if node.ended:
            info |= {"outcome": node.ended, "error": node.error}
        return info


def constant(env: Drive, problem: int, action: Single) -> Node:
    """Return the end of a solve of one problem with the same action throughout."""
    env.reset(options={"problem": problem})
    while not env.node.ended:
        env.step(action)
    return env.node

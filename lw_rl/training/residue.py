"""Train a depth-wise policy on what the coupled operator leaves of the lines of many-level atoms.

Each line of a problem is an agent of its own, all of one policy, and stable-baselines3 sees as many
environments as there are lines (:class:`LineVec`). What an iteration ends at tells what was left to
do for every line in every state that it visited: the demonstrations of :class:`ResidueBuffer` are
these. The first part of a run imitates them alone; the second updates by the return as well, as
`lw_rl.training.train` does for two-level lines. Both policies are kept; the learning rate falls
along both parts, so that the second is also the more finely trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv

from ..arrays import Array, Integers, Single
from ..envs.line_agents import LineAgents
from ..files import Json
from ..policies.observation import NCHANNELS
from ..problems import Problem, random_problem
from .arguments import Args
from .export import export
from .hindsight import Demonstrations, HindsightBuffer, Pair, demonstration
from .train import learner

__all__ = ["POLICIES", "LineVec", "ResidueBuffer", "train_residue", "training_problem"]

#: What a run leaves: the policy that imitates alone, and the one that was also updated by returns.
POLICIES = ("demonstrations", "sac")
#: First number of the training problems in the stream ``"atoms"``; benchmarks count from zero.
_FIRST = 5000
#: Share of a run after which returns count.
_IMITATES = 0.6
#: Size of the operator's step at which an episode ends: below, what is left is no user's business.
_TOLERANCE = 1e-4
#: Demonstrations that are kept on each number of points; then a new one takes the place of any.
_KEPT = 20_000


class LineVec(VecEnv):
    """The lines of one problem after another, each as an environment of its own.

    Parameters
    ----------
    problems : sequence of Problem
        Of atoms with many levels, in one dimension.
    Npoints : int
        Points of the policy.
    horizon : int
        Steps of an episode.
    seed : int
        Seed of the order of the problems.

    Attributes
    ----------
    Nformal : int
        Formal solutions made so far, those for the solutions included.
    """

    render_mode = None

    def __init__(self, problems: Sequence[Problem], Npoints: int, horizon: int, seed: int):
        self.problems, self.horizon = list(problems), horizon
        self._rng = np.random.default_rng(seed)
        self._order: list[int] = []
        self._agents: dict[int, LineAgents] = {}
        self._Npoints, self._step = Npoints, 0
        self._actions: Any = None
        super().__init__(
            max(p.lines for p in problems),
            spaces.Box(-np.inf, np.inf, (NCHANNELS, Npoints), np.float32),
            spaces.Box(-1.0, 1.0, (Npoints,), np.float32),
        )

    @property
    def Nformal(self) -> int:
        """See the class."""
        return sum(a.Nformal + a.adapter.Nformal for a in self._agents.values())

    def reset(self) -> Single:
        """Begin with the next problem, in LTE; every problem once before any comes again."""
        if not self._order:
            self._order = self._rng.permutation(len(self.problems)).tolist()
        k = self._order.pop()
        if k in self._agents:
            self._agents[k].begin()
        else:
            self._agents[k] = LineAgents(self.problems[k], self._Npoints, solved=True)
        self._present, self._step = self._agents[k], 0
        return self._observe()

    def step_async(self, actions: Single) -> None:
        """Remember what every line's agent does."""
        self._actions = actions

    def step_wait(self) -> tuple[Single, Array, Array, list[Json]]:
        """Correct all lines together and make one formal solution."""
        agents, N = self._present, self._present.Nline
        self._step += 1
        rewards, valid = agents.step(np.ascontiguousarray(self._actions[:N].T))
        ends = not valid or agents.size < _TOLERANCE
        stops = ends or self._step >= self.horizon
        observation, maps = self._observe(), np.zeros((self.num_envs, self._Npoints), np.float32)
        maps[:N] = rewards.T
        infos: list[Json] = [
            {"reward_map": m, "TimeLimit.truncated": stops and not ends} for m in maps
        ]
        infos[0]["demonstrations"] = self.demonstrations()
        if stops:
            for info, last in zip(infos, observation, strict=True):
                info["terminal_observation"] = last
            observation = self.reset()
            infos[0]["demonstrations"] += self.demonstrations()
        return observation, maps.mean(axis=1), np.full(self.num_envs, stops), infos

    def demonstrations(self) -> list[Pair]:
        """Return what each line sees now, and what is left of it, on points of its own number."""
        pairs = []
        for seen, there, previous in self._present.solved():
            y = seen.line.y
            pairs.append(demonstration(seen.frame, y, seen.r, seen.estimate, there - y, previous))
        return pairs

    def _observe(self) -> Single:
        """Return the observations, [num_envs, NCHANNELS, Npoints], zero where there is no line."""
        observation = np.zeros((self.num_envs, NCHANNELS, self._Npoints), np.float32)
        observation[: self._present.Nline] = self._present.observe().transpose(2, 0, 1)
        return observation

    # ---- what stable-baselines3 asks of its environments besides ------------------------------

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, the same for every line."""
        return [getattr(self, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute, the same for every line."""
        setattr(self, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        """Call a method, once for all lines."""
        found = getattr(self, method_name)(*args, **kwargs)
        return [found] * len(list(self._get_indices(indices)))

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No line is."""
        return [False] * len(list(self._get_indices(indices)))


class ResidueBuffer(HindsightBuffer):
    """Replay buffer of lines, with what the solutions tell of every state as demonstrations.

    Parameters
    ----------
    *args, **kwargs
        As for :class:`~lw_rl.training.hindsight.HindsightBuffer`.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._pairs: dict[int, list[Pair]] = {}

    def visit(self, info: Json) -> None:
        """Remember the demonstrations that there are."""
        for pair in info.get("demonstrations", ()):
            kept = self._pairs.setdefault(pair[0].shape[1], [])
            if len(kept) < _KEPT:
                kept.append(pair)
            else:
                kept[self.rng.integers(_KEPT)] = pair

    def ready(self, problems: int) -> bool:
        """Whether there are that many demonstrations at least."""
        return sum(map(len, self._pairs.values())) >= problems

    def demonstrations(self, batch_size: int) -> Demonstrations:
        """Return a batch of demonstrations, all on the same number of points."""
        sizes = sorted(self._pairs)
        weights = np.array([len(self._pairs[N]) for N in sizes], float)
        pairs = self._pairs[int(self.rng.choice(sizes, p=weights / weights.sum()))]
        drawn = [pairs[k] for k in self.rng.integers(len(pairs), size=batch_size)]
        return self._stacked(drawn)

    def _rows(self, batch_size: int) -> tuple[Integers, Integers]:
        """Return rows and columns of transitions in which there is a line."""
        upper = self.buffer_size if self.full else self.pos
        there = np.argwhere(self.observations[:upper, :, 0].any(axis=2))
        drawn = there[self.rng.integers(len(there), size=batch_size)]
        return drawn[:, 0], drawn[:, 1]


def training_problem(index: int) -> Problem:
    """Return a problem of training: random atoms in random atmospheres that no benchmark has."""
    return random_problem("atoms", _FIRST + index)


def train_residue(args: Args, quiet: bool = False) -> Path:
    """Train a policy on what the coupled operator leaves, and leave both of :data:`POLICIES`.

    Parameters
    ----------
    args : Args
        The run's arguments; a step is one formal solution of a problem, whatever its lines.
    quiet : bool, optional
        No progress bar (default: False).

    Returns
    -------
    out : Path
        The folder, with ``demonstrations.json`` and ``sac.json`` and the weights beside them.
    """
    out = Path(args.out)
    torch.set_num_threads(args.threads)
    env = LineVec(
        [training_problem(k) for k in range(args.problems)], args.points, args.horizon, args.seed
    )
    whole = args.steps * env.num_envs
    model = learner(replace(args, steps=whole, warmup=0), env, ResidueBuffer)
    model.set_logger(configure(str(out / "log"), ["csv"]))
    first = round(_IMITATES * args.steps) * env.num_envs
    for name, until in zip(POLICIES, (first, whole), strict=True):
        model.return_every = args.return_every if name == "sac" else 0
        left = until - model.num_timesteps
        if left > 0:
            model.learn(left, reset_num_timesteps=False, progress_bar=not quiet)
        card: Json = {
            "description": "What the coupled operator leaves of lines of many-level atoms.",
            "arguments": {k: v for k, v in asdict(args).items() if k != "out"},
            "seed": args.seed,
            "environment_steps": model.num_timesteps // env.num_envs,
            "gradient_steps": model._n_updates,
            "training_formal_solutions": env.Nformal,
        }
        export(out / name, model, card)
    return out

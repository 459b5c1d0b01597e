"""Hindsight: every pair of states visited on one problem is a solved problem.

At fixed opacity the two-level problem is linear in the source function S. With G the MALI map and
R = G(S) - S, a problem with other sources, whose residual at S_i is R_i - R_j, has its solution
exactly at S_j: what a policy would have seen there, and the correction ln(S_j / S_i), make a
perfect demonstration without any ground truth (hindsight experience replay, Andrychowicz et al.
2017, with a relabelled goal that is always reached). What the approximate operator takes for the
error is linear in the residual, so it is relabelled in the same way.

Relabelled problems are linear to the last digit; real ones are not quite, and begin without
scattered light. So some of the demonstrations are real: once an iteration has settled, its end
tells what was left to do in every state before.

Where there are more levels nothing of this holds line by line: what a line's photons are destroyed
by, and its opacity, follow all populations, so that the problem is not linear in its source
function, and two states visited are not of one problem of that line. Only where an iteration ends
tells what was left to do. `StatEquil` refuses hindsight for such problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from ..arrays import Array, Integers, Single
from ..files import Json
from ..host.state import LinePhysics
from ..norms import to_log
from ..policies.observation import (
    Frame,
    Previous,
    make_frame,
    observe,
    observe_depths,
    policy_points,
    size_of,
)
from .visits import Visits

__all__ = [
    "Demonstrations",
    "DepthwiseSamples",
    "HindsightBuffer",
    "Pair",
    "demonstration",
    "real_pair",
    "relabelled_pair",
]

#: Pairs are dropped whose relabelled problem is not like any real one.
_SMALLEST_RATIO = 1e-6
_LARGEST_TARGET = 500.0
#: In units of the estimate, which is never several times the error where the problem is linear.
_SMALLEST_TARGET = 0.2
#: An estimate below this is too near to rounding, and to the end of the iteration.
_ROUNDING = 1e-7
#: States that a problem must have before pairs are drawn from it.
_FEWEST = 5
#: Share of the demonstrations that are real, and the error of an end, over that of the state.
_REAL = 0.6
_SETTLED = 0.01


Pair = tuple[Single, Array, Array]
"""One demonstration: observation [NCHANNELS, Npoints], target and error [Npoints]."""


class Demonstrations(NamedTuple):
    """A batch of solved problems, all on the same number of points.

    Attributes
    ----------
    observations : torch.Tensor
        [batch, NCHANNELS, Npoints].
    targets : torch.Tensor
        What the operator's estimate of the correction leaves, over the estimate's maximum,
        [batch, Npoints].
    errors : torch.Tensor
        The correction that solves the problem, over the same, [batch, Npoints].
    """

    observations: torch.Tensor
    targets: torch.Tensor
    errors: torch.Tensor


class DepthwiseSamples(NamedTuple):
    """A batch of transitions with rewards point by point."""

    observations: torch.Tensor
    actions: torch.Tensor
    next_observations: torch.Tensor
    dones: torch.Tensor
    rewards: torch.Tensor


class HindsightBuffer(ReplayBuffer):
    """Replay buffer with rewards point by point, and the states visited on every problem.

    Parameters
    ----------
    buffer_size, observation_space, action_space, device, n_envs, optimize_memory_usage, \
handle_timeout_termination
        As in stable-baselines3.
    seed : int, optional
        Seed of the pairs drawn (default: 0).
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        device: torch.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        seed: int = 0,
    ):
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
        )
        Npoints = action_space.shape[0]  # type: ignore[index]
        self.reward_maps = np.zeros((self.buffer_size, self.n_envs, Npoints), dtype=np.float32)
        self.rng = np.random.default_rng(seed)
        self.visits: dict[str, Visits] = {}
        self.buckets: dict[int, list[str]] = {}

    # ---- filling ------------------------------------------------------------------------------

    def add(
        self,
        obs: Array,
        next_obs: Array,
        action: Array,
        reward: Array,
        done: Array,
        infos: list[Json],
    ) -> None:
        """Add one transition of every environment, and what was visited on the way."""
        for k, info in enumerate(infos):
            self.reward_maps[self.pos, k] = info["reward_map"]
            self.visit(info)
        super().add(obs, next_obs, action, reward, done, infos)

    def visit(self, info: Json) -> None:
        """Remember the states in the info of `lw_rl.training.visits.WithVisits`."""
        name = info["problem"]
        if name not in self.visits:
            self.register(name, info["physics"])
        for visit in info["visited"]:
            self.visits[name].add(visit)

    def register(self, name: str, physics: LinePhysics) -> None:
        """Begin to keep states of a problem."""
        N = policy_points(physics.log_tau.shape[0])
        self.visits[name] = Visits(physics, make_frame(physics, N))
        self.buckets.setdefault(N, []).append(name)

    # ---- drawing ------------------------------------------------------------------------------

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> Any:
        """Return transitions with rewards point by point."""
        rows, columns = self._rows(batch_size)
        dones = self.dones[rows, columns] * (1.0 - self.timeouts[rows, columns])
        return DepthwiseSamples(
            *map(
                self.to_torch,
                (
                    self.observations[rows, columns],
                    self.actions[rows, columns],
                    self.next_observations[rows, columns],
                    dones.reshape(-1, 1),
                    self.reward_maps[rows, columns],
                ),
            )
        )

    def _rows(self, batch_size: int) -> tuple[Integers, Integers]:
        """Return rows of the buffer and their environments."""
        upper = self.buffer_size if self.full else self.pos
        rows = self.rng.integers(0, upper, size=batch_size)
        return rows, self.rng.integers(0, self.n_envs, size=batch_size)

    def ready(self, problems: int) -> bool:
        """Whether at least that many problems have enough states to make pairs."""
        return sum(len(v) >= _FEWEST for v in self.visits.values()) >= problems

    def demonstrations(self, batch_size: int) -> Demonstrations:
        """Return a batch of solved problems, all of one size class.

        Parameters
        ----------
        batch_size : int
            Number of demonstrations.
        """
        ready = {
            N: [v for v in map(self.visits.__getitem__, names) if len(v) >= _FEWEST]
            for N, names in self.buckets.items()
        }
        sizes = [N for N, visits in ready.items() if visits]
        weights = np.array([len(ready[N]) for N in sizes], dtype=float)
        visits = ready[int(self.rng.choice(sizes, p=weights / weights.sum()))]
        pairs: list[Pair] = []
        # Pairs may be refused, all of them where a problem's states hardly differ.
        for _ in range(20 * batch_size):
            make = real_pair if self.rng.random() < _REAL else relabelled_pair
            pair = make(visits[self.rng.integers(len(visits))], self.rng)
            if pair is not None:
                pairs.append(pair)
            if len(pairs) == batch_size:
                break
        else:
            if not pairs:
                return self.demonstrations(batch_size)
        return self._stacked(pairs)

    def _stacked(self, pairs: Sequence[Pair]) -> Demonstrations:
        return Demonstrations(
            *(self.to_torch(np.stack(c).astype(np.float32)) for c in zip(*pairs, strict=True))
        )


def real_pair(visits: Visits, rng: np.random.Generator) -> Pair | None:
    """Return a state as it was seen and the correction that the end of the iteration shows.

    None if the iteration has not settled.
    """
    i = int(rng.integers(len(visits) - 1))
    y_i, r_i, e_i, starts = visits[i]
    y_end, _, e_end, _ = visits[len(visits) - 1]
    estimate, left = to_log(e_i), to_log(e_end)
    target = y_end + left - y_i
    size = size_of(estimate)
    if not (_ROUNDING < size and size_of(left) < _SETTLED * size_of(target)):
        return None
    previous = None
    if i > 0 and not starts:
        y_k, _, e_k, _ = visits[i - 1]
        previous = Previous(y_i - y_k, to_log(e_k), estimate)
    return demonstration(visits.frame, y_i, r_i, estimate, target, previous)


def relabelled_pair(visits: Visits, rng: np.random.Generator) -> Pair | None:
    """Return what would have been seen if one visited state had been another's solution.

    None if the relabelled problem is unlike any real one.
    """
    K = len(visits)
    i = int(rng.integers(K))
    # Late states look like solutions: they are the better goals.
    j = K - 1 - int((K - i) * rng.random() ** 1.5) if rng.random() < 0.8 else int(rng.integers(K))
    if i == j:
        return None
    y_i, r_i, e_i, starts = visits[i]
    y_j, r_j, e_j, _ = visits[j]
    target = y_j - y_i
    # Residuals of the linear problem, in units of S_i.
    goal = np.exp(np.clip(target, -60.0, 60.0))
    ratio = np.exp(r_i) - np.expm1(r_j) * goal
    # Negated, so that values that are not numbers are refused as well.
    if not (ratio.min() > _SMALLEST_RATIO and size_of(target) < _LARGEST_TARGET):
        return None
    estimate = to_log(e_i - e_j * goal)
    size = size_of(estimate)
    # A residual that the distance between the states does not account for comes from J, which
    # lags by a formal solution, or from rounding.
    if size < 1e-11 or not size_of(target) > _SMALLEST_TARGET * size:
        return None
    previous = None
    if i > 0 and not starts and rng.random() < 0.8:
        y_k, _, e_k, _ = visits[i - 1]
        before = to_log(e_k - e_j * np.exp(np.clip(y_j - y_k, -60.0, 60.0)))
        previous = Previous(y_i - y_k, before, estimate)
    return demonstration(visits.frame, y_i, np.log(ratio), estimate, target, previous)


def demonstration(
    frame: Frame, y: Array, r: Array, estimate: Array, target: Array, previous: Previous | None
) -> Pair:
    """Return the observation, and target less estimate and target over the estimate's maximum."""
    size = size_of(estimate)
    error = observe_depths(frame, target) / size
    left = error - observe_depths(frame, estimate) / size
    return observe(frame, y, r, estimate, previous), left, error

"""The states visited on every problem, from the environment to the hindsight buffer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from ..envs.stat_equil import StatEquil, Visit
from ..files import Json
from ..host.state import LinePhysics
from ..policies.observation import Frame

__all__ = ["FIRST", "LAST", "Visits", "WithVisits"]

#: States kept per problem: the first ones show what starts look like, the last what solutions do.
FIRST, LAST = 3, 45


class WithVisits(gym.Wrapper[Any, Any, Any, Any]):
    """Add to `info` what hindsight is made of.

    ``physics`` is the :class:`~lw_rl.host.state.LinePhysics` of the problem, ``visited`` the states
    since the last step, those of a reset with the first step after it: vectorised environments of
    stable-baselines3, which hand on every environment's info as it is, keep a reset's info to
    themselves. Those of gymnasium cannot stack them, since their length depends on the problem.

    Parameters
    ----------
    env : Env
        A :class:`~lw_rl.envs.stat_equil.StatEquil`, wrapped or not.

    Raises
    ------
    TypeError
        If it is another environment.
    """

    def __init__(self, env: gym.Env[Any, Any]):
        super().__init__(env)
        if not isinstance(env.unwrapped, StatEquil):
            raise TypeError(
                f"{type(env.unwrapped).__name__} does not record which states it visits"
            )
        self._inner = env.unwrapped
        self._passed_on = 0

    def reset(self, *, seed: int | None = None, options: Json | None = None) -> tuple[Any, Json]:
        """See gymnasium."""
        self._passed_on = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, Json]:
        """See gymnasium."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        visited = self._inner.visited
        info |= {"physics": self._inner.physics, "visited": visited[self._passed_on :]}
        self._passed_on = len(visited)
        return observation, reward, terminated, truncated, info


@dataclass
class Visits:
    """The states visited on one problem: the first :data:`FIRST` and the last :data:`LAST`."""

    physics: LinePhysics
    frame: Frame
    first: list[Visit] = field(default_factory=list)
    last: deque[Visit] = field(default_factory=lambda: deque(maxlen=LAST))

    def add(self, visit: Visit) -> None:
        """Remember a state."""
        if len(self.first) < FIRST:
            self.first.append(visit)
        else:
            self.last.append(visit)

    def __len__(self) -> int:
        return len(self.first) + len(self.last)

    def __getitem__(self, k: int) -> Visit:
        return self.first[k] if k < len(self.first) else self.last[k - len(self.first)]

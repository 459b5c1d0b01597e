"""Learning while a cube is solved: samples from the workers, versions of the policy to them.

Nothing here imports torch: the fine-tuning is a process of its own
(`lw_rl.training.finetune`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from distributed import Client

from ..errors import CubeSettingsError, MissingExtraError, PolicyFileError
from ..files import Json, write_atomically
from ..policies import actor as actors
from ..policies.actor import Actor
from ..policies.base import Policy
from . import sample
from .recorder import VisitedStates, pack
from .store import Output

__all__ = ["COMMAND", "Learner", "LearningSchedule", "Process", "launch", "save_actor"]

_NEEDED = ("torch", "stable_baselines3")
#: What fine-tunes.
COMMAND = (sys.executable, "-W", "ignore", "-m", "lw_rl.training.finetune")


class Process(Protocol):
    """A fine-tuning under way; the methods are those of `subprocess.Popen`."""

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        ...

    def kill(self) -> None:
        """End it."""
        ...

    def wait(self) -> int:
        """Wait for its end."""
        ...


def launch(command: Sequence[str], log: Path) -> Process:
    """Start a command as a process on this machine, its errors going to a file."""
    with open(log, "wb") as errors:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)


@dataclass(frozen=True)
class LearningSchedule:
    """When a policy is fine-tuned on a cube, on how many columns, and how that is started.

    Parameters
    ----------
    first : int, optional
        Columns solved before the first fine-tuning (default: 128).
    growth : int, optional
        Factor from this to the columns solved before the next one, and so on (default: 2).
    fewest, most : int, optional
        Sampled columns below which nothing is learned, and above which the oldest are dropped
        (default: 24, 256).
    launch : callable, optional
        Starts the command of a fine-tuning, its errors going to a file (default: :func:`launch`).
        Another may start it on another machine that shares the disk.

    Raises
    ------
    CubeSettingsError
        If a number is below 1.
    """

    first: int = 128
    growth: int = 2
    fewest: int = 24
    most: int = 256
    launch: Callable[[Sequence[str], Path], Process] = launch

    def __post_init__(self) -> None:
        for name in ("first", "growth", "fewest", "most"):
            if getattr(self, name) < 1:
                raise CubeSettingsError(f"{name} must be at least 1, got {getattr(self, name)!r}")


class Learner:
    """The client's side of learning while a cube is solved.

    Parameters
    ----------
    output : Output
        The output of the cube; every fine-tuning is noted in its attribute ``learning``.
    client : distributed.Client
        The cluster whose workers keep the samples.
    policy : Policy or None
        The policy that the cube was begun with; one that is no Actor does not learn.
    schedule : LearningSchedule, optional
        When to learn.

    Attributes
    ----------
    policy : Policy or None
        The policy in force, of which an interrupted run is taken up again.
    version : int
        Its version: 0 is the one that the cube was begun with.
    note : str
        What is going on.
    able : bool
        Whether anything can be learned.
    """

    def __init__(
        self,
        output: Output,
        client: Client,
        policy: Policy | None,
        schedule: LearningSchedule | None = None,
    ):
        self._output, self._client = output, client
        self._schedule = schedule or LearningSchedule()
        self.folder = output.path.with_name(f"{output.path.name}.learning")
        self.policy = policy
        self._log: list[Json] = output.attribute("learning") or []
        self._columns: list[VisitedStates] = []
        self._process: Process | None = None
        self._next = self._schedule.first
        missing = [name for name in _NEEDED if find_spec(name) is None]
        self.note = ""
        self.able = True
        if policy is None or not output.two_level:
            # A scheme that asks no policy, or atoms on which none is trained: nothing to say.
            self._give_up("")
        elif missing:
            self._give_up(f"no {MissingExtraError.of('learning without', 'train', missing)}")
        elif policy is not None and not isinstance(policy, Actor):
            self._give_up(f"no learning with a policy of type {type(policy).__name__}")
        self.version = max([e["version"] for e in self._log if e["accepted"]], default=0)
        if self.version:
            self.policy = actors.load(self._file(self.version))

    def _give_up(self, reason: str) -> None:
        self.able, self.note = False, reason

    def _file(self, version: int) -> Path:
        return self.folder / f"version_{version}.json"

    def look(self, done: int) -> Actor | None:
        """Go on with learning; return a policy if there is a better one.

        Parameters
        ----------
        done : int
            Columns that this run has solved.
        """
        if not self.able:
            return None
        try:
            if self._process is not None:
                code = self._process.poll()
                return None if code is None else self._receive(code, done)
            if done >= self._next:
                self._collect()
                self._next = max(self._schedule.growth * self._next, done)
                if len(self._columns) >= self._schedule.fewest:
                    self._start()
        except OSError as err:
            # A full disk, as a rule: the cube goes on with the policy that it has.
            self._give_up(f"no more learning: {err}")
        return None

    def _collect(self) -> None:
        try:
            taken = self._client.run(sample.take, on_error="ignore")
        except (OSError, TimeoutError):
            # A worker has died; the next look finds the others.
            return
        for kept in taken.values():
            self._columns += kept or []
        self._columns = self._columns[-self._schedule.most :]

    def _start(self) -> None:
        samples = self.folder / "samples.npz"
        write_atomically(samples, pack(self._columns))
        current = self._file(self.version)
        if self.version == 0:
            assert isinstance(self.policy, Actor)
            save_actor(self.policy, current)
        self._tried = len(self._log) + 1
        self._process = self._schedule.launch(
            [
                *COMMAND,
                *(str(samples), str(current), str(self._file(self._tried))),
                *("--settings", self._output.settings.to_json(), "--seed", str(self._tried)),
            ],
            self.folder / "finetune.log",
        )
        self.note = f"learning from {len(self._columns)} columns"

    def _receive(self, code: int, done: int) -> Actor | None:
        self._process = None
        verdict = self._file(self._tried).with_suffix(".verdict")
        if code != 0 or not verdict.exists():
            self._give_up(f"learning failed (see {self.folder / 'finetune.log'})")
            return None
        entry = {"version": self._tried, "columns": done, **json.loads(verdict.read_text())}
        self._log.append(entry)
        counts = f"{entry['before']:.2f} to {entry['after']:.2f} formal solutions"
        policy = None
        if entry["accepted"]:
            try:
                policy = actors.load(self._file(self._tried))
            except PolicyFileError as err:
                self._give_up(str(err))
                return None
            self.policy, self.version = policy, self._tried
        verb = "accepted" if entry["accepted"] else "refused"
        self.note = f"policy version {self._tried} {verb}: {counts} on held-out columns"
        self._output.set_attribute("learning", self._log)
        return policy

    def close(self) -> None:
        """Stop a fine-tuning that is under way."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def save_actor(policy: Actor, path: Path) -> None:
    """Write a policy's two files."""
    network = policy.network
    card = {k: v for k, v in policy.card.items() if k != "sha256"}
    actors.save(path, network.architecture, network.weights, policy.gain, card)

"""Learning while a cube is solved: samples from the workers, versions of the policy to them.

Nothing here imports torch: the fine-tuning is a process of its own
(`lw_rl.training.finetune`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client

from ..errors import PolicyFileError
from ..files import write_atomically
from ..policies import actor as actors
from ..policies.actor import Actor
from . import sample
from .recorder import Visited
from .store import Output

Array = np.ndarray

#: Columns solved before the first fine-tuning, and the factor to the next after each.
_FIRST, _GROWTH = 128, 2
#: Sampled columns below which nothing is learned, and above which the oldest are dropped.
_FEWEST, _MOST = 24, 256
_NEEDED = ("torch", "stable_baselines3")
#: What fine-tunes: a process of its own.
COMMAND = (sys.executable, "-W", "ignore", "-m", "lw_rl.training.finetune")


class Learner:
    """The client's side of learning as it goes.

    Parameters
    ----------
    output : Output
        The output of the cube; every fine-tuning is noted in its attribute ``learning``.
    client : distributed.Client
        The cluster whose workers keep the samples.
    policy : Actor
        The policy that the cube was begun with.

    Attributes
    ----------
    policy : object
        The policy in force, of which an interrupted run is taken up again.
    version : int
        Its version: 0 is the one that the cube was begun with.
    note : str
        What is going on.
    """

    def __init__(self, output: Output, client: Client, policy: Any):
        self._output, self._client = output, client
        self.folder = output.path.with_name(f"{output.path.name}.learning")
        self.policy, self.version = policy, 0
        self._log: list[dict[str, Any]] = output.attribute("learning") or []
        self._columns: list[tuple[Visited, int, int]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._next = _FIRST
        missing = [name for name in _NEEDED if find_spec(name) is None]
        self.note = ""
        self._able = True
        if missing:
            self._give_up(f"no learning without {', '.join(missing)}: pip install 'lw-rl[train]'")
        elif not isinstance(policy, Actor):
            self._give_up(f"no learning with a policy of type {type(policy).__name__}")
        for entry in self._log:
            if entry["accepted"]:
                self.version = entry["version"]
        if self.version:
            self.policy = actors.load(self._file(self.version))

    def _give_up(self, reason: str) -> None:
        self._able, self.note = False, reason

    def _file(self, version: int) -> Path:
        return self.folder / f"version_{version}.json"

    def look(self, done: int) -> Any:
        """Go on with learning; return a policy if there is a better one.

        Parameters
        ----------
        done : int
            Columns that this run has solved.
        """
        if not self._able:
            return None
        try:
            if self._process is not None:
                return None if self._process.poll() is None else self._receive(done)
            if done >= self._next:
                self._collect()
                self._next = max(_GROWTH * self._next, done)
                if len(self._columns) >= _FEWEST:
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
        self._columns = self._columns[-_MOST:]

    def _start(self) -> None:
        samples = self.folder / "samples.npz"
        write_atomically(samples, pack([v for v, _, _ in self._columns]))
        current = self._file(self.version)
        if self.version == 0:
            save_actor(self.policy, current)
        self._tried = len(self._log) + 1
        self._process = subprocess.Popen(
            [
                *COMMAND,
                *(str(samples), str(current), str(self._file(self._tried))),
                *("--settings", self._output.settings.to_json(), "--seed", str(self._tried)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "finetune.log", "wb"),
        )
        self.note = f"learning from {len(self._columns)} columns"

    def _receive(self, done: int) -> Any:
        assert self._process is not None
        code, self._process = self._process.returncode, None
        verdict = self._file(self._tried).with_suffix(".verdict")
        if code != 0 or not verdict.exists():
            self._give_up(f"learning failed (see {self.folder / 'finetune.log'})")
            return None
        entry = {"version": self._tried, "columns": done, **json.loads(verdict.read_text())}
        self._log.append(entry)
        said = f"{entry['before']:.2f} to {entry['after']:.2f} formal solutions"
        policy = None
        if entry["accepted"]:
            try:
                policy = actors.load(self._file(self._tried))
            except PolicyFileError as err:
                self._give_up(str(err))
                return None
            self.policy, self.version = policy, self._tried
            self.note = f"policy version {self.version}: {said} on held-back columns"
        else:
            self.note = f"policy version {self._tried} refused: {said} on held-back columns"
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


_PARTS = ("column", "physics")


def pack(columns: list[Visited]) -> bytes:
    """Return visited columns as the contents of an npz file, without pickle."""
    arrays: dict[str, Array] = {}
    for k, visited in enumerate(columns):
        for part in _PARTS:
            for name, values in getattr(visited, part).items():
                arrays[f"{k}/{part}/{name}"] = values
        for name in ("y", "r", "lambda_residual", "starts"):
            arrays[f"{k}/{name}"] = getattr(visited, name)
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(path: Path) -> list[Visited]:
    """Read what :func:`pack` made."""
    fields: dict[int, dict[str, Any]] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, *names = key.split("/")
            one = fields.setdefault(int(number), {part: {} for part in _PARTS})
            values = arrays[key]
            part = one[names[0]] if names[0] in _PARTS else one
            part[names[-1]] = values if values.ndim else values.item()
    return [Visited(**fields[k]) for k in sorted(fields)]

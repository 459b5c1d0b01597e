"""A block of columns, as a task of a Dask worker: columns in, arrays of results out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
from lightweaver.atomic_model import AtomicModel

from ..arrays import Array, Single
from ..errors import ClusterError
from ..policies.base import Policy
from . import sample
from .column import FINISHERS, OUTCOMES, Solved, workshop
from .given import Given
from .layout import STOKES, Values
from .settings import CubeSettings
from .source import Columns
from .starts import StartChoice

__all__ = ["Order", "gather", "lost", "mismatch", "required_versions", "snake", "solve_block"]

#: The packages that client and workers must have in the same version.
_SAME = ("lw-rl", "lightweaver")


@dataclass(frozen=True)
class Order:
    """The block that a worker solves, and how.

    Attributes
    ----------
    columns : Columns
        The columns, y fastest.
    shape : tuple of int
        How many there are in x and y.
    settings : CubeSettings
        What they are solved with.
    version : int
        Version of the policy.
    versions : dict
        The client's versions of the packages that must agree (:func:`required_versions`).
    record : bool
        Whether the worker keeps a sample of the states visited.
    models : mapping
        The user's own models among the active atoms.
    given : Given or None
        Populations that the columns begin with.
    """

    columns: Columns
    shape: tuple[int, int]
    settings: CubeSettings
    version: int
    versions: dict[str, str]
    record: bool = False
    models: Mapping[str, AtomicModel] = field(default_factory=dict)
    given: Given | None = None


def required_versions() -> dict[str, str]:
    """Return the versions of the packages that client and workers must have alike."""
    return {name: version(name) for name in _SAME}


def snake(shape: tuple[int, int]) -> list[int]:
    """Return the columns of a block in an order in which each is next to the one before."""
    nx, ny = shape
    return [i * ny + (j if i % 2 == 0 else ny - 1 - j) for i in range(nx) for j in range(ny)]


def solve_block(order: Order, policy: Policy | None = None) -> dict[str, Values]:
    """Solve a block; a task of a worker.

    A column's result depends on the block alone, never on what the worker did before.

    Returns
    -------
    values : dict
        An array of shape [Ncolumn, ...] for each of `lw_rl.cube.store.fields`.

    Raises
    ------
    ClusterError
        If this worker has another version of what must agree.
    """
    mine = required_versions()
    if mine != order.versions:
        raise ClusterError(mismatch({"this worker": mine}, order.versions))
    shop = workshop(order.settings, threading.get_ident(), order.models)
    choice = StartChoice(order.settings.start)
    solved: dict[int, Solved] = {}
    neighbour = None
    for k in snake(order.shape):
        column = order.columns.column(k)
        begin = choice.next(neighbour is not None)
        done = shop.solve(
            column,
            policy,
            neighbour if begin == "neighbour" else None,
            record=order.record,
            given=None if order.given is None else order.given.column(k),
        )
        if done.outcome == "converged":
            choice.note(begin, done.Nformal)
        if done.visited is not None:
            sample.offer(done.visited)
        # A failed column is no place to begin at: the last one that was solved is.
        neighbour = done.neighbour or neighbour
        solved[k] = done
    columns = [solved[k] for k in range(len(order.columns))]
    return gather(columns, order, shop.wavelength.size, len(shop.levels))


def gather(solved: list[Solved], order: Order, Nwave: int, Nlevel: int = 2) -> dict[str, Values]:
    """Return what was solved as arrays, NaN where a column failed."""
    settings = order.settings
    Nspace = order.columns.z.shape[1]
    spectrum = np.full((len(settings.mus), Nwave), np.nan, np.float32)
    depths = np.full((Nlevel, Nspace), np.nan, np.float32)

    def stack(values: list[Array | None], missing: Single) -> Single:
        return np.stack([missing if v is None else v.astype(np.float32) for v in values])

    values: dict[str, Values] = {
        "intensity": stack([s.line.intensity if s.line else None for s in solved], spectrum),
        "formal_solutions": np.array([s.Nformal for s in solved], np.int32),
        "error_estimate": np.array([s.estimate for s in solved], np.float32),
        "seconds": np.array([s.seconds for s in solved], np.float32),
        "attempts": np.array([s.attempts for s in solved], np.int8),
        "finisher": np.array([FINISHERS.index(s.finisher) for s in solved], np.int8),
        "policy_version": np.full(len(solved), order.version, np.int16),
        "reason": np.array([s.reason for s in solved], dtype="O"),
        "outcome": np.array([OUTCOMES.index(s.outcome) for s in solved], np.int8),
    }
    if settings.stokes:
        for k, name in enumerate(STOKES):
            parts = [s.line.polarisation[k] if s.line else None for s in solved]  # type: ignore[index]
            values[name] = stack(parts, spectrum)
    if settings.tau_one:
        values["tau_one"] = stack([s.line.tau_one if s.line else None for s in solved], spectrum)
    if settings.keep != "none":
        values[settings.keep] = stack([s.kept for s in solved], depths)
    return values


def lost(order: Order, reason: str, Nwave: int, Nlevel: int = 2) -> dict[str, Values]:
    """Return the result of columns on which workers died."""
    columns = [Solved("worker_lost", reason=reason)] * len(order.columns)
    return gather(columns, order, Nwave, Nlevel)


def mismatch(workers: dict[str, dict[str, str]], client: dict[str, str]) -> str:
    """Say which workers have other versions than the client."""
    said = [
        f"{name} has {package} {theirs.get(package)}, the client {package} {ours}"
        for name, theirs in workers.items()
        for package, ours in client.items()
        if theirs.get(package) != ours
    ]
    return "; ".join(said) + ". Install the same versions everywhere"

"""The peer: a plain process pool around ``iterate_ctx_se``, as one would write it by hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, partial
from multiprocessing import get_context
from time import perf_counter

import lightweaver as lw
import numpy as np

from ... import atmospheres, atoms
from ...arrays import Array
from ...benchmark.reference import reference, true_error
from ...cube.column import Workshop
from ...cube.rays import emergent
from ...cube.settings import CubeSettings
from ...errors import NoReferenceError
from ...files import Json
from ...host.adapter import Adapter
from ...host.context import radiative_set
from ...host.names import iterate_ctx_se
from ...policies.base import make_policy
from ...processes import one_thread_each

__all__ = [
    "TARGET",
    "plain_column",
    "plain_context",
    "plain_pool",
    "plain_tolerance",
    "prepared_column",
]


#: True error that both sides of the comparison must not exceed.
TARGET = 1e-3
#: Tolerances of the plain process pool; the largest is taken that keeps :data:`TARGET`.
_TOLERANCES = tuple(1e-3 * 0.75**k for k in range(24))


@cache
def _plain_set(line: str) -> tuple[lw.RadiativeSet, lw.SpectrumConfiguration]:
    """Return what does not change between columns, made once in a process here too."""
    return radiative_set(atoms.make(line))


def plain_context(line: str, column: dict[str, Array], Nrays: int = 5) -> lw.Context:
    """Return the context of a column as the host alone makes it, the populations in LTE."""
    radSet, spect = _plain_set(line)  # noqa: N806 (the host's name)
    atmos = atmospheres.from_arrays(**column)
    atmos.quadrature(Nrays)
    return lw.Context(atmos, spect, radSet.compute_eq_pops(atmos), Nthreads=1)


def plain_column(line: str, tolerance: float, column: dict[str, Array]) -> Array:
    """Solve a column as one would by hand."""
    ctx = plain_context(line, column)
    iterate_ctx_se(ctx, pops_tol=tolerance, quiet=True)
    return np.asarray(ctx.compute_rays(mus=[1.0]))


@cache
def _prepared(line: str) -> Workshop:
    """Return what a column of the cube is made of besides the scheme, made once in a process."""
    return Workshop(CubeSettings(line=line))


def prepared_column(line: str, tolerance: float, column: dict[str, Array]) -> Array:
    """Solve a column as the host does, with what does not belong to a scheme as the cube has it.

    Symmetric profiles, a quadrature that is found once, and the emergent rays.
    """
    ctx = _prepared(line).context(column)
    iterate_ctx_se(ctx, pops_tol=tolerance, quiet=True)
    return emergent(ctx, (1.0,)).intensity


def plain_tolerance(line: str, columns: Sequence[dict[str, Array]]) -> Json:
    """Find the tolerance at which ``iterate_ctx_se`` keeps the target error on some columns.

    Returns
    -------
    found : dict
        ``popsTol``; ``worst_true_error`` at it; ``worst_true_error_default`` at 1e-3;
        ``policy_worst_true_error``: that of ``lw_rl`` at its own 1e-3 on the same columns;
        ``columns``: how many there are.

    Raises
    ------
    NoReferenceError
        If no tolerance keeps it, or a reference cannot be computed.
    """
    truths = [reference(plain_context(line, c))[0] for c in columns]
    worst: dict[float, float] = {}
    for tolerance in _TOLERANCES:
        errors = []
        for column, truth in zip(columns, truths, strict=True):
            ctx = plain_context(line, column)
            iterate_ctx_se(ctx, pops_tol=tolerance, quiet=True)
            errors.append(true_error(Adapter(ctx).populations(), truth))
        worst[tolerance] = max(errors)
        if worst[tolerance] <= TARGET:
            break
    else:
        raise NoReferenceError(f"iterate_ctx_se keeps {TARGET:g} at none of {_TOLERANCES}")
    shop = Workshop(CubeSettings(line=line, keep="populations", popsTol=TARGET))
    policy = make_policy("default")
    ours = [
        true_error([solved.kept], truth)
        for solved, truth in (
            (shop.solve(c, policy), t) for c, t in zip(columns, truths, strict=True)
        )
        if solved.kept is not None
    ]
    return {
        "popsTol": tolerance,
        "worst_true_error": worst[tolerance],
        "worst_true_error_default": worst[_TOLERANCES[0]],
        "policy_worst_true_error": max(ours),
        "policy_failed": len(columns) - len(ours),
        "columns": len(columns),
    }


def plain_pool(
    line: str,
    columns: Sequence[dict[str, Array]],
    workers: int,
    tolerance: float,
    prepared: bool = False,
) -> float:
    """Return the wall time [s] of a plain process pool around ``iterate_ctx_se``.

    The pool is warm: its processes have solved some columns before the clock starts.

    Parameters
    ----------
    line : str
        The line.
    columns : sequence of dict
        Keywords of :func:`lw_rl.atmospheres.from_arrays`.
    workers : int
        Processes.
    tolerance : float
        On the change of the populations per iteration.
    prepared : bool, optional
        Whether it is given what the cube saves without a scheme: symmetric profiles, a quadrature
        that is found once, cheaper emergent rays (default: False).
    """
    # The host's advice on tuning, once for every process.
    os.environ.setdefault("PYTHONWARNINGS", "ignore:No config file found")
    with (
        one_thread_each(),
        get_context("spawn").Pool(workers) as pool,
    ):
        solve = partial(prepared_column if prepared else plain_column, line, tolerance)
        pool.map(solve, columns[: 4 * workers], chunksize=1)
        start = perf_counter()
        pool.map(solve, columns, chunksize=max(1, len(columns) // (8 * workers)))
        return perf_counter() - start

"""Populations from elsewhere, made those of statistical equilibrium."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

import lightweaver as lw
import numpy as np

from ..accelerated_context import AcceleratedContext
from ..arrays import Array
from ..errors import PopulationsError
from ..host.adapter import Adapter
from ..host.equations import Equations
from ..host.state import Snapshot
from ..host.threads import blas_threads
from ..iterate import solve
from ..norms import largest
from ..operator.multilevel import CoupledEquilibrium
from ..result import Record, Result

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["PopulationsLike", "read_populations", "refine"]

PopulationsLike: TypeAlias = "Array | Mapping[str, Array] | xr.Dataset"
"""An array [Nlevel, Ndepth], such arrays by element, or a dataset with variables ``n_Ca`` or
``departure_Ca`` of two dimensions, the second one the depth."""

#: Sums off by more than this share of nTotal are refused, not scaled.
_SUM = 0.1
#: What stands for a population of zero, of all.
_ZERO = 1e-30
#: Coordinates of a dataset on which populations can be interpolated, and our names of them.
_COORDINATES = {"column_mass": "column_mass", "cmass": "column_mass", "log_tau": "log_tau"}


def refine(
    ctx: lw.Context,
    populations: PopulationsLike | None = None,
    *,
    departure: bool = False,
    column_mass: Array | None = None,
    log_tau: Array | None = None,
    repair: bool = False,
    popsTol: float = 1e-3,
    quiet: bool = False,
    **kwargs: Any,
) -> Result:
    """Make populations from elsewhere those of statistical equilibrium, with a certified error.

    The first formal solution, at the populations given, tells through the coupled operator where
    the equilibrium is. From there :func:`lw_rl.solve` goes on; or, where LTE is nearer to it than
    what was given, from LTE. So it takes one formal solution more than from LTE at most.

    In two dimensions the operator is not asked beforehand, and the solve begins with the
    populations given. Two-level lines begin with their own operator's solution where that is
    elsewhere; for atoms with more levels nothing says beforehand whether LTE would have been
    nearer.

    Parameters
    ----------
    ctx : lightweaver.Context
        It is solved in place.
    populations : Array, mapping or xarray.Dataset, optional
        Of the active atoms [m-3]: an array [Nlevel, Ndepth] where there is one atom, arrays by the
        element's symbol (``{"Ca": n}``), or a dataset with variables ``n_Ca`` or ``departure_Ca``
        and perhaps a coordinate ``column_mass`` or ``log_tau``. Atoms that are not named begin as
        they are in the context (default: all of them).
    departure : bool, optional
        Arrays are departure coefficients, populations over those of LTE (default: False).
    column_mass, log_tau : Array, optional
        Where the populations are given, if not on the context's own depths: column mass [kg m-2],
        or the logarithm to base ten of the optical depth at 500 nm, increasing, [Ndepth]. Shares of
        the levels, or departure coefficients, are interpolated in the logarithm, and held beyond
        the ends.
    repair : bool, optional
        Replace values that are not finite and positive by interpolation in depth, and scale
        whatever the sums are (default: False, refuse them).
    popsTol, quiet
        As for :func:`lw_rl.solve`.
    **kwargs
        Passed on to :func:`lw_rl.solve`.

    Returns
    -------
    result : Result
        As of :func:`lw_rl.solve`, the first formal solution included; in one dimension its first
        record has the error of the populations given as ``estimate``.

    Raises
    ------
    PopulationsError
        If they are of other atoms, levels or depths, not finite, negative, or do not sum to
        `nTotal` within ten per cent.
    ContextError
        If the context cannot be iterated.

    Whatever is raised, the context is as it was.
    """
    start = perf_counter()
    if isinstance(ctx, AcceleratedContext):
        ctx = ctx.adapter.ctx
    adapter = Adapter(ctx)
    given = read_populations(
        adapter,
        {} if populations is None else populations,
        departure=departure,
        column_mass=column_mass,
        log_tau=log_tau,
        repair=repair,
    )
    snapshot = adapter.snapshot()
    try:
        with blas_threads(adapter.Nthreads):
            records = _begin(adapter, given, snapshot)
        result = solve(ctx, popsTol=popsTol, quiet=True, **kwargs)
    except BaseException:
        adapter.restore(snapshot)
        raise
    records += [replace(r, Nformal=r.Nformal + len(records)) for r in result.records]
    result = replace(
        result,
        Nformal=result.Nformal + adapter.Nformal,
        records=records,
        seconds=perf_counter() - start,
    )
    if not quiet:
        print(result)
    return result


def _begin(adapter: Adapter, given: list[Array], untouched: Snapshot) -> list[Record]:
    """Set the populations where a solve is to begin, and return what that took.

    In one dimension that is a formal solution at those given. In LTE it begins with the radiation
    of the context untouched: that of populations that are nowhere near an equilibrium is of no use,
    or not even finite.
    """
    adapter.write(adapter.unknown(given))
    if adapter.grid.Ndim != 1:
        return []
    given = adapter.populations()
    adapter.formal_solution()
    lte = adapter.lte_populations()
    solved = None
    equations = Equations(adapter)
    operator = CoupledEquilibrium(equations.transfer)
    # Inverted populations make light of less than none, which has no equilibrium. From populations
    # that are far off equations may be singular.
    if adapter.radiation().min() >= 0.0:
        with suppress(np.linalg.LinAlgError):
            solved = operator.solve(equations.rates(given, adapter.switched))
    if solved is None:
        adapter.restore(untouched)
        adapter.write(adapter.unknown(lte))
        note = "no equilibrium was found from the populations given: begun in LTE"
        return [Record(1, np.inf, np.inf, "operator", False, note)]
    n, J = solved
    wrong = largest(np.log(np.concatenate(given) / n))
    if largest(np.log(np.concatenate(lte) / n)) < wrong:
        adapter.restore(untouched)
        adapter.write(adapter.unknown(lte))
        note = f"LTE is nearer to equilibrium than the populations given, off by {wrong:.1e}"
        return [Record(1, wrong, wrong, "operator", False, note)]
    transfer = equations.transfer
    adapter.write(adapter.unknown(np.split(n, transfer.first_level[1:])))
    adapter.write_radiation_ahead(transfer.waves, J)
    note = f"the populations given were off by {wrong:.1e}"
    return [Record(1, wrong, wrong, "operator", True, note)]


# ---- what is given --------------------------------------------------------------------------


def read_populations(
    adapter: Adapter,
    populations: PopulationsLike,
    *,
    departure: bool = False,
    column_mass: Array | None = None,
    log_tau: Array | None = None,
    repair: bool = False,
) -> list[Array]:
    """Return populations of every active atom [m-3], each [Nlevel, Nspace].

    Takes and raises what :func:`refine` does.
    """
    elements = adapter.elements
    if column_mass is not None and log_tau is not None:
        raise PopulationsError("give the column mass or log tau of the populations, not both")
    if hasattr(populations, "data_vars"):
        found, departures, column_mass, log_tau = _of_dataset(populations, column_mass, log_tau)
    elif isinstance(populations, Mapping):
        found = {str(k): np.asarray(v) for k, v in populations.items()}
        departures = set(found) if departure else set()
    else:
        if len(elements) > 1:
            raise PopulationsError(
                f"the active atoms are {', '.join(elements)}: name them, as in "
                f"{{'{elements[0]}': n}}"
            )
        found = {elements[0]: np.asarray(populations)}
        departures = set(found) if departure else set()
    unknown = sorted(set(found) - set(elements))
    if unknown:
        raise PopulationsError(
            f"populations of {', '.join(unknown)} were given; the active atoms are "
            f"{', '.join(elements)}"
        )
    where = _coordinate(adapter, column_mass, log_tau)
    now, lte, totals = adapter.populations(), adapter.lte_populations(), adapter.totals()
    return [
        _checked(element, found[element], element in departures, where, star, total, repair)
        if element in found
        else n
        for element, n, star, total in zip(elements, now, lte, totals, strict=True)
    ]


def _of_dataset(
    ds: Any, column_mass: Array | None, log_tau: Array | None
) -> tuple[dict[str, Array], set[str], Array | None, Array | None]:
    """Return the arrays of a dataset, which are departure coefficients, and where they are."""
    found, departures = {}, set()
    for name in ds.data_vars:
        kind, _, element = str(name).rpartition("_")
        if kind in ("n", "departure") and ds[name].ndim == 2:
            found[element] = np.asarray(ds[name].values, dtype=np.float64)
            if kind == "departure":
                departures.add(element)
    if not found:
        raise PopulationsError(
            "the dataset has no populations: variables of two dimensions, level and depth, that "
            f"are called n_Ca or departure_Ca, say; it has {', '.join(map(str, ds.variables))}"
        )
    if column_mass is None and log_tau is None:
        for name, ours in _COORDINATES.items():
            if name in ds.variables and ds[name].ndim == 1:
                values = np.asarray(ds[name].values, dtype=np.float64)
                if ours == "column_mass":
                    return found, departures, values, None
                return found, departures, None, values
    return found, departures, column_mass, log_tau


def _coordinate(
    adapter: Adapter, column_mass: Array | None, log_tau: Array | None
) -> tuple[Array, Array] | None:
    """Return where populations are given and where they are wanted, as increasing numbers."""
    if column_mass is None and log_tau is None:
        return None
    if adapter.grid.Ndim != 1:
        raise PopulationsError(
            "populations are interpolated in column mass or log tau in one dimension; in two give "
            "them at the context's own points"
        )
    if column_mass is not None:
        given = np.asarray(column_mass, dtype=np.float64)
        if not np.all(given > 0.0):
            raise PopulationsError("column masses must be positive [kg m-2]")
        given, wanted = np.log(given), np.log(adapter.column_mass())
    else:
        given, wanted = np.asarray(log_tau, dtype=np.float64), adapter.log_tau()
    usable = given.ndim == 1 and len(given) > 1 and np.isfinite(given.sum())
    if not usable or not np.all(np.diff(given) > 0.0):
        raise PopulationsError(
            "the column mass or log tau of populations is finite, has one dimension and increases "
            f"inwards; got {np.array2string(given, threshold=6)}"
        )
    return given, wanted


def _checked(
    element: str,
    values: Array,
    departure: bool,
    where: tuple[Array, Array] | None,
    star: Array,
    total: Array,
    repair: bool,
) -> Array:
    """Return populations on the context's depths that are positive and sum to `total`."""
    try:
        values = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as err:
        raise PopulationsError(f"the populations of {element} are not numbers: {err}") from err
    Nlevel, Nspace = star.shape
    depths = Nspace if where is None else len(where[0])
    if values.shape != (Nlevel, depths):
        hint = "" if where is not None or values.ndim != 2 or len(values) != Nlevel else (
            "; on another depth grid, give its column_mass or log_tau"
        )  # fmt: skip
        raise PopulationsError(
            f"the atom of {element} has {Nlevel} levels at {depths} depths, an array of shape "
            f"({Nlevel}, {depths}); got {values.shape}{hint}"
        )
    bad = ~np.isfinite(values) | (values < 0.0)
    if np.any(bad) and not repair:
        raise PopulationsError(
            f"the populations of {element} hold {float(values[bad][0])!r}, in {bad.sum()} of "
            f"{bad.size} values; repair=True interpolates over them"
        )
    if repair:
        bad |= values == 0.0
    index = np.arange(depths)
    for level, unusable in zip(values, bad, strict=True):
        if np.all(unusable):
            raise PopulationsError(f"a level of {element} has no usable population at any depth")
        good = ~unusable
        level[unusable] = np.exp(np.interp(index[unusable], index[good], np.log(level[good])))
    if not departure and where is not None:
        values /= values.sum(axis=0)
    values = np.maximum(values, _ZERO * values.max(axis=0))
    if where is not None:
        values = np.exp([np.interp(where[1], where[0], level) for level in np.log(values)])
    n = values * star if departure else values
    share = n.sum(axis=0) / total
    if not departure and where is None and not repair and largest(share - 1.0) > _SUM:
        worst = float(share[np.argmax(np.abs(share - 1.0))])
        raise PopulationsError(
            f"the populations of {element} sum to {worst:.3g} times nTotal at the worst depth; "
            "repair=True scales them"
        )
    scaled: Array = n / share
    return scaled

"""The host's names in both spellings, that of Lightweaver 0.17 and that of 1.0.

Version 1.0 renames the host's public names from camelCase to snake_case; physics symbols and counts
keep theirs (`J`, `Rij`, `Nspace`). This module spells every name that changes; the rest of the
package uses those of 1.0 through it. Where an object knows neither spelling, a public name of it
that differs in underscores and case only will do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache, wraps
from typing import Any, TypeVar, cast

import lightweaver as lw

__all__ = [
    "OLD",
    "Named",
    "both_spellings",
    "entry",
    "iterate_ctx_se",
    "keywords",
    "spelled",
]

F = TypeVar("F", bound=Callable[..., Any])

#: The names of 1.0 that are used here or by users of this package, and what 0.17 calls them.
OLD: dict[str, str] = {
    # of contexts
    "active_atoms": "activeAtoms",
    "conserve_charge": "conserveCharge",
    "crsw_callback": "crswCallback",
    "crsw_done": "crswDone",
    "depth_data": "depthData",
    "detailed_atom_prd": "detailedAtomPrd",
    "detailed_atoms": "detailedAtoms",
    "eq_pops": "eqPops",
    "ng_options": "ngOptions",
    # of atoms, transitions, populations
    "a_damp": "aDamp",
    "atomic_model": "atomicModel",
    "atomic_pops": "atomicPops",
    "hmin_pops": "HminPops",
    "n_star": "nStar",
    "n_total": "nTotal",
    "rho_prd": "rhoPrd",
    "v_broad": "vBroad",
    # of atmospheres and model atoms
    "lower_bc": "lowerBc",
    "nh_tot": "nHTot",
    "mass_per_h": "massPerH",
    "upper_bc": "upperBc",
    "vlos_mu": "vlosMu",
    # of iteration updates
    "dJ_max": "dJMax",
    "d_pops": "dPops",
    "d_pops_max": "dPopsMax",
    "d_pops_max_idx": "dPopsMaxIdx",
    "d_rho": "dRho",
    "d_rho_max": "dRhoMax",
    "ng_accelerated": "ngAccelerated",
    "updated_pops": "updatedPops",
    # of arguments
    "J_tol": "JTol",
    "lambda_iterate": "lambdaIterate",
    "max_iter": "NmaxIter",
    "max_prd_sub_iter": "maxPrdSubIter",
    "n_prev": "prevTimePops",
    "pops_tol": "popsTol",
    "prd_iter_tol": "prdIterTol",
    "print_interval": "printInterval",
    "return_final_convergence": "returnFinalConvergence",
    "rho_tol": "rhoTol",
    "up_only": "upOnly",
}
#: Names of 1.0 that stand for more than one of 0.17.
_ALSO = {"max_iter": ("maxIter",)}


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _candidates(new: str) -> tuple[str, ...]:
    return (new, *((OLD[new],) if new in OLD else ()), *_ALSO.get(new, ()))


def spelled(thing: Any, new: str) -> str:
    """Return how an object spells one of its attributes.

    Parameters
    ----------
    thing : object
        One of the host's.
    new : str
        The name of 1.0.

    Raises
    ------
    AttributeError
        If it has none of that name in any spelling.
    """
    for name in _candidates(new):
        if hasattr(thing, name):
            return name
    if "_" in new:
        for name in dir(thing):
            if not name.startswith("_") and _folded(name) == _folded(new) and hasattr(thing, name):
                return name
    raise AttributeError(f"{type(thing).__name__} has no {' or '.join(_candidates(new))}")


class Named:
    """One of the host's objects, its attributes under the names of 1.0."""

    __slots__ = ("_thing",)

    def __init__(self, thing: Any):
        object.__setattr__(self, "_thing", thing)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._thing, spelled(self._thing, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._thing, spelled(self._thing, name), value)

    def has(self, name: str) -> bool:
        """Return whether the object has an attribute."""
        try:
            spelled(self._thing, name)
        except AttributeError:
            return False
        return True


def entry(mapping: Mapping[str, Any], new: str) -> Any:
    """Return an entry of one of the host's mappings, such as ``Context.kwargs``.

    Raises
    ------
    KeyError
        If there is none of that name in any spelling.
    """
    for name in _candidates(new):
        if name in mapping:
            return mapping[name]
    for name in mapping:
        if _folded(name) == _folded(new):
            return mapping[name]
    raise KeyError(f"{' or '.join(_candidates(new))}; there are {', '.join(mapping)}")


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> tuple[str, ...] | None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    kinds = signature.parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in kinds):
        return None
    return tuple(signature.parameters)


def keywords(function: Callable[..., Any], **new: Any) -> dict[str, Any]:
    """Return keyword arguments as one of the host's callables spells them.

    What does not tell its parameters is taken to spell them as the object that it is a method of
    spells its attributes, or else as ``lightweaver.iterate_ctx_se`` does.

    Parameters
    ----------
    function : callable
        One of the host's.
    **new
        Arguments under the names of 1.0.
    """
    known = _parameters(function)
    if known is None:
        recent = _is_recent(function)
        return {name if recent else OLD.get(name, name): value for name, value in new.items()}
    given = {}
    for name, value in new.items():
        spelling = [p for p in _candidates(name) if p in known]
        spelling += [p for p in known if _folded(p) == _folded(name)]
        given[spelling[0] if spelling else name] = value
    return given


def _is_recent(function: Callable[..., Any]) -> bool:
    """Return whether a callable belongs to a host that uses the names of 1.0."""
    owner = getattr(function, "__self__", None)
    if owner is not None and any(hasattr(owner, n) for n in ("active_atoms", "activeAtoms")):
        return hasattr(owner, "active_atoms")
    known = _parameters(lw.iterate_ctx_se)
    return known is not None and "max_iter" in known


def iterate_ctx_se(ctx: Any, **settings: Any) -> Any:
    """Call ``lightweaver.iterate_ctx_se``, its arguments under the names of 1.0."""
    return lw.iterate_ctx_se(ctx, **keywords(lw.iterate_ctx_se, **settings))


def both_spellings(function: F) -> F:
    """Let a function whose keywords are the host's of 0.17 take those of 1.0 as well.

    Giving one argument in both spellings raises TypeError, as giving it twice does.
    """
    known = inspect.signature(function).parameters

    @wraps(function)
    def with_both(*args: Any, **given: Any) -> Any:
        for name in [n for n in given if n not in known and n in OLD]:
            old = next((n for n in _candidates(name) if n in known), None)
            if old is None:
                continue
            if old in given:
                raise TypeError(
                    f"{function.__name__}() got {old!r} and {name!r}, two spellings of one argument"
                )
            given[old] = given.pop(name)
        return function(*args, **given)

    return cast(F, with_both)

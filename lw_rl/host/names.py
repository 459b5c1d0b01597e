"""The host's names in both spellings, that of Lightweaver 0.17 and that of 1.0.

Version 1.0 renames the host's public names from camelCase to snake_case; physics symbols and counts
keep theirs (`J`, `Rij`, `Nspace`). This module spells every name that changes; the rest of the
package uses those of 1.0 through it. Where an object knows neither spelling, a public name of it
that differs in underscores and case only will do.

Source: the table of renamed names of the host's main branch, ``lightweaver/_renames.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache, wraps
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
    # of their making
    "background_provider": "backgroundProvider",
    "formal_solver": "formalSolver",
    "fs_iter_scheme": "fsIterScheme",
    "init_sol": "initSol",
    "init_val": "initVal",
    "interp_fn": "interpFn",
    "nr_h_only": "nrHOnly",
    # of atoms, transitions, populations
    "a_damp": "aDamp",
    "atomic_model": "atomicModel",
    "atomic_pops": "atomicPops",
    "hmin_pops": "HminPops",
    "n_star": "nStar",
    "n_total": "nTotal",
    "passive_atoms": "passiveAtoms",
    "rad_set": "radSet",
    "rho_prd": "rhoPrd",
    "update_lte_atoms_hmin_pops": "update_lte_atoms_Hmin_pops",
    "v_broad": "vBroad",
    # of atmospheres and model atoms
    "lower_bc": "lowerBc",
    "mass_per_h": "massPerH",
    "nh_tot": "nHTot",
    "upper_bc": "upperBc",
    "vlos_mu": "vlosMu",
    "z_lower_bc": "zLowerBc",
    "z_upper_bc": "zUpperBc",
    # of iteration updates
    "Nprd_sub_iter": "NprdSubIter",
    "dJ_max": "dJMax",
    "dpops": "dPops",
    "dpops_max": "dPopsMax",
    "dpops_max_idx": "dPopsMaxIdx",
    "drho": "dRho",
    "drho_max": "dRhoMax",
    "ng_accelerated": "ngAccelerated",
    "updated_pops": "updatedPops",
    # of arguments
    "J_tol": "JTol",
    "lambda_iterate": "lambdaIterate",
    "max_iter": "NmaxIter",
    "max_prd_sub_iter": "maxPrdSubIter",
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


_SPELLINGS = {
    _folded(name): names
    for names in ((new, old, *_ALSO.get(new, ())) for new, old in OLD.items())
    for name in names
}


@cache
def _candidates(name: str) -> tuple[str, ...]:
    """Return the spellings of a name, that of 1.0 first."""
    return _SPELLINGS.get(_folded(name), (name,))


def _alike(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that differs in underscores and case only; symbols keep their case."""
    if len(name) < 3 or ("_" not in name and name[1:].islower()):
        return None
    return next((c for c in choices if c[0] != "_" and _folded(c) == _folded(name)), None)


@lru_cache(maxsize=1024)
def _choose(name: str, choices: tuple[str, ...]) -> str | None:
    """Return the choice that is a spelling of a name."""
    known = (candidate for candidate in _candidates(name) if candidate in choices)
    return next(known, None) or _alike(name, choices)


#: How types spell attributes that all their objects have.
_KNOWN: dict[type, dict[str, str]] = {}


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
    kind = type(thing)
    known = _KNOWN.get(kind)
    if known is None:
        known = _KNOWN[kind] = {}
    name = known.get(new)
    if name is None:
        name = _spelling(thing, new)
        if hasattr(kind, name) or name in getattr(kind, "__dataclass_fields__", ()):
            known[new] = name
    return name


def _spelling(thing: Any, new: str) -> str:
    recent, *old = _candidates(new)
    # A type that knows the name of 1.0 warns of the old one even where there is no value.
    if hasattr(thing, recent) or hasattr(type(thing), recent):
        return recent
    for name in old:
        if hasattr(thing, name):
            return name
    alike = _alike(new, dir(thing))
    if alike is None:
        raise AttributeError(f"{type(thing).__name__} has no {' or '.join((recent, *old))}")
    return alike


class Named:
    """One of the host's objects, its attributes under the names of 1.0."""

    __slots__ = ("_thing",)

    def __init__(self, thing: Any):
        object.__setattr__(self, "_thing", thing)

    def __getattr__(self, name: str) -> Any:
        thing = self._thing
        known = _KNOWN.get(type(thing), {}).get(name)
        if known is not None:
            return getattr(thing, known)
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(thing, spelled(thing, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._thing, spelled(self._thing, name), value)

    def has(self, name: str) -> bool:
        """Return whether the object has an attribute."""
        return hasattr(self, name)


def entry(mapping: Mapping[str, Any], new: str) -> Any:
    """Return an entry of one of the host's mappings, such as ``Context.kwargs``.

    Raises
    ------
    KeyError
        If there is none of that name in any spelling.
    """
    name = _choose(new, tuple(mapping))
    if name is None:
        raise KeyError(f"{' or '.join(_candidates(new))}; there are {', '.join(mapping)}")
    return mapping[name]


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], bool]:
    """Return a callable's parameters, and whether it may take others."""
    try:
        kinds = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return (), True
    return tuple(kinds), any(p.kind is p.VAR_KEYWORD for p in kinds.values())


def _parameters_of(function: Callable[..., Any]) -> tuple[tuple[str, ...], bool]:
    # What is cached is the class's function: a bound method would keep its context alive.
    return _parameters(getattr(function, "__func__", function))


def keywords(function: Callable[..., Any], **given: Any) -> dict[str, Any]:
    """Return keyword arguments as one of the host's callables spells them.

    What does not tell its parameters is taken to spell them as the object that it is a method of
    spells its attributes, or else as ``lightweaver.iterate_ctx_se`` does.

    Parameters
    ----------
    function : callable
        One of the host's.
    **given
        Arguments in either spelling.

    Raises
    ------
    TypeError
        If an argument is given in two spellings.
    """
    known, takes_others = _parameters_of(function)

    def spelling(name: str) -> str:
        found = _choose(name, known)
        if found is None and takes_others:
            recent, *old = _candidates(name)
            return recent if not old or _is_recent(function) else old[0]
        return found or name

    return _respelled(function, given, spelling)


def _respelled(
    function: Callable[..., Any], given: Mapping[str, Any], spelling: Callable[[str], str]
) -> dict[str, Any]:
    names: dict[str, str] = {}
    for name in given:
        first = names.setdefault(spelling(name), name)
        if first != name:
            raise TypeError(
                f"{getattr(function, '__name__', function)}() got {first!r} and {name!r}, "
                "two spellings of one argument"
            )
    return {new: given[name] for new, name in names.items()}


def _is_recent(function: Callable[..., Any]) -> bool:
    """Return whether a callable belongs to a host that uses the names of 1.0."""
    owner = getattr(function, "__self__", None)
    if hasattr(owner, "active_atoms") or hasattr(owner, "activeAtoms"):
        return hasattr(owner, "active_atoms")
    return "max_iter" in _parameters_of(lw.iterate_ctx_se)[0]


def iterate_ctx_se(ctx: Any, **settings: Any) -> Any:
    """Call ``lightweaver.iterate_ctx_se``, its arguments under the names of 1.0."""
    return lw.iterate_ctx_se(ctx, **keywords(lw.iterate_ctx_se, **settings))


def both_spellings(function: F) -> F:
    """Let a function whose keywords are the host's take them in either spelling.

    Giving one argument in both spellings raises TypeError, as giving it twice does.
    """
    known = tuple(inspect.signature(function).parameters)

    @wraps(function)
    def with_both(*args: Any, **given: Any) -> Any:
        return function(
            *args, **_respelled(function, given, lambda name: _choose(name, known) or name)
        )

    return cast(F, with_both)

"""A stand-in for Lightweaver 1.0: that of 0.17 under the names of 1.0, which is on no registry yet.

What is renamed follows from the rule that the host states, not from `lw_rl.host.names`: a name that
is missing or wrong there fails here (the rule is wrong for five arguments of model atoms, which
nothing here uses). `Strict` objects answer to the new names only; `Deprecating`
ones to the old ones too, with the warning of 1.0.
"""

from __future__ import annotations

import copy
import enum
import inspect
import re
import warnings
from functools import cache

import lightweaver as lw

#: Names to which the rule does not apply.
_IRREGULAR = {
    "HminPops": "hmin_pops",
    "JTol": "J_tol",
    "JUpdate": "J_update",
    "NmaxIter": "max_iter",
    "NprdSubIter": "Nprd_sub_iter",
    "NprdTrans": "Nprd_trans",
    "fromScratch": "fromScratch",
    "maxIter": "max_iter",
    "nHTot": "nh_tot",
    "update_lte_atoms_Hmin_pops": "update_lte_atoms_hmin_pops",
    "update_nTotal": "update_n_total",
}
_SYMBOLS = frozenset({"B", "J", "Q", "U", "V", "dJ"})

#: What `lightweaver.Context` takes; it does not tell.
_CONTEXT = """atmos spect eqPops ngOptions initSol conserveCharge nrHOnly detailedAtomPrd hprd
crswCallback Nthreads backgroundProvider formalSolver interpFn fsIterScheme""".split()

#: What this package uses of the module `lightweaver` and has names or arguments that change.
_CHANGED = (
    "Atmosphere",
    "Context",
    "CrswIterator",
    "DefaultAtomicAbundance",
    "IterationUpdate",
    "Layout",
    "NgOptions",
    "RadiativeSet",
    "read_multi_atmos",
)


class OldNameWarning(FutureWarning):
    """The host's warning of an old name is a FutureWarning too."""


@cache
def renamed(name: str) -> str:
    """Return the name of 1.0: words in snake_case; counts, physics and types keep their case."""
    if name in _IRREGULAR or "_" in name or not re.match("[a-z]+[0-9]*[A-Z]", name):
        return _IRREGULAR.get(name, name)
    words = re.findall("[A-Z]?[a-z]+[0-9]*|[A-Z]", name)
    if words[0] == "d":  # a change: its letter belongs to what changes
        words[:2] = ["dJ" if words[1] == "J" else "d" + words[1].lower()]
    return "_".join(w if w in _SYMBOLS else w.lower() for w in words)


class Strict:
    """An object, a class or a function of the host under the names of 1.0."""

    old_names = False

    def __init__(self, thing):
        object.__setattr__(self, "thing", thing)

    def _refuse(self, name, error):
        if not self.old_names:
            raise error(f"{name} is {renamed(name)} in 1.0")
        warnings.warn(f"{name} is {renamed(name)}", OldNameWarning, stacklevel=3)

    def _old(self, name):
        if renamed(name) != name:
            self._refuse(name, AttributeError)
            return name
        if hasattr(self.thing, name):
            return name
        return next((old for old in dir(self.thing) if renamed(old) == name), name)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._wrapped(getattr(self.thing, self._old(name)))

    def __setattr__(self, name, value):
        setattr(self.thing, self._old(name), unwrapped(value))

    def __dir__(self):
        return [renamed(name) for name in dir(self.thing)]

    def _parameters(self):
        if self.thing is lw_0_17["Context"]:
            return {renamed(name): name for name in _CONTEXT}
        return {renamed(name): name for name in inspect.signature(self.thing).parameters}

    @property
    def __signature__(self):
        try:
            known = inspect.signature(self.thing)
        except (TypeError, ValueError) as err:
            raise AttributeError("__signature__") from err
        return known.replace(
            parameters=[p.replace(name=renamed(p.name)) for p in known.parameters.values()]
        )

    def __call__(self, *args, **given):
        known, old = self._parameters(), {}
        for name, value in given.items():
            if renamed(name) != name:
                self._refuse(name, TypeError)
            old[known.get(renamed(name), name)] = unwrapped(value)
        return self._wrapped(self.thing(*map(unwrapped, args), **old))

    def _wrapped(self, value):
        if isinstance(value, list | tuple):
            return type(value)(map(self._wrapped, value)) if any(map(_of_host, value)) else value
        if isinstance(value, dict):
            return {
                renamed(k) if isinstance(k, str) else k: self._wrapped(v) for k, v in value.items()
            }
        if isinstance(value, lw.BoundaryCondition):
            # Which one it is is told by the name of its class.
            kind = Deprecating if self.old_names else Strict
            return type(type(value).__name__, (kind,), {})(value)
        return type(self)(value) if _of_host(value) else value

    def __getitem__(self, key):
        return self._wrapped(self.thing[unwrapped(key)])

    def __iter__(self):
        return map(self._wrapped, self.thing)

    def __len__(self):
        return len(self.thing)

    def __bool__(self):
        return bool(self.thing)

    def __eq__(self, other):
        return isinstance(other, Strict) and self.thing == other.thing

    def __hash__(self):
        return hash((Strict, self.thing))

    def __str__(self):
        return str(self.thing)

    def __copy__(self):
        return type(self)(copy.copy(self.thing))

    def __reduce__(self):
        return type(self), (self.thing,)


class Deprecating(Strict):
    """The same, and the old names with a warning."""

    old_names = True


def _of_host(value):
    kind = value if isinstance(value, type) or callable(value) else type(value)
    module = getattr(kind, "__module__", None) or ""
    return module.startswith("lightweaver") and not isinstance(value, enum.Enum)


def unwrapped(value):
    """Return what a stand-in stands for, and a list or tuple of them."""
    if isinstance(value, list | tuple):
        return type(value)(map(unwrapped, value))
    return value.thing if isinstance(value, Strict) else value


class DefaultConvergenceCriteria(lw.ConvergenceCriteria):
    """The host's criterion under the names of 1.0."""

    def __init__(self, ctx, J_tol, pops_tol, rho_tol):
        self.ctx, self.J_tol, self.pops_tol, self.rho_tol = ctx, J_tol, pops_tol, rho_tol

    def is_converged(self, J_update, pops_update, prd_update):
        updates = [u for u in (J_update, pops_update, prd_update) if u is not None]
        settled = all(u.dJ_max < self.J_tol and u.dpops_max < self.pops_tol for u in updates)
        if prd_update is not None and self.rho_tol is not None:
            settled = settled and prd_update.drho_max < self.rho_tol
        return settled and self.ctx.crsw_done


def iterate_ctx_se(
    ctx,
    Nscatter=3,
    max_iter=2000,
    prd=False,
    J_tol=5e-3,
    pops_tol=1e-3,
    rho_tol=None,
    prd_iter_tol=1e-2,
    max_prd_sub_iter=3,
    print_interval=0.2,
    quiet=False,
    convergence=None,
    return_final_convergence=False,
):
    """The host's loop under the names of 1.0, its hooks called by position as 1.0 does."""
    conv = (convergence or DefaultConvergenceCriteria)(ctx, J_tol, pops_tol, rho_tol)
    for it in range(max_iter):
        updates = [ctx.formal_sol_gamma_matrices()]
        if it < Nscatter:
            continue
        updates.append(ctx.stat_equil())
        updates.append(
            ctx.prd_redistribute(max_iter=max_prd_sub_iter, tol=prd_iter_tol) if prd else None
        )
        if conv.is_converged(*updates):
            break
    return (it, [u for u in updates if u is not None]) if return_final_convergence else it


#: The real ones, whatever the module holds meanwhile.
lw_0_17 = {name: getattr(lw, name) for name in _CHANGED}


def install(monkeypatch, kind=Strict):
    """Let the module `lightweaver` be that of 1.0, as far as this package uses it."""
    for name, thing in lw_0_17.items():
        monkeypatch.setattr(lw, name, kind(thing))
    monkeypatch.setattr(lw, "iterate_ctx_se", iterate_ctx_se)
    monkeypatch.setattr(lw, "DefaultConvergenceCriteria", DefaultConvergenceCriteria)

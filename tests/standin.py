"""A stand-in for Lightweaver 1.0: the objects of 0.17 under the names of 1.0.

`Strict` objects answer to the new names only; `Warning_` ones to the old ones too, with a
DeprecationWarning. Version 1.0 is on no registry yet; see `lw_rl.host.names` for its names.
"""

from __future__ import annotations

import inspect
import warnings

import lightweaver as lw

from lw_rl.host.names import OLD

_NEW = {old: new for new, old in OLD.items()} | {"maxIter": "max_iter"}
#: Types whose attributes are not renamed.
_PLAIN = (str, bytes, int, float, complex, bool, type(None))


class Strict:
    """One of the host's objects under the names of 1.0."""

    old_names = False

    def __init__(self, thing):
        object.__setattr__(self, "thing", thing)

    def _name(self, name):
        if name in _NEW and name not in OLD:
            if not self.old_names:
                raise AttributeError(f"{name} is {_NEW[name]} in 1.0")
            warnings.warn(f"{name} is {_NEW[name]}", DeprecationWarning, stacklevel=3)
            return name
        if name in OLD:
            candidates = [OLD[name], *(o for o, n in _NEW.items() if n == name)]
            return next((c for c in candidates if hasattr(self.thing, c)), OLD[name])
        return name

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._wrapped(getattr(self.thing, self._name(name)))

    def __setattr__(self, name, value):
        setattr(self.thing, self._name(name), unwrapped(value))

    def _wrapped(self, value):
        kind = type(self)
        if isinstance(value, list | tuple):
            return type(value)(self._wrapped(v) for v in value) if _foreign(value) else value
        if isinstance(value, dict):
            return {_NEW.get(k, k): self._wrapped(v) for k, v in value.items()}
        if (
            inspect.ismethod(value)
            or inspect.isbuiltin(value)
            or type(value).__name__.startswith("cython_function")
        ):
            return kind.called(value)
        return kind(value) if _of_host(value) else value

    @classmethod
    def called(cls, function):
        """Return one of the host's callables with keywords of 1.0."""

        def call(*args, **new):
            old = {}
            for name, value in new.items():
                if name in _NEW and name not in OLD and not cls.old_names:
                    raise TypeError(f"{name} is {_NEW[name]} in 1.0")
                if name in _NEW and name not in OLD:
                    warnings.warn(f"{name} is {_NEW[name]}", DeprecationWarning, stacklevel=2)
                spelled = OLD.get(name, name)
                if name == "max_iter" and "prd" in getattr(function, "__name__", ""):
                    spelled = "maxIter"
                old[spelled] = unwrapped(value)
            return cls(None)._wrapped(function(*map(unwrapped, args), **old))

        call.__self__ = cls(getattr(function, "__self__", None))
        return call


class Deprecating(Strict):
    """The same, and the old names with a DeprecationWarning."""

    old_names = True


def _of_host(value):
    return type(value).__module__.startswith("lightweaver") and not isinstance(value, type)


def _foreign(values):
    return any(_of_host(v) for v in values)


def unwrapped(value):
    """Return what a stand-in stands for."""
    return value.thing if isinstance(value, Strict) else value


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
    """The host's loop under the names of 1.0."""
    criterion = convergence or lw.DefaultConvergenceCriteria
    conv = criterion(ctx, J_tol, pops_tol, rho_tol)
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

"""Iteration schemes, all with one signature, and which to use when.

========== ============================================= =======================================
scheme     what it does                                  when
========== ============================================= =======================================
depthwise  a non-local approximate operator and a policy the default: two-level atoms in one
           correct the best of the states visited        dimension
nonlocal   the same without a policy                     to see what the policy adds
anderson   Anderson acceleration of MALI                 atoms with more levels, more dimensions,
                                                         problems unlike any a policy has seen
ng         MALI with Ng acceleration                     to compare with
mali       accelerated lambda iteration, as the host     to compare with; what all others fall
           does it                                       back to
lambda     classical Lambda iteration                    to see why nobody uses it
sigmoid    the four-parameter policy of Panos and Milic  to see what a parametrised source
           (2025)                                        function can and cannot do
========== ============================================= =======================================

:class:`Safeguarded` wraps any of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ..errors import UnknownNameError
from ..policies import actor
from .anderson import Anderson
from .base import Scheme, Step
from .depthwise import ALONE, Depthwise, Policy
from .mali import Lambda, Mali
from .ng import Ng
from .safeguarded import Safeguarded
from .sigmoid import Sigmoid

__all__ = [
    "Anderson",
    "Depthwise",
    "Lambda",
    "Mali",
    "Ng",
    "Policy",
    "Safeguarded",
    "Scheme",
    "Sigmoid",
    "Step",
    "known",
    "make_policy",
    "make_scheme",
]

#: Fruitless formal solutions that schemes are allowed where they were asked for: those that combine
#: plain updates, and the operator.
_PATIENCE, _OPERATOR_PATIENCE = 20.0, 8.0

_SCHEMES: dict[str, Callable[[Any], Scheme]] = {
    "lambda": lambda policy: Lambda(),
    "mali": lambda policy: Mali(),
    "ng": lambda policy: Ng(),
    "anderson": lambda policy: Anderson(),
    "sigmoid": lambda policy: Sigmoid(None if policy == "default" else make_policy(policy)),
    "nonlocal": lambda policy: Depthwise(None, name=ALONE),
    "depthwise": lambda policy: Depthwise(make_policy(policy)),
}


def known() -> list[str]:
    """Return the names of the iteration schemes."""
    return list(_SCHEMES)


def make_policy(policy: Any) -> Policy:
    """Return a policy from a name, a path, or anything with a ``predict`` method.

    Raises
    ------
    UnknownNameError
        If a name is not that of a shipped policy, nor of a file.
    PolicyFileError
        If a file is not a policy.
    TypeError
        If the object has no ``predict`` method.
    """
    if isinstance(policy, os.PathLike):
        return actor.load(policy)
    if isinstance(policy, str):
        if policy in actor.known():
            return actor.load_shipped(policy)
        if os.sep in policy or policy.endswith((".json", ".safetensors")):
            return actor.load(policy)
        raise UnknownNameError("policy", policy, actor.known())
    if not callable(getattr(policy, "predict", None)):
        raise TypeError(
            "a policy is a name, a path, or an object with predict(obs, deterministic=True); got "
            f"{type(policy).__name__}"
        )
    return policy


def make_scheme(scheme: str | Scheme, policy: Any = "default") -> Safeguarded:
    """Return a scheme from a name or a scheme object, guarded.

    Parameters
    ----------
    scheme : str or Scheme
        One of :func:`known`, or a configured scheme; it is wrapped in :class:`Safeguarded` with
        the default settings unless it is one already.
    policy : str, path-like or Policy, optional
        The policy for schemes that have one (default: the shipped ``"default"``).

    Raises
    ------
    UnknownNameError
        If the name is not known; the message lists those that are.
    TypeError
        If the object is not a scheme.
    """
    if isinstance(scheme, str):
        if scheme not in _SCHEMES:
            raise UnknownNameError("scheme", scheme, _SCHEMES)
        scheme = _SCHEMES[scheme](policy)
    if isinstance(scheme, type) or not isinstance(scheme, Scheme):
        raise TypeError(
            f"a scheme is one of {', '.join(_SCHEMES)} or an object with init and step; got "
            f"{type(scheme).__name__}"
        )
    if isinstance(scheme, Safeguarded):
        return scheme
    # Accelerations of plain updates keep their residual for a while, to drop it at once later; the
    # operator, which dismisses a policy by itself, removes what the residual hardly sees.
    if isinstance(scheme, Anderson | Ng):
        return Safeguarded(scheme, in_foldings=True, allowance=_PATIENCE)
    if isinstance(scheme, Depthwise):
        return Safeguarded(scheme, allowance=_OPERATOR_PATIENCE)
    return Safeguarded(scheme)

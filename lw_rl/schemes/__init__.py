"""Iteration schemes, all with one signature, and which to use when.

=============== ============================================= ==================================
scheme          what it does                                  when
=============== ============================================= ==================================
depthwise       a non-local approximate operator and a policy the default; atoms with more levels
                correct the best of the states visited        get the equilibrium of coupled lines
                                                              and continua, without a policy
nonlocal        the same without a policy                     to see what the policy adds
anderson        Anderson acceleration of MALI                 to compare with; two dimensions where
                                                              memory is short
ng              MALI with Ng acceleration                     to compare with
mali            accelerated lambda iteration, as the host     to compare with; what all others
                does it                                       fall back to
mali_scattering MALI with the background's scattering solved  to see what that alone gives
lambda          classical Lambda iteration                    to see why nobody uses it
sigmoid         the four-parameter policy of Panos and Milic  to see what a parametrised source
                (2025)                                        function can and cannot do
=============== ============================================= ==================================

:class:`Safeguarded` wraps any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from ..errors import UnknownNameError, UnusedPolicyError
from ..policies.base import Policy, PolicyLike, make_policy
from .anderson import Anderson
from .base import Scheme, Step
from .budget import Account, Budget
from .depthwise import ALONE, Depthwise
from .mali import Lambda, Mali, MaliScattering
from .ng import Ng
from .safeguarded import Safeguarded
from .sigmoid import Sigmoid

__all__ = [
    "Account",
    "Anderson",
    "Budget",
    "Depthwise",
    "Lambda",
    "Mali",
    "MaliScattering",
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

#: Schemes by name: those without a policy, and those with one.
_WITHOUT_POLICY: dict[str, Callable[[], Scheme]] = {
    "lambda": Lambda,
    "mali": Mali,
    "mali_scattering": MaliScattering,
    "ng": Ng,
    "anderson": Anderson,
    "nonlocal": lambda: Depthwise(None, name=ALONE),
}
_WITH_POLICY: dict[str, Callable[[PolicyLike], Scheme]] = {
    "sigmoid": lambda policy: Sigmoid(None if policy == "default" else make_policy(policy)),
    "depthwise": lambda policy: Depthwise(make_policy(policy)),
}


def known() -> list[str]:
    """Return the names of the iteration schemes."""
    return [*_WITHOUT_POLICY, *_WITH_POLICY]


def make_scheme(scheme: str | Scheme, policy: PolicyLike = "default") -> Safeguarded:
    """Return a scheme from a name or a scheme object, guarded.

    Parameters
    ----------
    scheme : str or Scheme
        One of :func:`known`, or a configured scheme; it is wrapped in :class:`Safeguarded` with
        the default settings unless it is one already.
    policy : str, path-like or Policy, optional
        The policy of schemes that have one (default: the shipped ``"default"``).

    Raises
    ------
    UnknownNameError
        If the name is not known; the message lists those that are.
    UnusedPolicyError
        If a policy is given that the scheme does not ask.
    TypeError
        If the object is not a scheme.
    """
    if isinstance(scheme, str):
        if scheme in _WITH_POLICY:
            return _shipped(scheme) if policy == "default" else _with_policy(scheme, policy)
        if scheme not in _WITHOUT_POLICY:
            raise UnknownNameError("scheme", scheme, known())
    if policy != "default":
        name = scheme if isinstance(scheme, str) else f"a {type(scheme).__name__} object"
        raise UnusedPolicyError(
            f"a policy was given, but the scheme is {name}, which does not ask it; leave it out, "
            f"or name one of {', '.join(_WITH_POLICY)}"
        )
    if isinstance(scheme, str):
        return _without_policy(scheme)
    if isinstance(scheme, type) or not isinstance(scheme, Scheme):
        raise TypeError(
            f"a scheme is one of {', '.join(known())} or an object with init and step; got "
            f"{type(scheme).__name__}"
        )
    return _guarded(scheme)


def _with_policy(name: str, policy: PolicyLike) -> Safeguarded:
    return _guarded(_WITH_POLICY[name](policy))


# Schemes do not change: what evolves is in the states that they return.
@cache
def _shipped(name: str) -> Safeguarded:
    return _with_policy(name, "default")


@cache
def _without_policy(name: str) -> Safeguarded:
    return _guarded(_WITHOUT_POLICY[name]())


def _guarded(scheme: Scheme) -> Safeguarded:
    return scheme if isinstance(scheme, Safeguarded) else Safeguarded(scheme)

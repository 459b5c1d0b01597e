"""The schemes that are compared, and how they are named in tables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UnknownNameError
from ..policies import card_of
from ..policies.base import PolicyLike
from ..schemes import (
    Anderson,
    Depthwise,
    Lambda,
    Mali,
    Ng,
    Safeguarded,
    Scheme,
    make_policy,
    make_scheme,
)
from .solves import POPS_TOL

__all__ = ["LADDER", "NG_SETTINGS", "Peer", "depthwise_name", "peers"]

#: (order, period, delay) of the Ng peers; the best on each problem stands for Ng.
NG_SETTINGS = ((2, 3, 5), (3, 4, 5), (3, 5, 10))

#: Tolerances `popsTol` of which the host's own call is given the loosest that is tight enough.
LADDER = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)

#: Peers that are measured only if they are named: on two-level atoms this one is ``mali``.
_ON_REQUEST = ("mali_scattering",)


@dataclass(frozen=True)
class Peer:
    """An entry of the comparison.

    Attributes
    ----------
    name : str
        Its name in tables; peers of one name are settings of one method, of which the best counts.
    scheme : Scheme or None
        The iteration scheme; None stands for ``lightweaver.iterate_ctx_se`` itself.
    setting : str
        What distinguishes settings of one method.
    NmaxIter : int
        Formal solutions after which it has failed.
    tolerances : tuple of float
        Of ``lightweaver.iterate_ctx_se``: values of `popsTol`, the loosest first. With more than
        one, the first counts at which its stop has a true error below 1e-3.
    prdIterTol : float
        Tolerance of the sub-iterations of partial redistribution. With 0 there are always three,
        as with the schemes that accelerate profiles; with the host's default of 1e-2 MALI ends in
        a cycle, above or little below an error of 1e-3.
    """

    name: str
    scheme: Scheme | None
    setting: str = ""
    NmaxIter: int = 3000
    tolerances: tuple[float, ...] = (POPS_TOL,)
    prdIterTol: float = 0.0


def peers(policies: Iterable[PolicyLike] = ("default",), names: Collection[str] = ()) -> list[Peer]:
    """Return the peers of a comparison, and the depth-wise scheme with each policy.

    The scheme without a policy, ``nonlocal``, is one of the peers. So is the host's own driver,
    twice: ``lightweaver`` with its defaults, and ``lightweaver to 1e-3`` with the loosest
    tolerance of :data:`LADDER` that makes it as accurate as the others.

    Parameters
    ----------
    policies : iterable of str, path-like or Policy, optional
        See `lw_rl.policies.make_policy` (default: the shipped ``"default"``).
    names : collection of str, optional
        Only the peers of these names, besides the depth-wise scheme; ``"lightweaver"`` stands for
        both of the host's. ``"mali_scattering"`` is among the peers only if it is named
        (default: all others).

    Raises
    ------
    UnknownNameError, PolicyFileError, SchemaError, TypeError
        If a policy cannot be used, or there is no peer of a name.
    """
    known = [
        Peer("lightweaver", None, NmaxIter=2000, prdIterTol=1e-2),
        Peer("lightweaver to 1e-3", None, tolerances=LADDER),
        Peer("lambda", Lambda(), NmaxIter=300),
        Peer("mali", Mali()),
        Peer("mali_scattering", make_scheme("mali_scattering")),
        *(Peer("ng", _unaided(Ng(*s)), setting=f"{s[0]},{s[1]},{s[2]}") for s in NG_SETTINGS),
        Peer("anderson5", _unaided(Anderson(window=5))),
        Peer("anderson10", _unaided(Anderson(window=10))),
        Peer("nonlocal", make_scheme("nonlocal")),
    ]
    ours = [Peer(depthwise_name(p), make_scheme(Depthwise(make_policy(p)))) for p in policies]
    if not names:
        return [*(p for p in known if p.name not in _ON_REQUEST), *ours]
    for name in names:
        if not any(name in _asked_by(p) for p in known + ours):
            raise UnknownNameError("peer", name, dict.fromkeys(p.name for p in known + ours))
    return [*(p for p in known if _asked_by(p) & set(names)), *ours]


def _asked_by(peer: Peer) -> set[str]:
    """Return the names that select a peer."""
    return {peer.name, peer.name.split()[0]}


def _unaided(scheme: Scheme) -> Safeguarded:
    """Return a safeguarded peer that is never replaced by another scheme, however slow it is."""
    return Safeguarded(scheme, fallbacks=(), allowance=np.inf, in_foldings=True)


def depthwise_name(policy: PolicyLike) -> str:
    """Return the name in tables of the depth-wise scheme with a policy."""
    if isinstance(policy, str) and policy == "default":
        return "depthwise"
    if isinstance(policy, str | os.PathLike):
        return f"depthwise ({Path(policy).stem})"
    return f"depthwise ({card_of(policy).get('name', type(policy).__name__)})"

"""The schemes that are compared, and how they are named in tables."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import UnknownNameError
from ..policies import card_of
from ..policies.base import PolicyLike
from ..schemes import (
    Anderson,
    Budget,
    Lambda,
    Mali,
    Ng,
    Safeguarded,
    Scheme,
    make_scheme,
)
from .solves import POPS_TOL

__all__ = [
    "LABELS",
    "LADDER",
    "NG_SETTINGS",
    "Peer",
    "anderson_scattering",
    "depthwise_name",
    "peers",
]

#: Order and period of the Ng peers; the best on each problem stands for Ng. Of six, with three
#: limits of a step each, those with the fewest formal solutions on the suites fal and grid.
NG_SETTINGS = ((3, 4), (3, 5), (3, 8))

#: Tolerances `popsTol` of which the host's own call is given the loosest that is tight enough.
LADDER = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)

#: Peers that are measured only if they are named. On two-level atoms the first is ``mali`` and the
#: second needs more than ``anderson10``; on others Lambda iteration gets nowhere, and ``nonlocal``
#: and ``depthwise`` differ where a policy is asked only.
_ON_REQUEST = {
    False: ("mali_scattering", "anderson_scattering"),
    True: ("lambda", "anderson5", "nonlocal"),
}

#: Formal solutions that schemes are given on atoms with more levels: MALI, and all others.
_MALI_LEVELS, _LEVELS = 1500, 600
#: Fruitless formal solutions that Anderson acceleration is allowed there.
_LEVELS_ALLOWANCE = 8.0

#: What figures and tables for readers call them.
LABELS = {
    "depthwise": "policy (depthwise)",
    "nonlocal": "operator, no policy",
    "anderson10": "Anderson (10)",
    "anderson5": "Anderson (5)",
    "ng": "Ng",
    "mali": "MALI",
    "mali_scattering": "MALI + scattering",
    "anderson_scattering": "Anderson (10) + scattering",
    "lambda": "Lambda",
    "lightweaver": "iterate_ctx_se",
    "lightweaver to 1e-3": "iterate_ctx_se, tighter",
}


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
    own : bool
        Whether it is a scheme that this package is about, not one to compare it with.
    plain : bool
        Whether it is MALI, whose iterations do not depend on where it stops.
    """

    name: str
    scheme: Scheme | None
    setting: str = ""
    NmaxIter: int = 3000
    tolerances: tuple[float, ...] = (POPS_TOL,)
    prdIterTol: float = 0.0
    own: bool = False
    plain: bool = False


def peers(
    policies: Iterable[PolicyLike] = ("default",),
    names: Collection[str] = (),
    levels: bool = False,
) -> list[Peer]:
    """Return the peers of a comparison, and the depth-wise scheme with each policy.

    The scheme without a policy, ``nonlocal``, is one of the peers. So is the host's own driver,
    twice: ``lightweaver`` with its defaults, and ``lightweaver to 1e-3`` with the loosest
    tolerance of :data:`LADDER` that makes it as accurate as the others.

    On atoms with more levels the background's scattering is lambda-iterated with ``mali``, ``ng``
    and ``anderson10``, as the host does it; it is solved with ``mali_scattering`` and
    ``anderson_scattering``, which is Anderson acceleration (10) in the logarithm of the populations
    after five plain steps, the best of its settings there.

    Parameters
    ----------
    policies : iterable of str, path-like or Policy, optional
        See `lw_rl.policies.make_policy` (default: the shipped ``"default"``).
    names : collection of str, optional
        Only the peers of these names, besides the depth-wise scheme; ``"lightweaver"`` stands for
        both of the host's (default: all but, on two-level atoms, ``mali_scattering`` and
        ``anderson_scattering``; on others ``lambda``, ``anderson5`` and ``nonlocal``).
    levels : bool, optional
        Whether they are for atoms with more than two levels, which are dearer: fewer formal
        solutions are made where a scheme gets nowhere (default: False).

    Raises
    ------
    UnknownNameError, PolicyFileError, SchemaError, TypeError
        If a policy cannot be used, or there is no peer of a name.
    """
    known = [_limited(p) if levels else p for p in _known(levels)]
    ours = [Peer(depthwise_name(p), make_scheme("depthwise", p), own=True) for p in policies]
    ours = [_limited(p) if levels else p for p in ours]
    if not names:
        return [*(p for p in known if p.name not in _ON_REQUEST[levels]), *ours]
    for name in names:
        if not any(name in _asked_by(p) for p in known + ours):
            raise UnknownNameError("peer", name, dict.fromkeys(p.name for p in known + ours))
    return [*(p for p in known if _asked_by(p) & set(names)), *ours]


def _known(levels: bool) -> list[Peer]:
    """Return all peers but the depth-wise scheme."""

    def combining(scheme: Anderson | Ng) -> Safeguarded:
        # On two-level atoms there is no scattering to solve.
        scheme = replace(scheme, solves_scattering=not levels)
        if levels and isinstance(scheme, Anderson):
            # Kept on, it goes round: what is undone is the same again from the state restored
            # (H and Ca II of the gallery: 64 times in 600 formal solutions, with this 192).
            return Safeguarded(scheme, fallbacks=(), budget=Budget(allowance=_LEVELS_ALLOWANCE))
        return _unaided(scheme)

    return [
        Peer("lightweaver", None, NmaxIter=2000, prdIterTol=1e-2),
        Peer("lightweaver to 1e-3", None, tolerances=LADDER),
        Peer("lambda", Lambda(), NmaxIter=300, plain=True),
        Peer("mali", Mali(), plain=True),
        Peer("mali_scattering", make_scheme("mali_scattering"), plain=True),
        *(Peer("ng", combining(Ng(*s)), setting=f"{s[0]},{s[1]}") for s in NG_SETTINGS),
        Peer("anderson5", combining(Anderson(window=5, logarithmic=False, delay=0))),
        Peer("anderson10", combining(Anderson(window=10, logarithmic=False, delay=0))),
        Peer("anderson_scattering", anderson_scattering()),
        Peer("nonlocal", make_scheme("nonlocal"), own=True),
    ]


def anderson_scattering() -> Safeguarded:
    """Return the best acceleration of plain updates that is known for atoms with more levels.

    Anderson's, of the logarithm of the populations after five plain steps, the background's
    scattering solved. It is given up for plain steps, though not for good, where the residual has
    not fallen for a while: kept on it stands still.
    """
    scheme = Anderson(logarithmic=True, max_step=1.5, delay=5, name="anderson_scattering")
    return Safeguarded(scheme, fallbacks=(), budget=Budget(allowance=_LEVELS_ALLOWANCE))


def _limited(peer: Peer) -> Peer:
    """Return a peer with as many formal solutions as are made on atoms with more levels."""
    slow = peer.name in ("mali", "lightweaver", "lightweaver to 1e-3")
    return replace(peer, NmaxIter=min(peer.NmaxIter, _MALI_LEVELS if slow else _LEVELS))


def _asked_by(peer: Peer) -> set[str]:
    """Return the names that select a peer."""
    return {peer.name, peer.name.split()[0]}


def _unaided(scheme: Scheme) -> Safeguarded:
    """Return a safeguarded peer that is never replaced by another scheme, however slow it is."""
    return Safeguarded(scheme, fallbacks=(), budget=Budget(allowance=np.inf))


def depthwise_name(policy: PolicyLike) -> str:
    """Return the name in tables of the depth-wise scheme with a policy."""
    if isinstance(policy, str) and policy == "default":
        return "depthwise"
    if isinstance(policy, str | os.PathLike):
        return f"depthwise ({Path(policy).stem})"
    return f"depthwise ({card_of(policy).get('name', type(policy).__name__)})"

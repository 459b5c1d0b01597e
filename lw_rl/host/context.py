"""Build a Lightweaver context for active atoms, by name, in one line of code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import lightweaver as lw
import numpy as np
from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import H_6_atom

from .. import atmospheres, atoms
from ..errors import ContextError
from .names import keywords

__all__ = ["active_atoms", "build_context", "radiative_set"]

#: Quadratures of two dimensions, by rays per octant (Stepan et al. 2020, A&A 636, A24). That of one
#: ray is in the host's file, but it cannot be read.
_PLANE_RAYS = (3, 6, 7, 10, 11)

AtomLike: TypeAlias = AtomicModel | str


def build_context(
    atom: AtomLike | Sequence[AtomLike],
    atmosphere: lw.Atmosphere | str,
    Nrays: int | None = None,
    Nthreads: int = 1,
    *,
    background: Sequence[AtomLike] = (),
    lte_ne: bool = False,
    **ctx_kwargs: Any,
) -> lw.Context:
    """Build a context with one or more active atoms, the populations in LTE.

    Hydrogen is present as a passive (LTE) background species unless it is active.

    Parameters
    ----------
    atom : AtomicModel, str, or sequence of these
        The active atoms, or the names of ready-made ones (`lw_rl.atoms.known`); a string can name
        several: ``"H+CaII"``.
    atmosphere : Atmosphere or str
        An atmosphere of one or two dimensions, or the name of one that ships
        (`lw_rl.atmospheres.known`). Its angle quadrature is set, as
        ``atmosphere.quadrature(Nrays)`` would.
    Nrays : int, optional
        Number of Gauss-Legendre rays per hemisphere; in two dimensions of rays per octant, of which
        the host has 3, 6, 7, 10 or 11 (default: 5; in two dimensions 6).
    Nthreads : int, optional
        Threads of the formal solver (default: 1).
    background : sequence of AtomicModel or str, optional
        Passive atoms in LTE, or their elements' symbols (`lw_rl.atoms.BACKGROUND`); elements that
        are active are left out (default: hydrogen only).
    lte_ne : bool, optional
        Replace the atmosphere's electron density by that of LTE, as the host's gallery does before
        it conserves charge (default: False).
    **ctx_kwargs
        Passed on to :class:`lightweaver.Context`, in either spelling.

    Returns
    -------
    ctx : lightweaver.Context

    Raises
    ------
    UnknownNameError
        If a name is not known.
    ContextError
        If there is no active atom, one has no line, a level that nothing connects or a transition
        without wavelengths, or two are of one element.
    AtmosphereError
        If the atmosphere holds values no formal solution can be made for.
    """
    active = active_atoms(atom)
    passive = [atoms.background_atom(a) if isinstance(a, str) else a for a in background]
    if isinstance(atmosphere, str):
        atmosphere = atmospheres.load(atmosphere)
    atmospheres.validate(atmosphere)

    if Nrays is None:
        Nrays = 5 if atmosphere.Ndim == 1 else 6
    if atmosphere.Ndim == 2 and Nrays not in _PLANE_RAYS:
        raise ContextError(
            f"in two dimensions the host has quadratures of {', '.join(map(str, _PLANE_RAYS))} "
            f"rays per octant, got Nrays={Nrays!r}"
        )
    atmosphere.quadrature(Nrays)
    radSet, spect = radiative_set(*active, background=passive)  # noqa: N806 (the host's name)
    make = radSet.iterate_lte_ne_eq_pops if lte_ne else radSet.compute_eq_pops
    given = keywords(lw.Context, Nthreads=Nthreads, **ctx_kwargs)
    return lw.Context(atmosphere, spect, make(atmosphere), **given)


def active_atoms(atom: AtomLike | Sequence[AtomLike]) -> list[AtomicModel]:
    """Return the active atoms, which can stand in one context.

    Parameters
    ----------
    atom : AtomicModel, str, or sequence of these
        As for :func:`build_context`, whose errors it raises.
    """
    active: list[AtomicModel] = []
    for one in [atom] if isinstance(atom, str | AtomicModel) else atom:
        active += atoms.make_all(one) if isinstance(one, str) else [one]
    if not active:
        raise ContextError("there is no active atom: name one, or several as in 'H+CaII'")
    elements = [a.element.name for a in active]
    for a, element in zip(active, elements, strict=True):
        if elements.count(element) > 1:
            raise ContextError(
                f"two active atoms are of {element}; one atom holds the populations of an element"
            )
        if not a.lines:
            raise ContextError(f"the atom of {element} has no lines, so it cannot be active")
        _check_model(a, element)
    return active


def _check_model(atom: AtomicModel, element: str) -> None:
    """Check that statistical equilibrium has a solution, and can be asked for it."""
    connected = {0}
    pairs = [{int(t.i), int(t.j)} for t in (*atom.lines, *atom.continua, *atom.collisions)]
    for _ in atom.levels:
        connected |= {k for pair in pairs if pair & connected for k in pair}
    alone = sorted(set(range(len(atom.levels))) - connected)
    if alone:
        raise ContextError(
            f"no line, continuum or collision of the atom of {element} connects level {alone[0]} "
            f"({atom.levels[alone[0]].label!r}) with level 0: nothing determines its population"
        )
    for t in (*atom.lines, *atom.continua):
        count = _wavelengths(t)
        if count < 2:
            raise ContextError(
                f"the transition {t.i}-{t.j} of the atom of {element} has {count} wavelengths; it "
                "needs at least two"
            )


def _wavelengths(transition: Any) -> int:
    """Return how many wavelengths a line or continuum has."""
    try:
        return int(np.size(transition.wavelength()))
    except (AttributeError, IndexError, TypeError, ValueError):
        # What the host says of none, or of no quadrature.
        return 0


def radiative_set(
    *active: AtomicModel, background: Sequence[AtomicModel] = ()
) -> tuple[lw.RadiativeSet, lw.SpectrumConfiguration]:
    """Return the radiative set of active atoms, and its wavelength grid.

    Neither depends on the atmosphere. Hydrogen is a passive background species unless it is
    active.

    Parameters
    ----------
    *active : AtomicModel
        The active atoms, of different elements.
    background : sequence of AtomicModel, optional
        Passive atoms; those of active elements are left out.
    """
    elements = {a.element: a for a in (H_6_atom(), *background)}
    elements.update({a.element: a for a in active})
    radSet = lw.RadiativeSet(list(elements.values()))  # noqa: N806 (the host's name)
    radSet.set_active(*(a.element.name for a in active))
    return radSet, radSet.compute_wavelength_grid()

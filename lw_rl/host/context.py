"""Build a Lightweaver context for one active atom in one line of code."""

from __future__ import annotations

from typing import Any

import lightweaver as lw
from lightweaver.atomic_model import AtomicModel
from lightweaver.rh_atoms import H_6_atom

from .. import atmospheres, atoms
from .names import keywords


def build_context(
    atom: AtomicModel | str,
    atmosphere: lw.Atmosphere | str,
    Nrays: int = 5,
    Nthreads: int = 1,
    **ctx_kwargs: Any,
) -> lw.Context:
    """Build a context with one active atom, the populations in LTE.

    Hydrogen is present as a passive (LTE) background species unless it is the active one.

    Parameters
    ----------
    atom : AtomicModel or str
        The active atom, or the name of a ready-made one (`lw_rl.atoms.known`).
    atmosphere : Atmosphere or str
        A one-dimensional atmosphere, or the name of one that ships (`lw_rl.atmospheres.known`).
        Its angle quadrature is set, as ``atmosphere.quadrature(Nrays)`` would.
    Nrays : int, optional
        Number of Gauss-Legendre rays per hemisphere (default: 5).
    Nthreads : int, optional
        Threads of the formal solver (default: 1).
    **ctx_kwargs
        Passed on to :class:`lightweaver.Context`, in either spelling.

    Returns
    -------
    ctx : lightweaver.Context

    Raises
    ------
    UnknownNameError
        If a name is not known.
    AtmosphereError
        If the atmosphere holds values no formal solution can be made for.
    """
    if isinstance(atom, str):
        atom = atoms.make(atom)
    if isinstance(atmosphere, str):
        atmosphere = atmospheres.load(atmosphere)
    atmospheres.validate(atmosphere)

    atmosphere.quadrature(Nrays)
    radSet, spect = radiative_set(atom)  # noqa: N806 (the host's name)
    populations = radSet.compute_eq_pops(atmosphere)
    given = keywords(lw.Context, Nthreads=Nthreads, **ctx_kwargs)
    return lw.Context(atmosphere, spect, populations, **given)


def radiative_set(atom: AtomicModel) -> tuple[lw.RadiativeSet, lw.SpectrumConfiguration]:
    """Return the radiative set of one active atom, and its wavelength grid.

    Neither depends on the atmosphere. Hydrogen is a passive background species unless it is the
    active one.

    Parameters
    ----------
    atom : AtomicModel
        The active atom.
    """
    background = [] if atom.element.Z == 1 else [H_6_atom()]
    radSet = lw.RadiativeSet([*background, atom])  # noqa: N806 (the host's name)
    radSet.set_active(atom.element.name)
    return radSet, radSet.compute_wavelength_grid()

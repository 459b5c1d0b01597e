"""What the adapter hands out: the unknown's layout, atoms, evaluations, snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from ..arrays import Array
from ..norms import largest
from .plane_state import Plane, PlaneLine

__all__ = [
    "Atom",
    "Block",
    "Continuum",
    "EmergentLine",
    "Evaluation",
    "Grid",
    "Line",
    "LinePhysics",
    "LineProfile",
    "Snapshot",
    "Transition",
    "unlit",
]


class Block(NamedTuple):
    """Where one active atom sits in the unknown `y`.

    Attributes
    ----------
    start, stop : int
        The block is ``y[start:stop]``.
    shape : tuple of int
        Its own shape: [Nspace] of a line source function, else [Nlevel, Nspace].
    """

    start: int
    stop: int
    shape: tuple[int, ...]

    @property
    def span(self) -> slice:
        """The block as a slice of `y`."""
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Snapshot:
    """Everything that one iteration changes in a context, copied."""

    n: tuple[Array, ...]
    J: Array | None
    rho: tuple[Array, ...]
    rates: tuple[Array, ...]
    charge: tuple[Array, ...]


@dataclass(frozen=True)
class LinePhysics:
    """What a two-level atom's line looks like at every depth; all arrays have shape [Nspace].

    Opacities are those of atoms which are all in the lower level, so they do not depend on the
    populations.

    Attributes
    ----------
    height : Array
        Height of the depths, downwards [m].
    opacity : Array
        Line-centre opacity [m-1].
    log_tau : Array
        Natural logarithm of the vertical line-centre optical depth.
    epsilon : Array
        Photon destruction probability, C_ul (1 - exp(-h nu/kT)) / (A_ul + the same).
    log_B : Array
        Planck function at line centre as ln(c^2 B / 2 h nu^3).
    damping : Array
        Voigt damping parameter.
    background : Array
        Background opacity over line-centre opacity.
    albedo : Array
        Scattering share of the background opacity.
    velocity : Array
        Line-of-sight velocity in units of the Doppler broadening velocity.
    broadening : Array
        Doppler broadening velocity [m s-1].
    temperature : Array
        Temperature [K].
    g_ratio : float
        Statistical weight of the upper level over that of the lower one.
    extent : float
        How far the line's wavelengths reach from its centre, as a velocity [m s-1].
    """

    height: Array
    opacity: Array
    log_tau: Array
    epsilon: Array
    log_B: Array
    damping: Array
    background: Array
    albedo: Array
    velocity: Array
    broadening: Array
    temperature: Array
    g_ratio: float
    extent: float

    @property
    def columns(self) -> int:
        """Columns of the atmosphere, whose points at one height are neighbours; 1 in 1D."""
        return int(np.count_nonzero(self.height == self.height[0]))


@dataclass(frozen=True)
class LineProfile:
    """A line's absorption profile on the host's own wavelengths and rays.

    Wavelengths lie symmetrically about line centre, so that light that goes inward sees at one of
    them what light that goes outward does at its mirror image.

    Attributes
    ----------
    value : Array
        Of light that goes outward, over the value at the centre of a line at rest, [Nspace, Nwave,
        Nray]. Where nothing moves, of the first half of the wavelengths and of one ray.
    wavelength_weight : Array
        Weights of these wavelengths, [Nwave].
    mu, mu_weight : Array
        Cosines of the rays' angles, and their weights, [Nray].
    Nwave : int
        Number of all wavelengths.
    incident : Array
        Intensity that enters at the top and at the bottom as c^2 I / 2 h nu^3, [2, Nwave, Nray],
        not a number at the bottom where it is the Planck function (:func:`unlit`).
    """

    value: Array
    wavelength_weight: Array
    mu: Array
    mu_weight: Array
    Nwave: int
    incident: Array


def unlit(*shape: int) -> Array:
    """Return what enters as of `LineProfile` by default: nothing above, Planck's function below."""
    return np.stack([np.zeros(shape), np.full(shape, np.nan)])


class Transition(Protocol):
    """A line or a continuum of an atom.

    Attributes
    ----------
    lower, upper : int
        Its levels.
    """

    @property
    def lower(self) -> int:
        """The lower level."""
        ...

    @property
    def upper(self) -> int:
        """The upper level."""
        ...


@dataclass(frozen=True)
class Line:
    """A spectral line.

    Attributes
    ----------
    lower, upper : int
        Its levels.
    physics : callable
        Returns its local physics, found once.
    plane : callable or None
        Returns what it looks like in two dimensions, where that is where it is.
    profile : callable
        Returns its profile on the host's own wavelengths, found once; None where these do not lie
        symmetrically.
    """

    lower: int
    upper: int
    physics: Callable[[], LinePhysics]
    plane: Callable[[], PlaneLine] | None = None
    profile: Callable[[], LineProfile | None] = lambda: None


@dataclass(frozen=True)
class Continuum:
    """A bound-free continuum, from its lower level to the upper one of the next ion."""

    lower: int
    upper: int


@dataclass(frozen=True)
class Atom:
    """What an operator is made of: an active atom's levels and transitions.

    Attributes
    ----------
    element : str
        Its element, as the host writes it.
    Nlevel : int
        Number of levels.
    transitions : tuple of Transition
        Lines and continua.
    source : Line or None
        The line whose source function is the atom's unknown.
    """

    element: str
    Nlevel: int
    transitions: tuple[Transition, ...]
    source: Line | None


@dataclass(frozen=True)
class Grid:
    """Where the depths of an atmosphere are.

    Attributes
    ----------
    Ndim : int
        Dimensions.
    height : Array
        Heights, downwards [m]; in one dimension shape [Nspace].
    plane : Plane or None
        Grid and rays in two dimensions.
    """

    Ndim: int
    height: Array
    plane: Plane | None = None


@dataclass(frozen=True)
class EmergentLine:
    """The line that leaves an atmosphere.

    Attributes
    ----------
    lambda0 : float
        Vacuum wavelength of line centre [nm].
    wavelength : Array
        Vacuum wavelengths [nm], shape [Nwave].
    intensity : Array
        Emergent specific intensity [J s-1 m-2 sr-1 Hz-1], shape [Nwave].
    """

    lambda0: float
    wavelength: Array
    intensity: Array


@dataclass(frozen=True)
class Evaluation:
    """What one formal solution tells about the unknown at which it was made.

    Attributes
    ----------
    y : Array
        The unknown, shape [Nunknown].
    r : Array
        Residual of the host's own update, ``y_plain - y``; NaN where there is none.
    blocks : tuple of Block
        The active atoms within `y`.
    valid : bool
        Whether `y` and `r` are finite everywhere.
    lambda_residual : Array or None
        Residual of Lambda iteration where the unknown is a line source function,
        ``ln((1 - epsilon) J + epsilon B) - ln S``. Zero for other atoms.
    light : mapping of Block to Array
        By how much the formal solution changed the mean intensity of an atom's line, as c^2 J / 2 h
        nu^3, [Nwave, Nspace]: the background has scattered what was there before. Empty where the
        residual is of light that belongs to the state.
    note : str
        Where the update is not the host's own, and why.
    unlit : Array or None
        The residual before it was made one of light that belongs to the state.
    """

    y: Array
    r: Array
    blocks: tuple[Block, ...]
    valid: bool
    lambda_residual: Array | None = None
    light: Mapping[Block, Array] = field(default_factory=dict)
    note: str = ""
    unlit: Array | None = None

    @property
    def y_plain(self) -> Array:
        """The host's own update of `y`."""
        y: Array = self.y + self.r
        return y

    @cached_property
    def residual_norm(self) -> float:
        """Largest absolute residual, infinite if the evaluation is not valid."""
        return largest(self.r) if self.valid else np.inf

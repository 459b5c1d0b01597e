"""Families of source functions that a short action vector selects a member of.

A policy with a few outputs cannot set ``S`` at every depth; it picks a member of a family.  What
the family cannot represent no policy can reach, so the family limits the accuracy, and the two
here differ in what they leave (`lw_rl.experiments.paper.report`, section on
expressiveness): the sigmoid of the paper, and monotone splines in log S.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import BSpline

from ..arrays import Array
from ..errors import UnknownNameError
from ..files import Json

__all__ = [
    "SHAPES",
    "S_MAX",
    "S_MIN",
    "MonotoneSpline",
    "SigmoidShape",
    "SourceShape",
    "shape_parameters",
    "source_shape",
]

S_MIN, S_MAX = 1e-10, 1.5
"""Bounds that the paper clips ``S`` to, in units of B."""


class SourceShape(Protocol):
    """A family of source functions on a grid, indexed by an action in [-1, 1]**Naction."""

    @property
    def Naction(self) -> int:
        """Length of the action."""

    @property
    def start(self) -> Array:
        """Source function at the start of an episode, close to B, [Nspace]."""

    def __call__(self, action: Array) -> Array:
        """Return ``S`` [..., Nspace] of ``action`` [..., Naction]."""


@dataclass(frozen=True, eq=False)
class SigmoidShape:
    """The four-parameter sigmoid of Panos & Milic (2025, arXiv:2504.15679).

    ``S = clip(floor + amplitude / (1 + exp(-(log10 tau - centre) / width)), 1e-10, 1.5)``.

    Parameters
    ----------
    log_tau : ndarray [Nspace]
        log10 of the optical depth that the sigmoid runs in.
    """

    log_tau: Array

    midpoint = np.array([0.5, 0.55, -1.25, 1.25])
    half_range = np.array([0.5, 0.55, 1.75, 1.05])
    start_parameters = np.array([0.9, 0.1, -2.5, 2.0])

    @property
    def Naction(self) -> int:
        """Length of the action: 4."""
        return 4

    @property
    def start(self) -> Array:
        """``S`` of the parameters (0.9, 0.1, -2.5, 2.0), [Nspace]."""
        return self.of_parameters(self.start_parameters)

    def parameters(self, action: ArrayLike) -> Array:
        """Return (floor, amplitude, centre, width), [..., 4], of an action in [-1, 1]."""
        return np.asarray(self.midpoint + self.half_range * np.asarray(action, float))

    def of_parameters(self, parameters: ArrayLike) -> Array:
        """Return ``S`` [..., Nspace] of (floor, amplitude, centre, width) [..., 4]."""
        floor, amplitude, centre, width = np.moveaxis(np.asarray(parameters, float), -1, 0)[
            ..., None
        ]
        S = floor + amplitude / (1.0 + np.exp(-(self.log_tau - centre) / width))
        return np.asarray(np.clip(S, S_MIN, S_MAX))

    def __call__(self, action: Array) -> Array:
        """Return ``S`` [..., Nspace] of ``action`` [..., 4]."""
        return self.of_parameters(self.parameters(action))


@dataclass(frozen=True, eq=False)
class MonotoneSpline:
    """Monotone cubic B-splines in log S against log tau.

    The coefficients of a B-spline that do not decrease give a function that does not decrease
    (de Boor 1978), so the action sets the *rises* between neighbouring coefficients,
    ``largest_rise ((1 + a) / 2)**rise_power``: fine where a rise is small, and zero at a = -1
    alone.  A range of actions without any rise would be a trap: a policy that wanders into it
    has no slope to come back by.  The last entry sets log S at the bottom.

    Parameters
    ----------
    log_tau : ndarray [Nspace]
        log10 of the optical depth.
    Ncoef : int
        Number of coefficients, at least 5; the length of the action.
    largest_rise : float
        Greatest rise of ln S between neighbouring coefficients.
    largest_offset : float
        Greatest absolute value of ln S at the bottom; below ln(1.5).
    rise_power : float
        Exponent of the map from action to rise, at least 1.

    Raises
    ------
    ValueError
        If a parameter is outside its bound.
    """

    log_tau: Array
    Ncoef: int = 10
    largest_rise: float = 2.5
    largest_offset: float = 0.2
    rise_power: float = 2.0
    basis: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Tabulate the basis, [Nspace, Ncoef]."""
        if self.Ncoef < 5:
            raise ValueError(f"Ncoef must be >= 5, not {self.Ncoef}")
        if not 0 < self.largest_offset <= np.log(S_MAX):
            raise ValueError(
                f"largest_offset must be in (0, {np.log(S_MAX):.3f}], not {self.largest_offset}"
            )
        if not self.rise_power >= 1:
            raise ValueError(f"rise_power must be >= 1, not {self.rise_power}")
        top, bottom = float(self.log_tau[0]), float(self.log_tau[-1])
        knots = np.r_[[top] * 3, np.linspace(top, bottom, self.Ncoef - 2), [bottom] * 3]
        object.__setattr__(self, "basis", BSpline(knots, np.eye(self.Ncoef), 3)(self.log_tau))

    @property
    def Naction(self) -> int:
        """Length of the action: one per coefficient."""
        return self.Ncoef

    @property
    def start(self) -> Array:
        """``S = 1`` everywhere, [Nspace]."""
        return np.ones_like(self.log_tau)

    def __call__(self, action: Array) -> Array:
        """Return ``S`` [..., Nspace] of ``action`` [..., Ncoef]."""
        a = np.asarray(action, float)
        rise = self.largest_rise * (0.5 + 0.5 * a[..., :-1]) ** self.rise_power
        bottom = self.largest_offset * a[..., -1:]
        # Coefficient j lies below the bottom one by all the rises from j inwards.
        below = np.cumsum(rise[..., ::-1], axis=-1)[..., ::-1]
        coefficients = np.concatenate([bottom - below, bottom], axis=-1)
        return np.asarray(np.clip(np.exp(coefficients @ self.basis.T), S_MIN, S_MAX))


SHAPES = {"sigmoid": SigmoidShape, "spline": MonotoneSpline}


def shape_parameters(name: str) -> Json:
    """Return the parameters that `source_shape` builds a family with, besides the grid."""
    known = fields(SHAPES[name])
    return {f.name: f.default for f in known if f.init and f.default is not MISSING}


def source_shape(name: str, log_tau: Array) -> SourceShape:
    """Return the family ``"sigmoid"`` or ``"spline"`` on a grid of log10 tau [Nspace]."""
    if name not in SHAPES:
        raise UnknownNameError("source shape", name, SHAPES)
    family: SourceShape = SHAPES[name](log_tau)
    return family

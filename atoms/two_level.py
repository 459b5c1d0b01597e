"""Reduce one line of a Lightweaver model atom to a two-level atom."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np
from lightweaver.atomic_model import AtomicLine, AtomicModel, LineType
from lightweaver.broadening import LineBroadener, LineBroadening, StandardLineBroadener

from lw_rl.errors import AtomReductionError

__all__ = ["ParentBroadening", "scale_collisions", "two_level_atom"]


@dataclass(eq=False)
class ParentBroadening(StandardLineBroadener):
    """A broadener that keeps the constants of the line it was taken from.

    Van der Waals and Stark broadeners derive their constants from the overlying continuum, which
    a strict two-level atom lacks. This one holds the parent's broadener, set up once with the
    parent's levels, and ignores the set-up with the two-level line.

    Parameters
    ----------
    inner : LineBroadener
        The parent line's broadener, already set up.
    """

    inner: LineBroadener
    description: str = field(default="", compare=False)

    def __post_init__(self):
        self.description = repr(self.inner)

    def __repr__(self):
        return f"ParentBroadening({self.description})"

    def __eq__(self, other):
        return isinstance(other, ParentBroadening) and repr(self) == repr(other)

    def setup(self, line):
        """Keep the parent's constants (nothing to derive from a two-level atom)."""

    def broaden(self, atmos, eq_pops):
        """Return the parent line's broadening [rad s-1], shape [Nspace]."""
        return self.inner.broaden(atmos, eq_pops)


def _describe(atom: AtomicModel) -> str:
    lines = ", ".join(f"{ln.i}-{ln.j} ({ln.lambda0:.2f} nm)" for ln in atom.lines)
    return f"{atom.element}: lines {lines or 'none'}"


def _find_line(parent: AtomicModel, i: int, j: int) -> AtomicLine:
    Nlevel = len(parent.levels)
    if not (0 <= i < Nlevel and 0 <= j < Nlevel) or i == j:
        raise AtomReductionError(
            f"levels {i} and {j} do not make a transition of a model with levels "
            f"0..{Nlevel - 1} ({_describe(parent)})"
        )
    lower, upper = min(i, j), max(i, j)
    for line in parent.lines:
        if (line.i, line.j) == (lower, upper):
            if not line.f > 0.0:
                raise AtomReductionError(
                    f"line {lower}-{upper} is forbidden: its oscillator strength is {line.f!r}"
                )
            return line
    if any({c.i, c.j} == {lower, upper} for c in parent.collisions):
        raise AtomReductionError(
            f"levels {lower} and {upper} are coupled by collisions only: the transition is "
            f"forbidden, so it has no line to reduce ({_describe(parent)})"
        )
    raise AtomReductionError(
        f"there is no line between levels {lower} and {upper} ({_describe(parent)})"
    )


def two_level_atom(
    parent: AtomicModel, i: int, j: int, prd: bool = False, collision_scale: float = 1.0
) -> AtomicModel:
    """Reduce the line between levels `i` and `j` of a model atom to a two-level atom.

    Energies, statistical weights, oscillator strength, wavelength quadrature, collisions between
    the two levels and the damping (radiative, van der Waals and Stark) are the parent's. All of
    the element's population sits in the two levels. The parent is left as it was.

    Parameters
    ----------
    parent : AtomicModel
        The atom that holds the line.
    i, j : int
        The line's lower and upper level in the parent (either order).
    prd : bool, optional
        Treat the line in partial redistribution (default: False, complete redistribution).
    collision_scale : float, optional
        Factor on the tables of the collisional rates, which scales the photon destruction
        probability (default: 1); the host's weno4 interpolation of a table is not quite linear in
        it, so a rate scales to 1 % only.

    Returns
    -------
    atom : AtomicModel
        A two-level atom with one line and no continuum.

    Raises
    ------
    AtomReductionError
        If the line is not there, is forbidden, has no collisions between its levels, or if the
        scale is not positive and finite.
    """
    if not (np.isfinite(collision_scale) and collision_scale > 0.0):
        raise AtomReductionError(
            f"collision_scale must be positive and finite, got {collision_scale!r}"
        )
    parent = copy.deepcopy(parent)
    line = _find_line(parent, i, j)
    lower, upper = line.i, line.j

    collisions = []
    for rate in parent.collisions:
        if {rate.i, rate.j} == {lower, upper}:
            # Some rates store j > i, others i > j: map each index on its own.
            scaled = copy.copy(rate)
            scaled.i, scaled.j = int(rate.i == upper), int(rate.j == upper)
            if collision_scale != 1.0:
                scaled = scale_collisions(scaled, collision_scale)
            collisions.append(scaled)
    if not collisions:
        raise AtomReductionError(
            f"line {lower}-{upper} at {line.lambda0:.2f} nm has no collisions between its levels: "
            "its photon destruction probability would be zero and statistical equilibrium "
            f"would not fix the source function ({_describe(parent)})"
        )

    def carried(broadeners):
        return [ParentBroadening(b) for b in broadeners]

    broadening = LineBroadening(
        natural=carried(line.broadening.natural),
        elastic=carried(line.broadening.elastic),
        other=None if line.broadening.other is None else carried(line.broadening.other),
    )
    two_level_line = replace(
        line,
        i=0,
        j=1,
        type=LineType.PRD if prd else LineType.CRD,
        quadrature=copy.deepcopy(line.quadrature),
        broadening=broadening,
    )
    levels = [replace(parent.levels[k]) for k in (lower, upper)]
    return AtomicModel(
        element=parent.element,
        levels=levels,
        lines=[two_level_line],
        continua=[],
        collisions=collisions,
    )


def scale_collisions(rate, factor: float):
    """Multiply the table of a collisional rate by a factor, in place, and return the rate.

    Raises
    ------
    AtomReductionError
        If the rate is a formula, not a table.
    """
    if not hasattr(rate, "rates"):
        raise AtomReductionError(
            f"collisions of type {type(rate).__name__} have no tabulated rates to scale"
        )
    rate.rates = np.asarray(rate.rates, dtype=float) * factor
    return rate

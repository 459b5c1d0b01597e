"""The protocols of operators and geometries, and which operator an atom has.

=================================== ==================================================
atom                                operator
=================================== ==================================================
two levels and one line, 1D         `lw_rl.operator.two_level.TwoLevelOperator`
the same, 2D                        `lw_rl.operator.two_level_2d.PlaneOperator`, without a matrix
any other, and all atoms beside it  `lw_rl.operator.multilevel.CoupledEquilibrium`, one for
                                    all of them; it is not linear, and has a protocol of
                                    its own (`lw_rl.schemes.multilevel`)
=================================== ==================================================

A new kind of atom or geometry is a module beside `two_level` and `lambda_1d`, and a row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Protocol, cast, runtime_checkable

from ..arrays import Array
from ..errors import MemoryLimitError
from ..host.state import Atom, Block, Evaluation, Grid, LinePhysics, LineProfile
from .effort import Effort
from .lambda_1d import Plane1D
from .line_quadrature import Rays
from .plane_2d import Plane2D
from .two_level import TwoLevelOperator
from .two_level_2d import PlaneOperator

__all__ = [
    "CarriesLight",
    "EquilibriumOperator",
    "Geometry",
    "KnowsRadiation",
    "KnowsScattering",
    "able",
    "fits",
    "geometry_for",
    "lit",
    "operator_for",
]


class Geometry(Protocol):
    """Where the points of an atmosphere are, and how light goes from one to another."""

    def rays(self, line: LinePhysics, profile: LineProfile | None = None) -> Rays:
        """Return the frequencies and angles on which a line is seen: the host's, if known."""
        ...

    def mean_intensity(
        self, line: LinePhysics, rays: Rays, y: Array, linear: bool = False
    ) -> Array:
        """Return a line's mean intensity at the state `y`, as c^2 J / 2 h nu^3."""
        ...


class EquilibriumOperator(Protocol):
    """An approximation of statistical equilibrium of one atom, linearised and invertible.

    Attributes
    ----------
    y : Array or None
        The state that it was linearised around.
    regular : bool
        Whether it can be inverted.
    """

    y: Array | None
    regular: bool

    @property
    def copies_host(self) -> bool:
        """Whether it is on the host's wavelengths and rays, as its default formal solver is.

        What it says of the error is believed at the first formal solution: that another formal
        solver agrees with it there is what is seen then.
        """
        ...

    def solve(self, residual: Array) -> Array:
        """Return the correction that removes a residual."""
        ...

    def error(self, y: Array, lambda_residual: Array) -> Array:
        """Return the relative error at `y`, negated, that a residual stands for."""
        ...

    def residual(self, y: Array) -> Array:
        """Return the operator's own residual at `y`, not linearised."""
        ...

    def start(self) -> Array:
        """Return the operator's own solution, where a solve can begin."""
        ...

    def relinearised(self, y: Array) -> EquilibriumOperator:
        """Return the operator linearised around another state."""
        ...

    def distance(self, y: Array) -> float:
        """Return how far a state is from where its equations are known to hold, in ln S."""
        ...

    @property
    def negative_share(self) -> float:
        """How far it is from monotone: the negative part of its inverse over the positive one."""
        ...

    @property
    def thermal(self) -> Array:
        """What is created locally, in the unit of the residual."""
        ...


@runtime_checkable
class CarriesLight(Protocol):
    """An operator that knows the scattered light of the states it leads to."""

    def carry(self, y: Array) -> None:
        """Write the mean intensity that belongs to a state to which this operator has led."""
        ...


@runtime_checkable
class KnowsRadiation(Protocol):
    """An operator that knows the radiation field of its own solution."""

    def start_radiation(self) -> Array | None:
        """Return the mean intensity near its own solution as c^2 J / 2 h nu^3, None if unknown.

        Shape [Nwave, Nspace], at the host's wavelengths.
        """
        ...


@runtime_checkable
class KnowsScattering(Protocol):
    """An operator that knows how the background scatters light at the line's wavelengths."""

    def lit(self, y: Array, lambda_residual: Array, change: Array) -> Array:
        """Return the residual of Lambda iteration with scattered light that belongs to the state.

        Parameters
        ----------
        y, lambda_residual : Array
            As for :meth:`EquilibriumOperator.error`.
        change : Array
            By how much the formal solution changed the mean intensity (`Evaluation.light`).
        """
        ...


def able(operator: EquilibriumOperator, ability: type) -> bool:
    """Return whether an operator has one of the abilities above."""
    return _able(type(operator), ability)


@cache
def _able(kind: type, ability: type) -> bool:
    # To look through the members of a protocol takes as long as a solution of the equations.
    return issubclass(kind, ability)


def lit(evaluation: Evaluation, operators: Mapping[Block, EquilibriumOperator]) -> Evaluation:
    """Return an evaluation with scattered light that belongs to its state, where operators know it.

    Parameters
    ----------
    evaluation : Evaluation
        What a formal solution told.
    operators : mapping of Block to EquilibriumOperator
        By atom; the evaluation is returned as it is where one is missing.
    """
    residual = evaluation.lambda_residual
    changes = evaluation.light
    if residual is None or not changes or not all(block in operators for block in changes):
        return evaluation
    residual = residual.copy()
    for block, change in changes.items():
        operator, span = operators[block], block.span
        if able(operator, KnowsScattering):
            knows = cast(KnowsScattering, operator)
            residual[span] = knows.lit(evaluation.y[span], residual[span], change)
    return replace(evaluation, lambda_residual=residual, light={}, unlit=evaluation.lambda_residual)


def geometry_for(grid: Grid) -> Plane1D | Plane2D | None:
    """Return the geometry of a grid, None if no operator is at home in it."""
    if grid.plane is not None:
        # Between points the host's other interpolation has a limiter on intensities.
        return Plane2D(grid.plane) if grid.plane.between else None
    return Plane1D(grid.height) if grid.Ndim == 1 else None


def fits(atom: Atom, geometry: Plane1D | Plane2D | None) -> bool:
    """Return whether there is memory for the operator that an atom has."""
    if not isinstance(geometry, Plane2D) or atom.source is None or atom.source.plane is None:
        return True
    try:
        geometry.keeps(atom.source.plane())
    except MemoryLimitError:
        return False
    return True


def operator_for(
    atom: Atom,
    geometry: Plane1D | Plane2D | None,
    y: Array | None = None,
    effort: Effort | None = None,
) -> EquilibriumOperator | None:
    """Return the operator of an atom, None if there is none of its kind (see above).

    Parameters
    ----------
    atom : Atom
        Its levels and transitions.
    geometry : Geometry or None
        Where it is.
    y : Array, optional
        The state to linearise it around (default: its own solution).
    effort : Effort, optional
        With which it is made, and its successors.
    """
    if atom.source is None or geometry is None:
        return None
    if isinstance(geometry, Plane2D):
        assert atom.source.plane is not None
        plane = atom.source.plane()
        return (
            PlaneOperator.first(plane, geometry, effort)
            if y is None
            else PlaneOperator(plane, y, geometry, effort=effort)
        )
    line, profile = atom.source.physics(), atom.source.profile()
    rays = geometry.rays(line, profile)
    if y is None:
        return TwoLevelOperator.first(line, geometry, rays, profile, effort)
    return TwoLevelOperator(line, y, geometry, rays, profile, effort)

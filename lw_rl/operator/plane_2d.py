"""A plane of two dimensions: transfer of a line along the host's own rays, without a matrix.

The opacity, and the form of the limiter, are those of one state; mean intensities are then linear
in the source function. They are what the host's formal solver finds at that state, to the rounding
of single precision, and cost a small part of it: a thirtieth where the weights of all steps are
kept, a tenth where they are made anew each time, for want of memory.

Where the host interpolates between grid points by BESSER curves too (``interp_besser_2d``), whose
limiter is one on intensities as well, there is no operator.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import Numbers
from ..errors import MemoryLimitError
from ..host.plane_state import Plane, PlaneLine
from .characteristics_2d import (
    COEFFICIENTS,
    Segments,
    coefficients,
    diagonal,
    mix,
    segments,
    sweep,
    thermalised,
)

__all__ = ["Plane2D", "Transfer2D", "available_memory", "entering_light"]

#: Share of the memory that is there which weights may take, and which all may.
_KEPT, _ALL = 0.5, 0.9
#: Vectors of the size of the unknown that are needed besides, half of them for the directions of
#: GMRES (`lw_rl.operator.two_level_2d`).
_VECTORS = 128


def available_memory() -> int:
    """Return how much memory is there [bytes]."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        # Not told on all systems: then it is taken to be enough.
        return 1 << 62


def _saturation(y: Numbers, g_ratio: float) -> Numbers:
    """Return the line's opacity at `y` over that of atoms which are all in the lower level."""
    excited = 1.0 / (1.0 + np.exp(-y))
    return (1.0 - excited) / (1.0 + g_ratio * excited)


@dataclass(frozen=True)
class Plane2D:
    """A plane of two dimensions.

    Attributes
    ----------
    plane : Plane
        Grid and rays.
    memory : int or None
        Bytes that may be used; None for what is there (default: None).
    """

    plane: Plane
    memory: int | None = field(default=None)
    #: Memory for weights, which is used over and over: fresh one costs as much time as they do.
    _owner: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def steps(self) -> Segments:
        """The steps of all rays as the host makes them."""
        return self._segments(self.plane.besser)

    @cached_property
    def linear_steps(self) -> Segments:
        """The same, but linear."""
        return self._segments(False) if self.plane.besser else self.steps

    def _segments(self, besser: bool) -> Segments:
        p = self.plane
        return segments(p.x, p.z, p.mux, p.muz, p.periodic, besser)

    def room(self, owner: Transfer2D, steps: int, waves: int) -> Numbers:
        """Return memory for the weights of so many steps, which the last owner gives up."""
        if steps:
            last = self._owner.get("last")
            if last is not None:
                last.forget()
            self._owner["last"] = owner
            needed = steps * COEFFICIENTS * waves
            if self._owner.get("room", np.zeros(0)).size < needed:
                self._owner["room"] = np.empty(needed, np.float32)
            room: Numbers = self._owner["room"][:needed]
            return room.reshape(steps, COEFFICIENTS, waves)
        return np.zeros((0, COEFFICIENTS, waves), np.float32)

    def needs(self, line: PlaneLine) -> tuple[int, int]:
        """Return the memory that a solve takes without weights, and that of the weights [bytes].

        Both are in proportion to the points and to the line's wavelengths (half of them for a line
        at rest), the second one also to the rays.
        """
        unknowns = line.chi.size * np.dtype(np.float32).itemsize
        return _VECTORS * unknowns, COEFFICIENTS * self.plane.Nray * unknowns

    def keeps(self, line: PlaneLine) -> bool:
        """Return whether the weights of all steps are kept in memory.

        Raises
        ------
        MemoryLimitError
            If there is too little memory even without them.
        """
        there = available_memory() if self.memory is None else self.memory
        least, weights = self.needs(line)
        if least > _ALL * there:
            raise MemoryLimitError(
                f"the operator needs {least / 2**20:.0f} MiB for {self.plane.Nspace} points and "
                f"{line.chi.shape[1]} wavelengths, and {there / 2**20:.0f} MiB are there; use a "
                'smaller grid, or scheme="anderson"'
            )
        return least + weights <= _KEPT * there


def entering_light(
    plane: Plane,
    steps: Segments,
    edges: tuple[Any, Any, Any, Any],
    temperature: Numbers,
    planck: Callable[[Numbers], Numbers],
    ray: int,
    chi: Numbers,
) -> Numbers:
    """Return what enters where a ray begins, [Nspace, Nwave], nothing elsewhere.

    Parameters
    ----------
    plane : Plane
        Grid and rays.
    steps : Segments
        Their steps.
    edges : tuple
        What enters at the upper and lower edge and at the left and right side, as in `PlaneLine`.
    temperature : array
        [Nspace].
    planck : callable
        Returns the Planck function, [..., Nwave], of temperatures.
    ray : int
        Which ray.
    chi : array
        Opacity [m-1], [Nspace, Nwave].
    """
    Nx, Nz, K = len(plane.x), len(plane.z), chi.shape[1]
    top, bottom, left, right = edges
    outward = ray % 2 == 1
    mux = float(plane.mux[ray // 2]) * (1.0 if outward else -1.0)
    row, edge = (Nz - 1, bottom) if outward else (0, top)
    entering = np.zeros((Nz, Nx, K), np.float32)
    if edge == "thermalised":
        point, share, length = (values[ray] for values in steps.entry)
        T = temperature
        downwind = (1.0 - share) * T[point[:, 0]] + share * T[point[:, 1]]
        B = planck(np.stack([T.reshape(Nz, Nx)[row], downwind]))
        thermalised(point, share, length, row, chi, B, entering.reshape(Nz * Nx, -1))
    elif edge is not None:
        entering[row] = edge[ray]
    if not plane.periodic and mux != 0.0:
        column, side = (0, left) if mux > 0.0 else (-1, right)
        entering[:, column] = side[ray]
    return entering.reshape(Nz * Nx, -1)


class Transfer2D:
    """Transfer of a line at one opacity, the limiter in the form that it has at one state.

    Parameters
    ----------
    line : PlaneLine
        The line.
    geometry : Plane2D
        Where it is.
    y : array or None
        ``ln(c^2 S / 2 h nu^3)``, [Nspace]. None: atoms in the lower level, and linear steps.
    scattered : array
        Source function of light that the background scatters, per opacity of the background,
        [Nspace, Nwave].
    keep : bool
        Whether the weights of all steps are kept.
    """

    def __init__(
        self, line: PlaneLine, geometry: Plane2D, y: Numbers | None, scattered: Numbers, keep: bool
    ):
        self._line, self._geometry, self._plane = line, geometry, geometry.plane
        self._steps = geometry.linear_steps if y is None else geometry.steps
        self._N, self._K = line.chi.shape
        saturation = 1.0 if y is None else _saturation(y, line.g_ratio)
        self._opacity = (line.opacity * saturation).astype(np.float32)
        self._frequency = line.frequency.astype(np.float32)
        self._angle = 0.5 * np.repeat(self._plane.weight, 2)
        self._weight = (line.weight * line.norm[:, None]).astype(np.float32)
        self._moving = len(line.profile) > 1
        S = np.zeros(self._N) if y is None else np.exp(y)
        self._around = S.astype(np.float32), scattered
        self._static = None if self._moving else self._medium(0)
        self._none = np.zeros((0, self._K), np.float32)
        self._kept = geometry.room(self, len(self._steps.point) if keep else 0, self._K)
        self._diagonals: tuple[Numbers, Numbers] | None = None
        if len(self._kept):
            self._diagonals = np.zeros(self._N), np.zeros(self._N)
            for ray in range(self._plane.Nray):
                self._make(ray, *self._at(ray), 0, self._kept)

    @property
    def escape(self) -> Numbers:
        """``1 - Lambda`` of every point with itself, [Nspace]."""
        return self._both()[0]

    @property
    def diagonal(self) -> Numbers:
        """The same of MALI's, which is never more than one."""
        return self._both()[1]

    def _both(self) -> tuple[Numbers, Numbers]:
        if self._diagonals is None:
            self.nonlinear()
        assert self._diagonals is not None
        return self._diagonals

    def forget(self) -> None:
        """Give up the memory of the weights, which are made anew from now on."""
        self._kept = self._kept[:0]

    def _make(
        self, ray: int, chi: Numbers, share: Numbers, weight: Numbers, base: int, out: Numbers
    ) -> None:
        """Make the weights of a ray's steps, and add its part to the diagonals."""
        order, first, point, part, length = self._path(ray)
        coefficients(
            point, part, length, chi, self._reference(share), first[0], first[-1], base, out
        )
        assert self._diagonals is not None
        diagonal(
            order, first, base, out, np.float32(1.0) - share, weight, self._angle[ray],
            *self._diagonals,
        )  # fmt: skip

    # ---- along a ray ------------------------------------------------------------------------

    def _path(self, ray: int) -> tuple[Numbers, ...]:
        s = self._steps
        first = s.first[ray * self._N : (ray + 1) * self._N + 1]
        return s.order[ray], first, s.point, s.share, s.length

    def _medium(self, ray: int) -> tuple[Numbers, Numbers, Numbers]:
        profile = self._line.profile[ray]
        opacity = profile * (self._opacity[:, None] * self._frequency)
        chi = opacity + self._line.chi
        return chi, opacity / chi, profile * self._weight

    def _at(self, ray: int) -> tuple[Numbers, Numbers, Numbers]:
        """Return opacity, the line's share of it, and weighted profile, each [Nspace, Nwave]."""
        return self._medium(ray) if self._static is None else self._static

    def _source(
        self, share: Numbers, S: Numbers, scattered: Numbers, known: bool
    ) -> tuple[Numbers, Numbers]:
        """Return the source function, and the part of it that is not the line's."""
        rest = self._line.thermal + scattered if known else scattered
        rest = (np.float32(1.0) - share) * rest
        return share * S.astype(np.float32)[:, None] + rest, rest

    def _reference(self, share: Numbers) -> Numbers:
        return self._source(share, *self._around, True)[0]

    def mean_intensity(
        self, S: Numbers, scattered: Numbers, known: bool
    ) -> tuple[Numbers, Numbers]:
        """Return the mean intensities that a source function makes.

        Parameters
        ----------
        S : array
            The line's, [Nspace].
        scattered : array
            That of scattered light per opacity of the background, [Nspace, Nwave].
        known : bool
            Whether what does not depend on these is included: thermal emission of the background,
            and what enters.

        Returns
        -------
        others : array
            The line's mean intensity without what comes of its own source function at the same
            point, ``(1 - escape) S``, [Nspace].
        J : array
            The mean intensity, [Nspace, Nwave].
        """
        return self._sweep(S, scattered, known, False)

    def nonlinear(self) -> Numbers:
        """Return the mean intensity of the state itself, as `others`, and make the diagonals.

        For transfer whose weights are not kept: they are made ray by ray.
        """
        self._diagonals = np.zeros(self._N), np.zeros(self._N)
        return self._sweep(*self._around, True, True)[0]

    def _sweep(
        self, S: Numbers, scattered: Numbers, known: bool, make: bool
    ) -> tuple[Numbers, Numbers]:
        others, J = np.zeros(self._N), np.zeros((self._N, self._K), np.float32)
        source: Numbers | None = None
        rest = self._none
        if self._moving and len(self._kept) and not known and not make:
            return self._sweep_moving(S, scattered, others, J)
        room = np.zeros((0, COEFFICIENTS, self._K), np.float32)
        if make:
            most = int(np.diff(self._steps.first[:: self._N]).max())
            room = np.empty((most, COEFFICIENTS, self._K), np.float32)
        for ray in range(self._plane.Nray):
            chi, share, weight = self._at(ray)
            base, weights = 0, self._kept
            if make:
                base, weights = int(self._steps.first[ray * self._N]), room
                self._make(ray, chi, share, weight, base, room)
            if source is None or self._moving:
                source, rest = self._source(share, S, scattered, known)
            around = chi if len(weights) else self._reference(share)
            entering = self._none
            if known:
                entering = entering_light(
                    self._plane, self._steps, self._line.entering, self._line.temperature,
                    self._line.planck, ray, chi,
                )  # fmt: skip
            order, first, point, part, length = self._path(ray)
            sweep(
                order, first, point, part, length, len(self._plane.x), entering, base, weights, chi,
                around, source, rest, weight, self._angle[ray], others, J,
            )  # fmt: skip
        return others, J

    def _sweep_moving(
        self, S: Numbers, scattered: Numbers, others: Numbers, J: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Do the same for a line that moves, with what is kept, in fewer passes over the arrays."""
        S = S.astype(np.float32)
        source, rest, weight = (np.empty_like(self._line.chi) for _ in range(3))
        for ray in range(self._plane.Nray):
            mix(
                self._line.profile[ray], self._opacity, self._frequency, self._line.chi, S,
                scattered, self._weight, source, rest, weight,
            )  # fmt: skip
            order, first, point, part, length = self._path(ray)
            sweep(
                order, first, point, part, length, len(self._plane.x), self._none, 0, self._kept,
                source, source, source, rest, weight, self._angle[ray], others, J,
            )  # fmt: skip
        return others, J

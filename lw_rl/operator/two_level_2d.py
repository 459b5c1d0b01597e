"""The non-local operator of a two-level atom in two dimensions: matrix-free, inverted by GMRES.

The equations are those of `lw_rl.operator.two_level`, ``A S = b`` with ``A = 1 - (1 - epsilon)
Lambda``, and beside them those of light that the background scatters coherently, one for every
point and wavelength, which the host lambda-iterates. Lambda is the host's own to single precision
(`lw_rl.operator.plane_2d`), applied by sweeping along all rays. GMRES (Saad and Schultz 1986, SIAM
J. Sci. Stat. Comput. 7, 856) needs some ten applications at any resolution, where the rows are
divided by MALI's diagonal and unknowns are relative (Klein, Castor, Greenbaum, Taylor and Dykema
1989, JQSRT 41, 199, who have conjugate gradients). What is scattered on the spot is taken out of
Lambda: one less that is far below the rounding of single precision where epsilon is small.

The form of the limiter is that of the state before, and where it switches a correction errs at
single points, which the next one may do the other way round. A step of MALI, not linearised, on
what a correction led to is what damps them, as in multigrid methods (Fabiani Bendicho, Trujillo
Bueno and Auer 1997, A&A 324, 161).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from ..arrays import Array, Single
from ..host.plane_state import PlaneLine
from ..norms import largest, to_log
from .effort import Effort
from .plane_2d import Plane2D, Transfer2D

__all__ = ["PlaneOperator"]

#: What is left of MALI's corrections where a correction is found, root mean square: of those
#: before, and at the least.
_RELATIVE, _LEAST = 2e-2, 1e-7
#: The same of a second step, which tells of the limiter and need not be precise.
_ROUGH = 0.1
#: The same of the first solutions: of the linear one, and of those around the one before.
_START = (1e-2, 1e-3, 3e-6)
#: Correction of ln S from which on a step of MALI follows it.
_SMOOTHED = 1e-3
#: Applications of the operator at most.
_MOST = 60
#: Change of ln S up to which the first operator is not relinearised.
_SETTLED = 0.03
#: Distance of a state from where the operator was linearised, in ln S, from which on it is
#: linearised around it.
_APART = 3e-3
#: No estimate of the source function is below this fraction of the smallest Planck function.
_FLOOR = 1e-8
#: Albedo of the background up to which its scattered light is left out.
_DARK = 1e-4
#: Scattered light is not corrected to less than this part of itself.
_LIGHT = 0.1
#: States at which the host made a formal solution that are remembered.
_REMEMBERED = 24


@dataclass
class _Visited:
    """A state at which the host made a formal solution.

    Attributes
    ----------
    y, lambda_residual : Array
        The unknown and the residual of Lambda iteration there, [Nspace].
    scattered, residual : Array
        Source function of the light that was scattered, and its residual, [Nspace, Nwave].
    operator : PlaneOperator or None
        Which one made the correction.
    correction : tuple of Array
        Of both source functions.
    """

    y: Array
    lambda_residual: Array
    scattered: Array
    residual: Array
    operator: PlaneOperator | None = None
    correction: tuple[Array, Array] | None = None


class PlaneOperator:
    """The operator of one line in two dimensions, linearised.

    Parameters
    ----------
    line : PlaneLine
        The line.
    y : Array or None
        Estimate of ``ln(c^2 S / 2 h nu^3)``, [Nspace], around which opacity and interpolation are
        linearised. None: atoms in the lower level and linear interpolation.
    geometry : Plane2D
        Where the line is.
    scattered : Array, optional
        Estimate of the source function of scattered light, [Nspace, Nwave] (default: that of the
        last formal solution).
    before : PlaneOperator, optional
        One of the same line around another state: what was visited is remembered.
    effort : Effort, optional
        How well it is inverted, and what that took.

    Attributes
    ----------
    y : Array or None
        Around what it was linearised.
    regular : bool
        Whether it can be inverted.
    copies_host : bool
        True: Lambda is the host's own.
    """

    copies_host = True

    def __init__(
        self,
        line: PlaneLine,
        y: Array | None,
        geometry: Plane2D,
        scattered: Array | None = None,
        before: PlaneOperator | None = None,
        tolerance: float = _START[0],
        effort: Effort | None = None,
    ):
        self.line, self.geometry = line, geometry
        self.effort = Effort() if effort is None else effort
        self._B, self._epsilon = np.exp(line.log_B), line.epsilon
        self.scatters = bool(line.albedo.max() > _DARK)
        self._visited: list[_Visited] = [] if before is None else before._visited
        self._tolerance = tolerance
        self._linearise(y, self._seen() if scattered is None else scattered)

    # ---- making -----------------------------------------------------------------------------

    def _linearise(self, y: Array | None, scattered: Array) -> None:
        line, one_less = self.line, 1.0 - self._epsilon
        self.y, self.scattered = y, scattered
        self.effort.did("plane", scattered.size)
        keep = self.geometry.keeps(line)
        self.transfer = Transfer2D(line, self.geometry, y, scattered, keep)
        #: 1 - (1 - epsilon) Lambda of a point with itself, and MALI's.
        self._local = self._epsilon + one_less * self.transfer.escape
        self._mali = self._epsilon + one_less * self.transfer.diagonal
        self.regular = bool(np.isfinite(self._mali.sum()) and self._mali.min() > 0.0)
        # Without an estimate: what is thermalised, over what escapes in two steps.
        self._S0 = self._B * np.sqrt(self._epsilon / self._mali) if y is None else np.exp(y)
        self._T0 = line.thermal + scattered
        self._solution: tuple[Array, Array] | None = None
        self._started: Array | None = None

    def _seen(self) -> Array:
        """Return the scattered light of the last formal solution, or that of thermal radiation."""
        light = self.line.light
        J = None if light is None else light.last()
        if J is None:
            J = self.line.planck(self.line.temperature)
        return (self.line.albedo * J).astype(np.float32)

    @classmethod
    def first(
        cls, line: PlaneLine, geometry: Plane2D, effort: Effort | None = None
    ) -> PlaneOperator:
        """Return the operator around its own solution; no formal solution is needed.

        As in one dimension a monotone operator, of atoms in the lower level and linear steps, tells
        around what to linearise.
        """
        operator = cls(line, None, geometry, effort=effort)
        for tolerance in _START[1:]:
            if not operator.regular:
                return operator
            y = operator.start()
            if operator.y is not None and largest(y - operator.y) < _SETTLED:
                break
            scattered = operator._own()[1]
            operator = cls(line, y, geometry, scattered, tolerance=tolerance, effort=effort)
        return operator

    def relinearised(self, y: Array) -> PlaneOperator:
        """Return the operator of the same line linearised around another state."""
        return type(self)(self.line, y, self.geometry, before=self, effort=self.effort)

    def distance(self, y: Array) -> float:
        """Return how far a state is from what it was linearised around, in ln S."""
        return np.inf if self.y is None else largest(self.y - y)

    # ---- solving ----------------------------------------------------------------------------

    def _apply(self, S: Array, T: Array) -> tuple[Array, Array]:
        """Return ``A (S, T)``."""
        self.effort.did("applied", self.scattered.size)
        others, J = self.transfer.mean_intensity(S, T, False)
        return self._local * S - (1.0 - self._epsilon) * others, T - self.line.albedo * J

    def _inverted(
        self, rS: Array, rT: Array, S0: Array, relative: float, least: float,
        guess: tuple[Array, Array] | None = None,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Return the solution of ``A (S, T) = (rS, rT)``."""
        N, shape = len(rS), rT.shape
        row = self._mali * S0

        def joined(S: Array, T: Array, of_S: Array) -> Single:
            if not self.scatters:
                return (S / of_S).astype(np.float32)
            return np.concatenate([S / of_S, (T / self._T0).ravel()]).astype(np.float32)

        def parts(u: Single) -> tuple[Array, Array]:
            S = S0 * u[:N]
            T = self._T0 * u[N:].reshape(shape) if self.scatters else np.zeros(shape)
            return S, T

        b = joined(rS, rT, row)
        A = LinearOperator(
            (len(b), len(b)), lambda u: joined(*self._apply(*parts(u)), row), dtype=np.float32
        )
        x0 = None if guess is None else joined(*guess, S0)
        # Nothing is left to be found where the tolerance is one.
        wanted = self.effort.tolerance
        rtol, atol = min(wanted * relative, _ROUGH), min(wanted * least, _ROUGH) * np.sqrt(N)
        u, _ = gmres(A, b, x0=x0, rtol=rtol, atol=atol, restart=_MOST, maxiter=1)
        return parts(u)

    def _own(self) -> tuple[Array, Array]:
        """Return the operator's own solution, line source function and that of scattered light."""
        if self._solution is None:
            line = self.line
            none = np.zeros(len(self._B))
            others, J = self.transfer.mean_intensity(none, np.zeros_like(line.chi), True)
            rS = (1.0 - self._epsilon) * others + self.thermal
            rT = line.albedo * J
            S, T = self._inverted(
                rS, rT, self._S0, 0.0, self._tolerance, (self._S0, self.scattered)
            )
            self._solution = S, np.maximum(T, 0.0).astype(np.float32)
        return self._solution

    def start(self) -> Array:
        """Return the operator's own solution, ``ln(c^2 S / 2 h nu^3)``, shape [Nspace]."""
        if self._started is None:
            S, scattered = self._own()
            least = np.maximum(self.thermal, _FLOOR * self._B.min())
            y: Array = np.log(np.maximum(S, least))
            if self.y is not None:
                if largest(y - self.y) > _SMOOTHED:
                    y = self._smoothed(y, scattered)
            self._started = y
        return self._started

    # ---- not linearised ---------------------------------------------------------------------

    def _residual(self, y: Array, scattered: Array) -> tuple[Array, Array]:
        """Return the residual at a state, not linearised, and MALI's diagonal there."""
        S = np.exp(y)
        if self.y is not None and scattered is self.scattered and np.array_equal(y, self.y):
            at = self.transfer
            others = at.mean_intensity(S, scattered, True)[0]
        else:
            self.effort.did("plane", scattered.size)
            at = Transfer2D(self.line, self.geometry, y, scattered, False)
            others = at.nonlinear()
        one_less = 1.0 - self._epsilon
        own = one_less * others - (self._epsilon + one_less * at.escape) * S
        return own + self.thermal, self._epsilon + one_less * at.diagonal

    def _smoothed(self, y: Array, scattered: Array, defect: Array | float = 0.0) -> Array:
        """Return a state after a step of MALI at equations with a defect added."""
        residual, diagonal = self._residual(y, scattered)
        smoothed: Array = y + to_log((residual + defect) / (diagonal * np.exp(y)))
        return smoothed

    @property
    def thermal(self) -> Array:
        """``epsilon B``, what is created locally, as c^2 S / 2 h nu^3, shape [Nspace]."""
        thermal: Array = self._epsilon * self._B
        return thermal

    def solve(self, residual: Array) -> Array:
        """Return the correction of S that removes a residual ``(1 - epsilon) J + epsilon B - S``.

        Parameters
        ----------
        residual : Array
            Shape [Nspace], in the units of S.
        """
        nothing = np.zeros_like(self.scattered)
        return self._inverted(residual, nothing, self._S0, _ROUGH, _LEAST)[0]

    def error(self, y: Array, lambda_residual: Array) -> Array:
        """Return the relative error of S by this operator, negated: ``S*/S - 1``.

        Where the last formal solution was made at `y`, the change of the scattered light in it is a
        residual, too. The operator is linearised around a state that it has not seen, which costs a
        tenth of a formal solution, and what was found of a state is remembered.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        lambda_residual : Array
            Residual of Lambda iteration at `y`, in the logarithm (`Evaluation.lambda_residual`).
        """
        visited = self._visit(y, lambda_residual)
        S = np.exp(y)
        if visited.operator is not self or visited.correction is None:
            residual = S * np.expm1(lambda_residual)
            apart = self.y is not None and largest(y - self.y) > _APART
            if visited.operator is None and apart:
                self._linearise(y, visited.scattered)
            dS, dT = self._inverted(residual, visited.residual, self._S0, _RELATIVE, _LEAST)
            step = to_log(dS / S)
            if largest(step) > _SMOOTHED:
                defect = residual - self._residual(y, visited.scattered)[0]
                corrected = self._smoothed(y + step, visited.scattered + dT, defect)
                dS = S * np.expm1(corrected - y)
            visited.correction, visited.operator = (dS, dT), self
        return visited.correction[0] / S

    def _visit(self, y: Array, lambda_residual: Array) -> _Visited:
        for visited in reversed(self._visited):
            if np.array_equal(visited.y, y) and np.array_equal(
                visited.lambda_residual, lambda_residual
            ):
                return visited
        light, albedo = self.line.light, self.line.albedo
        fields = None if light is None else light.of(y)
        if fields is None:
            scattered, residual = self.scattered, np.zeros_like(self.scattered)
        else:
            scattered, residual = albedo * fields[0], albedo * (fields[1] - fields[0])
        new = _Visited(y.copy(), lambda_residual.copy(), scattered, residual)
        self._visited.append(new)
        del self._visited[:-_REMEMBERED]
        return new

    def residual(self, y: Array) -> Array:
        """Return this operator's own residual ``(1 - epsilon) J + epsilon B - S``, not linearised.

        With the scattered light of the state visited, or corrected, that is nearest.

        Parameters
        ----------
        y : Array
            ``ln(c^2 S / 2 h nu^3)``, shape [Nspace].
        """
        nearest, scattered = np.inf, self.scattered
        for visited in self._visited:
            known = [(visited.y, visited.scattered)]
            if visited.correction is not None:
                relative = np.maximum(visited.correction[0] / np.exp(visited.y), -0.5)
                corrected = visited.y + np.log1p(relative)
                known.append((corrected, visited.scattered + visited.correction[1]))
            for state, light in known:
                distance = largest(state - y)
                if distance < nearest:
                    nearest, scattered = distance, light
        return self._residual(y, scattered)[0]

    def carry(self, y: Array) -> None:
        """Write the mean intensity that belongs to a state to which this operator has led.

        Light that is scattered in the next formal solution would be that of the last one.
        """
        line = self.line
        if line.light is None or not self.scatters:
            return
        if self._visited and self._visited[-1].correction is not None:
            last = self._visited[-1]
            assert last.correction is not None
            scattered = np.maximum(last.scattered + last.correction[1], _LIGHT * last.scattered)
        else:
            scattered = self._own()[1]
        J = line.light.last()
        if J is None:
            J = line.planck(line.temperature)
        seen = line.albedo > _DARK
        line.light.write(np.where(seen, scattered / np.where(seen, line.albedo, 1.0), J))

    @property
    def negative_share(self) -> float:
        """Infinite: there is no inverse to look at, so no maximum principle is relied on."""
        return float("inf")

"""The coupled equilibrium of all active atoms as a step of an iteration."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from ..arrays import Array, Integers
from ..certificate.history import NOISE, History
from ..certificate.settings import shipped
from ..errors import PolicyOutputError
from ..extrapolation import anderson_mix
from ..host.adapter import Adapter
from ..host.equations import Equations
from ..host.state import Evaluation
from ..norms import largest, limit_step
from ..operator.base import geometry_for
from ..operator.coupled_light import Ways
from ..operator.coupled_light_1d import Ways1D
from ..operator.coupled_light_2d import Ways2D, fits
from ..operator.effort import Effort
from ..operator.multilevel import CoupledEquilibrium
from ..operator.plane_2d import Plane2D
from ..policies.drive import Decision
from .newton import SLOW, NewtonStep, newton_step

__all__ = ["CoupledStep", "combined", "coupled_step"]

#: Corrections in vain of two-level lines, which have an operator of their own to fall back on.
_LINE_PATIENCE = 2


@dataclass
class CoupledStep:
    """Steps of the non-local operator of all active atoms.

    Where they are within what the operator is taken to be linear in (`Settings.moved`) they are
    combined by Anderson acceleration (Anderson 1965, J. ACM 12, 547) in the logarithm of the
    populations, which removes what the operator leaves. Where they shrink slowly, because its
    rates follow the populations otherwise than the host's do, are smaller than the host's residual,
    or are not found near the solution, complete linearisation of the host's own equations takes
    over (`lw_rl.schemes.newton`): a step of it is dearer, and converges quadratically.

    Attributes
    ----------
    adapter : Adapter
        Access to the context.
    equations : Equations
        Its rates.
    operator : CoupledEquilibrium
        The operator.
    history : History
        The states visited.
    newton : NewtonStep or None
        Complete linearisation, if it applies.
    last : float
        Size of the operator's last step.
    slow : bool
        Whether complete linearisation is next.
    within : float
        Its step has to be smaller than this.
    vain : int
        Corrections of the operator, one after the other, that were not found, or not smaller
        than the one before.
    patience : float
        How many of them are too many.
    foresees : bool
        Whether the last step foresaw how emission profiles follow it.
    """

    adapter: Adapter
    equations: Equations
    operator: CoupledEquilibrium
    history: History
    newton: NewtonStep | None = None
    last: float = np.inf
    within: float = 1.0
    slow: bool = False
    vain: int = 0
    patience: float = np.inf
    foresees: bool = field(init=False)

    def __post_init__(self) -> None:
        self.foresees = self.equations.foresees

    def propose(
        self, evaluation: Evaluation, decision: Decision
    ) -> tuple[Array, float, Array | None] | None:
        """Return the next unknown, the size of the operator's step, and what that leads to.

        The latter is None for a step of complete linearisation, which is not combined with others.

        None where no equilibrium is found, as from LTE where that is another ionisation stage
        altogether: a plain step or two help. The mean intensity at the next unknown is written to
        the context, for scattered light follows it.

        Raises
        ------
        PolicyOutputError
            After too many corrections in vain: another scheme is to take over.
        """
        adapter, y = self.adapter, evaluation.y
        self.foresees = self.equations.foresees
        complete = self.slow if decision.renew is None else decision.renew
        if complete and self.newton is not None:
            found = self.newton.propose(y)
            if found is not None and found[1] < self.within:
                y_next, self.within, ahead = found
                return y_next, self._write_light(self.within, *ahead), None
            self.within = 1.0
        rates = self.equations.rates(adapter.populations(y), adapter.switched)
        self.operator.transfer = transfer = self.equations.transfer
        redistribution = self.equations.redistribution(rates)
        solved = self.operator.solve(rates, redistribution)
        if solved is None and redistribution is not None and not adapter.line_sources:
            # Profiles that run away in the operator's light are held, and left to the host; of
            # lines that have an operator of their own to that.
            solved, self.foresees = self.operator.solve(rates), False
        if solved is None:
            self._note(helps=False)
            if evaluation.residual_norm < 1.0:
                # Plain steps have led near enough, and are all that there would be.
                self.slow, self.within = True, np.inf
            return None
        n, J = solved
        image = adapter.unknown(np.split(n, transfer.first_level[1:]))
        step, within = largest(image - y), shipped().moved
        # Nearby, where the limiter's switches take turns, it is the budget that looks.
        self._note(helps=step < max(self.last, within))
        self.equations.foresee(J)
        if self.foresees and self.operator.comoving:
            follow = partial(self.operator.comoving_profiles, n)
            self.equations.foresee_profiles(rates, follow)
        size = self._write_light(step, transfer.waves, J)
        residual = evaluation.residual_norm
        # The error is no smaller than the plain update: the host contradicts the operator.
        contradicted = NOISE < step < min(residual, 1.0)
        self.slow = contradicted or SLOW * self.last < step < 1.0
        self.within = max(1.0, 2.0 * residual) if contradicted else 1.0
        self.last = step
        if decision.relaxation != 1.0:
            return y + decision.relaxation * (image - y), size, image
        # Emission profiles belong to the populations that they were made with.
        if self.equations.redistributes:
            return image, size, image
        return combined(self.history, y, image, step), size, image

    def _write_light(self, step: float, waves: Integers, J: Array) -> float:
        """Write the light that goes with a step, and return what the step is taken for.

        Nearby that is no less than what the light does to a rate. Scattered light can be far off,
        for the limiter, while populations hardly move: they are then no better known than rates.

        Parameters
        ----------
        step : float
            Size of the step, in the logarithm.
        waves, J : Array
            Wavelengths, and the mean intensity there, [Nwave, Nspace].
        """
        adapter, seen = self.adapter, self.operator.transfer.waves
        before = adapter.radiation(seen) if step < shipped().moved else None
        adapter.write_radiation_ahead(waves, J)
        if before is None:
            return step
        return max(step, self.operator.change_of_rates(before, adapter.radiation(seen)))

    def _note(self, helps: bool) -> None:
        """Note whether a correction helps; give up where too many did not."""
        self.vain = 0 if helps else self.vain + 1
        if self.vain >= self.patience:
            raise PolicyOutputError(f"{self.vain} corrections in vain, one after the other")


def combined(history: History, y: Array, image: Array, size: float) -> Array:
    """Return the image of an unknown, combined with those of states nearby where it is near.

    Parameters
    ----------
    history : History
        The states visited.
    y, image : Array
        The unknown, and what a scheme makes of it.
    size : float
        Size of the step between them.
    """
    within = shipped().moved
    ys, images = history.images(within)
    if not ys or size > within:
        return image
    return limit_step(y, anderson_mix([*ys, y], [*images, image]), within)


def coupled_step(
    adapter: Adapter, history: History, effort: Effort | None = None
) -> CoupledStep | None:
    """Return the steps of the coupled operator, None where it does not apply.

    In two dimensions it does where there is memory for it.
    """
    geometry = geometry_for(adapter.grid)
    if geometry is None:
        return None
    if isinstance(geometry, Plane2D) and not fits(geometry, *adapter.entries()):
        return None
    equations = Equations(adapter)
    ways: Ways = Ways1D()
    if isinstance(geometry, Plane2D):
        ways = Ways2D(geometry, adapter.plane_light(equations.transfer.waves))
    effort = Effort() if effort is None else effort
    operator = CoupledEquilibrium(equations.transfer, effort, ways, equations.comoving)
    patience = min(ways.patience, _LINE_PATIENCE if adapter.line_sources else np.inf)
    newton = newton_step(adapter, effort)
    return CoupledStep(adapter, equations, operator, history, newton, patience=patience)

"""The coupled equilibrium of all active atoms as a step of an iteration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..extrapolation import anderson_mix
from ..host.adapter import Adapter
from ..host.equations import Equations
from ..host.state import Evaluation
from ..norms import largest, limit_step
from ..operator.multilevel import CoupledEquilibrium
from .newton import NewtonStep, newton_step

__all__ = ["CoupledStep", "coupled_step"]

#: Steps that are combined, which begins where one is smaller than this, in the logarithm.
_WINDOW, _NEAR = 5, 0.3
#: Complete linearisation takes over after a step below the second number that is not smaller than
#: the last one by the first, and goes on while its own steps are smaller by the third.
_SLOW, _CLOSE, _FALLS = 0.3, 1.0, 0.7
#: Formal solutions in a row without a smaller residual after which it is left to others.
_PATIENCE = 8


@dataclass
class CoupledStep:
    """Steps of the non-local operator of all active atoms.

    Close to the solution they are combined by Anderson acceleration (Anderson 1965, J. ACM 12,
    547) in the logarithm of the populations, which removes what the operator leaves. Where they
    shrink slowly, because its rates follow the populations otherwise than the host's do, complete
    linearisation of the host's own equations takes over (`lw_rl.schemes.newton`): a step of it is
    dearer, and converges quadratically.

    Attributes
    ----------
    adapter : Adapter
        Access to the context.
    equations : Equations
        Its rates.
    operator : CoupledEquilibrium
        The operator.
    newton : NewtonStep or None
        Complete linearisation, if it applies.
    last : float
        Size of the operator's last step.
    slow : bool
        Whether complete linearisation is next.
    within : float
        Its step has to be smaller than this.
    best : float
        The smallest residual so far.
    idle : int
        Formal solutions since then.
    """

    adapter: Adapter
    equations: Equations
    operator: CoupledEquilibrium
    newton: NewtonStep | None = None
    last: float = np.inf
    within: float = _CLOSE
    slow: bool = False
    best: float = np.inf
    idle: int = 0
    _states: list[Array] = field(default_factory=list)
    _images: list[Array] = field(default_factory=list)

    def clear(self) -> None:
        """Forget the states visited."""
        self._states.clear()
        self._images.clear()

    def helps(self, residual: float) -> bool:
        """Note the residual of a formal solution, and return whether residuals still fall."""
        self.best, self.idle = (residual, 0) if residual < self.best else (self.best, self.idle + 1)
        return self.idle <= _PATIENCE

    def propose(self, evaluation: Evaluation) -> tuple[Array, float] | None:
        """Return the next unknown and the size of the operator's step.

        None where no equilibrium is found, as from LTE where that is another ionisation stage
        altogether: a plain step or two help. The mean intensity at the next unknown is written to
        the context, for scattered light follows it.
        """
        adapter, y = self.adapter, evaluation.y
        if self.slow and self.newton is not None:
            found = self.newton.propose(y)
            if found is not None and found[1] < self.within:
                self.within = _FALLS * found[1]
                return found
            self.within = _CLOSE
        rates = self.equations.rates(adapter.populations(y), adapter.switched)
        self.operator.transfer = transfer = self.equations.transfer
        solved = self.operator.solve(rates)
        if solved is None:
            return None
        n, J = solved
        image = adapter.unknown(np.split(n, transfer.first_level[1:]))
        step = largest(image - y)
        adapter.write_radiation_ahead(transfer.waves, J)
        self.slow = _SLOW * self.last < step < _CLOSE
        self.last = step
        if step > _NEAR:
            self.clear()
            return image, step
        self._states, self._images = (
            [*self._states[-_WINDOW:], y],
            [*self._images[-_WINDOW:], image],
        )
        if len(self._states) == 1:
            return image, step
        return limit_step(y, anderson_mix(self._states, self._images), _NEAR), step


def coupled_step(adapter: Adapter) -> CoupledStep | None:
    """Return the steps of the coupled operator, None where it does not apply.

    It is at home in one dimension.
    """
    if adapter.grid.Ndim != 1:
        return None
    equations = Equations(adapter)
    operator = CoupledEquilibrium(equations.transfer)
    return CoupledStep(adapter, equations, operator, newton_step(adapter))

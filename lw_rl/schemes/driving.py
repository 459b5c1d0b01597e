"""What stands between a scheme and what drives it: situations made, decisions checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..certificate.history import History
from ..errors import PolicyOutputError
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..operator.effort import Effort
from ..policies.drive import FIXED, Decision, Driver, FixedDriver, Kind, Situation

__all__ = ["Driving"]


@dataclass
class Driving:
    """A driver along one solve.

    A driver that fails, whose decision is not one, or that knows nothing of the situation
    (:class:`~lw_rl.errors.OutOfRangeError`) is asked no more: the fixed setting drives.

    Attributes
    ----------
    driver : Driver
        What decides.
    adapter : Adapter
        Access to the context.
    history : History
        The states visited.
    effort : Effort
        What the operators of the solve share.
    decision : Decision
        The last one.
    sizes : list of float
        Of the operator's steps.
    note : str
        What the next step is to say.
    """

    driver: Driver
    adapter: Adapter
    history: History
    effort: Effort = field(default_factory=Effort)
    decision: Decision = FIXED
    sizes: list[float] = field(default_factory=list)
    note: str = ""

    @cached_property
    def kind(self) -> Kind:
        """What is known of the problem before it is solved."""
        adapter = self.adapter
        grid = adapter.grid
        Nwave, Nray = adapter.quadrature
        return Kind(
            one_line=adapter.line_sources,
            Ndim=grid.Ndim,
            redistribution=adapter.any_redistributes,
            charge=adapter.conserves_charge,
            moving=adapter.moves,
            Nspace=adapter.Nspace,
            Nunknown=sum(b.stop - b.start for b in adapter.blocks),
            Nwave=Nwave,
            Nray=Nray,
        )

    @property
    def looks(self) -> bool:
        """Whether the driver looks at the situation."""
        return not isinstance(self.driver, FixedDriver)

    def decide(self, evaluation: Evaluation | None = None, moved: float = 0.0) -> Decision:
        """Ask the driver; None for the decision before the first formal solution."""
        if isinstance(self.driver, FixedDriver):
            # It does not look.
            self._take(self.driver.decision)
            return self.decision
        work = self.effort.work
        situation = Situation(self.kind, work=work)
        if evaluation is not None:
            residuals = [*self.history.residuals[-1:], evaluation.residual_norm]
            mean = math.sqrt(float(np.mean(np.square(evaluation.r))))
            made, idle = self.history.made + 1, self.history.idle
            situation = Situation(
                self.kind, residuals, mean, made, idle, self.sizes[-2:], moved, work
            )
        try:
            decision = self.driver.decide(situation)
            _check(decision)
        except Exception as err:
            self.driver, decision = FixedDriver(), FIXED
            self.note = f"left to the fixed setting: {type(err).__name__}: {err}"
        self._take(decision)
        return decision

    def _take(self, decision: Decision) -> None:
        self.decision = decision
        self.effort.fidelity, self.effort.tolerance = decision.fidelity, decision.tolerance

    def stepped(self, size: float) -> None:
        """Note the size of the operator's step."""
        self.sizes.append(size)

    def noted(self) -> str:
        """Return what there is to say, once."""
        note, self.note = self.note, ""
        return note


def _check(decision: Decision) -> None:
    """Refuse a decision that is none.

    Raises
    ------
    PolicyOutputError
        If a number is not finite or out of range.
    """
    if not isinstance(decision, Decision):
        raise PolicyOutputError(f"a driver returns a Decision, got {type(decision).__name__}")
    for name, most in (("fidelity", 1.0), ("tolerance", math.inf), ("relaxation", 2.0)):
        value = getattr(decision, name)
        if not 0.0 < value <= most or value == math.inf:
            raise PolicyOutputError(
                f"a decision's {name} must be above 0 and at most {most:g}, got {value!r}"
            )
    if not 0.0 <= decision.weight <= 2.0:
        raise PolicyOutputError(f"a decision's weight must be from 0 to 2, got {decision.weight!r}")

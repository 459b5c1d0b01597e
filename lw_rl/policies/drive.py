"""What a driver of a solve sees and decides: the one place where both are defined.

A *driver* decides what a scheme spends: with how much effort operators are made and inverted, when
they are made anew, when a plain step smooths, when the scheme hands over. `FixedDriver` decides as
the package does without one. Whatever a driver decides, safeguard, budget and certificate are rules
around it: it can make a solve dearer, within the budget, and not wrong.

A *situation* is what a scheme knows for free. As an observation it is :data:`NAMES` numbers of
order one, of schema :data:`SCHEMA`; whoever changes a channel raises the schema.

A decision is seven numbers in [-1, 1], of which zeros are the fixed setting:

=== ============ ===================================================================================
0   fidelity     share ``4^min(a, 0)`` of the host's wavelengths on which an operator of one line in
                 one dimension is made, before the first formal solution
1   tolerance    factor ``10^a`` on the tolerances of iterations inside operators
2   relaxation   factor ``1 + a/2`` on the operator's step
3   weight       factor ``1 + a`` on what a learned correction adds to it
4   renew        above 1/3 what a linearisation is made around is renewed (many levels: complete
                 linearisation is next); below -1/3 it is kept
5   plain        above 1/2 the next step is a plain one
6   end          above 1/2 the scheme hands over; below -1/2 the driver says that it would stop,
                 which ends an episode of ``lw_rl/Drive-v0`` where that is allowed, and no solve
=== ============ ===================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from ..arrays import Array, Single
from ..errors import PolicyOutputError
from .costs import in_formal_solutions, predicted

__all__ = [
    "DIALS",
    "FIXED",
    "NAMES",
    "SCHEMA",
    "Decision",
    "Driver",
    "FixedDriver",
    "Kind",
    "Situation",
    "channels_of",
    "decision_of",
    "observe_situation",
    "parts",
    "priced",
]

#: Version of :data:`NAMES` and :data:`DIALS`.
SCHEMA = 1
#: The numbers of a decision.
DIALS = ("fidelity", "tolerance", "relaxation", "weight", "renew", "plain", "end")
#: The numbers of an observation, and what part of it they belong to.
_CHANNELS = {
    "one_line": "kind",
    "many_levels": "kind",
    "two_dimensions": "kind",
    "redistribution": "kind",
    "charge": "kind",
    "moving": "kind",
    "log_depths": "size",
    "log_unknowns": "size",
    "log_waves": "size",
    "cost_operator": "costs",
    "cost_complete": "costs",
    "begun": "budget",
    "made": "budget",
    "spent": "budget",
    "idle": "budget",
    "residual": "residual",
    "residual_change": "residual",
    "residual_mean": "residual",
    "step": "defect",
    "contraction": "defect",
    "moved": "defect",
}
NAMES = tuple(_CHANNELS)
#: Smallest residual and step that are told from zero.
_LEAST = 1e-12


@dataclass(frozen=True)
class Decision:
    """What is to be spent until the next decision; the defaults are the fixed setting.

    Attributes
    ----------
    fidelity, tolerance, relaxation, weight : float
        As above.
    renew : bool or None
        Whether the linearisation is renewed; None leaves it to the rule.
    plain, hand_over, stop : bool
        As above.
    """

    fidelity: float = 1.0
    tolerance: float = 1.0
    relaxation: float = 1.0
    weight: float = 1.0
    renew: bool | None = None
    plain: bool = False
    hand_over: bool = False
    stop: bool = False


FIXED = Decision()


@dataclass(frozen=True)
class Kind:
    """What is known of a problem before it is solved.

    Attributes
    ----------
    one_line, redistribution, charge, moving : bool
        Whether it is one line of a two-level atom, in partial redistribution, conserves charge,
        has a velocity field.
    Ndim, Nspace, Nunknown, Nwave, Nray : int
        Dimensions, points, unknowns, wavelengths, and rays of a wavelength.
    """

    one_line: bool
    Ndim: int
    redistribution: bool
    charge: bool
    moving: bool
    Nspace: int
    Nunknown: int
    Nwave: int
    Nray: int


@dataclass(frozen=True)
class Situation:
    """What a scheme knows when a decision is due.

    Attributes
    ----------
    kind : Kind
        Of the problem.
    residuals : sequence of float
        Largest residuals of the states visited, in the logarithm, the last one's last; none before
        the first formal solution.
    mean : float
        Root mean square of the last one over depths.
    made, idle : int
        Formal solutions so far, and since the smallest residual.
    steps : sequence of float
        Sizes of the operator's last two steps, as far as they were made.
    moved : float
        How far the state is from where the operator was linearised, in the logarithm.
    work : mapping of str to float
        What operators did so far, in the units of `lw_rl.policies.costs`.
    """

    kind: Kind
    residuals: Sequence[float] = ()
    mean: float = math.inf
    made: int = 0
    idle: int = 0
    steps: Sequence[float] = ()
    moved: float = 0.0
    work: Mapping[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """What the solve has cost so far by the model, in the time of a formal solution."""
        k = self.kind
        return in_formal_solutions(self.work, self.made, k.Nspace, k.Nwave, k.Nray, k.Ndim)


@runtime_checkable
class Driver(Protocol):
    """Anything that decides what a scheme spends."""

    def decide(self, situation: Situation) -> Decision:
        """Return what is to be spent until the next decision."""
        ...


@dataclass(frozen=True)
class FixedDriver:
    """The same decision in every situation.

    Parameters
    ----------
    decision : Decision, optional
        Which one (default: that of the package without a driver).
    """

    decision: Decision = FIXED

    def decide(self, situation: Situation) -> Decision:
        """Return the decision."""
        return self.decision


def _log(size: float) -> float:
    """Return the decimal logarithm of a residual or step over 4, of order one."""
    return math.log10(min(max(size, _LEAST), 1e4)) / 4.0 if size == size else 1.0


def _costs(situation: Situation) -> dict[str, float]:
    """Return the channels that are costs by the model."""
    k = situation.kind
    operator, complete = predicted(k.one_line, k.Nspace, k.Nunknown, k.Nwave, k.Nray)
    return {
        "cost_operator": math.log10(operator),
        "cost_complete": math.log10(complete) - 1.0,
        "spent": math.log10(1.0 + situation.cost),
    }


def priced(observation: Single, situation: Situation) -> Single:
    """Return an observation with costs by the present model, of a situation of the same work."""
    new = observation.copy()
    for name, value in _costs(situation).items():
        new[NAMES.index(name)] = value
    return new


def observe_situation(situation: Situation) -> Single:
    """Return a situation as an observation, float32, shape [len(NAMES)]."""
    k, residuals, steps = situation.kind, situation.residuals, situation.steps
    begun = len(residuals) > 0
    last = residuals[-1] if begun else 1.0
    before = residuals[-2] if len(residuals) > 1 else last
    step = steps[-1] if steps else 1.0
    costs = _costs(situation)
    return np.array(
        [
            k.one_line,
            not k.one_line,
            k.Ndim > 1,
            k.redistribution,
            k.charge,
            k.moving,
            math.log10(k.Nspace) - 2.0,
            math.log10(k.Nunknown) - 2.5,
            math.log10(k.Nwave) - 2.0,
            costs["cost_operator"],
            costs["cost_complete"],
            begun,
            math.log10(1.0 + situation.made),
            costs["spent"],
            min(situation.idle, 10) / 10.0,
            _log(last),
            _log(last) - _log(before),
            _log(situation.mean) if begun else 0.0,
            _log(step),
            _log(step) - _log(steps[-2]) if len(steps) > 1 else 0.0,
            _log(situation.moved),
        ],
        dtype=np.float32,
    )


def channels_of(part: str) -> list[int]:
    """Return the indices of a part of the observation."""
    return [k for k, name in enumerate(NAMES) if _CHANNELS[name] == part]


def parts() -> list[str]:
    """Return the names of the parts of the observation."""
    return list(dict.fromkeys(_CHANNELS.values()))


def decision_of(action: Array | Single) -> Decision:
    """Return the decision that an action stands for; values beyond [-1, 1] are clipped.

    Raises
    ------
    PolicyOutputError
        If it is not one finite number for each of :data:`DIALS`.
    """
    a = np.asarray(action)
    if a.shape != (len(DIALS),) or a.dtype.kind not in "fiu":
        raise PolicyOutputError(
            f"a driver's action is {len(DIALS)} real numbers ({', '.join(DIALS)}), got "
            f"{a.dtype} of shape {a.shape}"
        )
    if not np.isfinite(a.sum()):
        raise PolicyOutputError(f"a driver's action must be finite, got {a.tolist()}")
    fidelity, tolerance, relaxation, weight, renew, plain, end = np.clip(a, -1.0, 1.0).tolist()
    return Decision(
        fidelity=4.0 ** min(fidelity, 0.0),
        tolerance=10.0**tolerance,
        relaxation=1.0 + 0.5 * relaxation,
        weight=1.0 + weight,
        renew=None if abs(renew) <= 1.0 / 3.0 else renew > 0.0,
        plain=plain > 0.5,
        hand_over=end > 0.5,
        stop=end < -0.5,
    )

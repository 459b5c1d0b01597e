"""What an iteration scheme is: an immutable configuration with ``init`` and ``step``.

A scheme sees an :class:`~lw_rl.host.adapter.Evaluation` (the unknown at which a formal solution was
made, and the residual of the host's plain update) and proposes the next unknown. All that evolves
sits in the state that ``init`` returns and ``step`` is given; the one driver owns the loop.

What some schemes can do besides is in the protocols `Starts`, `HasOperators`,
`AcceleratesProfiles`, `CouplesAtoms` and `AsksPolicy`; :func:`with_abilities` finds out once which
of them a scheme has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from ..arrays import Array
from ..certificate.history import History
from ..host.adapter import Adapter
from ..host.state import Block, Evaluation
from ..operator.base import EquilibriumOperator
from ..policies.base import Policy

__all__ = [
    "AcceleratesProfiles",
    "AsksPolicy",
    "CouplesAtoms",
    "HasOperators",
    "Scheme",
    "SolvesScattering",
    "Starts",
    "StartsRadiation",
    "Step",
    "WithAbilities",
    "with_abilities",
]


@dataclass(frozen=True)
class Step:
    """A scheme's answer to one evaluation.

    Attributes
    ----------
    y : Array or None
        The next unknown; None leaves the context as it is, which after the host's plain update
        is that update.
    estimate : float
        Estimate of the largest relative error of the populations at which the formal solution was
        made; 0 where the scheme has no opinion beyond the change it makes.
    by : str
        Which scheme made the step.
    accepted : bool
        False if the step before was undone.
    note : str
        What happened, where that is out of the ordinary.
    image : Array or None
        What an operator of its own makes of the evaluated state, if that was combined with others.
    """

    y: Array | None
    estimate: float = 0.0
    by: str = "mali"
    accepted: bool = True
    note: str = ""
    image: Array | None = None

    def noted(self, note: str) -> Step:
        """Return the step with another note before its own."""
        return replace(self, note="; ".join(n for n in (note, self.note) if n)) if note else self


@runtime_checkable
class Scheme(Protocol):
    """The signature that every iteration scheme has.

    Attributes
    ----------
    name : str
        What reports call it.
    lambdaIterate : bool
        Whether the formal solution is to leave out the approximate operator.
    """

    @property
    def name(self) -> str:
        """What reports call the scheme."""
        ...

    @property
    def lambdaIterate(self) -> bool:
        """Whether the formal solution leaves out the approximate operator."""
        ...

    def init(self, adapter: Adapter, history: History) -> Any:
        """Return the state at the start of a solve, before the first formal solution.

        Parameters
        ----------
        adapter : Adapter
            Access to the context.
        history : History
            The states visited, for schemes that combine them. Whoever drives the scheme adds an
            evaluation once the step from it is known.
        """
        ...

    def step(self, evaluation: Evaluation, state: Any) -> Step:
        """Propose the next unknown; `state` is updated in place."""
        ...


@runtime_checkable
class Starts(Protocol):
    """A scheme that knows a better beginning than the populations as they are."""

    def start(self, y: Array, state: Any) -> Array | None:
        """Return the unknown at which the first formal solution is to be made, or None."""
        ...


@runtime_checkable
class StartsRadiation(Protocol):
    """A scheme that knows the radiation field at its own start."""

    def start_radiation(self, state: Any) -> Mapping[Block, Array]:
        """Return the mean intensity of lines as c^2 J / 2 h nu^3, [Nwave, Nspace], by atom."""
        ...


@runtime_checkable
class HasOperators(Protocol):
    """A scheme that makes operators, which safeguard and certificate share."""

    def operators(self, state: Any) -> Mapping[Block, EquilibriumOperator]:
        """Return the operators that there are, by atom."""
        ...

    def operator_factor(self, state: Any) -> float | None:
        """Return the factor on the operators' own estimate of the error, if it was calibrated."""
        ...


@runtime_checkable
class AcceleratesProfiles(Protocol):
    """A scheme whose steps can be combined with those of emission profiles (coupled)."""

    def redistribute(self, change: float, state: Any) -> None:
        """Note that the emission profiles have changed, by so much at the most, relatively."""
        ...


@runtime_checkable
class CouplesAtoms(Protocol):
    """A scheme that has an operator of several levels and atoms."""

    def couples(self, state: Any) -> bool:
        """Return whether its steps are those of such an operator."""
        ...

    def foresees(self, state: Any) -> bool:
        """Return whether these foresee how emission profiles follow them."""
        ...


@runtime_checkable
class AsksPolicy(Protocol):
    """A scheme that asks a policy."""

    @property
    def policy(self) -> Policy | None:
        """The policy; None if it does without."""
        ...


@runtime_checkable
class SolvesScattering(Protocol):
    """A scheme that says whether the background's scattering is solved along with it."""

    @property
    def solves_scattering(self) -> bool:
        """Whether it is, where some atom has no operator."""
        ...


@dataclass(frozen=True)
class WithAbilities:
    """A scheme, and what it can do besides stepping: None or False where it cannot."""

    scheme: Scheme
    starts: Starts | None
    starts_radiation: StartsRadiation | None
    has_operators: HasOperators | None
    accelerates_profiles: AcceleratesProfiles | None
    couples_atoms: CouplesAtoms | None
    policy: Policy | None
    solves_scattering: bool


def with_abilities(scheme: Scheme) -> WithAbilities:
    """Find out what a scheme can do besides stepping.

    Raises
    ------
    TypeError
        If it has a part only of what an ability needs; the message names what is missing.
    """
    for ability in (Starts, HasOperators, AcceleratesProfiles, CouplesAtoms):
        needed = {name for name in vars(ability) if not name.startswith("_")}
        missing = needed - set(dir(scheme))
        if missing and missing != needed:
            raise TypeError(
                f"{type(scheme).__name__} lacks {', '.join(sorted(missing))}, which "
                f"{ability.__name__} needs beside {', '.join(sorted(needed - missing))}"
            )
    return WithAbilities(
        scheme,
        scheme if isinstance(scheme, Starts) else None,
        scheme if isinstance(scheme, StartsRadiation) else None,
        scheme if isinstance(scheme, HasOperators) else None,
        scheme if isinstance(scheme, AcceleratesProfiles) else None,
        scheme if isinstance(scheme, CouplesAtoms) else None,
        scheme.policy if isinstance(scheme, AsksPolicy) else None,
        scheme.solves_scattering if isinstance(scheme, SolvesScattering) else False,
    )

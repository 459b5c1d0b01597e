"""A policy's card: how it was made, and what it may be relied on for.

A card is a mapping of JSON values. Most entries are for people and for ``lw-rl train --reproduce``;
five of them set limits that schemes and certificates use, and are checked here:

=====================  =============================================================================
entry                  meaning
=====================  =============================================================================
``observation_range``  lowest and highest value of every channel in training: ``low``, ``high``
``asked_within``       estimated error up to which the policy is of use
``asked_after``        share of the error that the operator's step must have left (default: 0)
``error_estimate``     ``factor`` that makes the estimate of a policy's step cover its error
``operator_estimate``  ``factor`` for the operator's own estimate, and the range it was found on
=====================  =============================================================================

A policy without a card, such as a model of stable-baselines3, is one whose card is empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..errors import PolicyFileError
from .observation import NCHANNELS, UNCHANGING

__all__ = ["Card", "Carded", "Range", "card_of"]

Range = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lowest and highest values of every channel, each [NCHANNELS]."""

#: The entries that limit where a policy is used.
_LIMITS = ("observation_range", "asked_after", "error_estimate", "operator_estimate")


class Card(dict[str, Any]):
    """A card whose limits have been checked; it is not to be changed.

    Parameters
    ----------
    entries : Mapping, optional
        JSON values (default: none).

    Attributes
    ----------
    observation_range : Range or None
        What the policy was trained on.
    asked_within : float or None
        Estimated error up to which the policy is of use.
    asked_after : float
        Share of the estimated error that the operator's last step must have left for the policy to
        be asked, zero where it is always asked.
    error_factor : float or None
        Factor that makes the estimate of a policy's step cover its error.

    Raises
    ------
    PolicyFileError
        If one of the limits is not of its kind.
    """

    def __init__(self, entries: Mapping[str, Any] | None = None):
        super().__init__(entries or {})
        self.observation_range = _range(self, "observation_range")
        self.asked_within: float | None = None
        if self.get("asked_within") is not None:
            self.asked_within = _number(self["asked_within"])
            if not self.asked_within > 0.0:
                raise PolicyFileError(
                    f"a card's asked_within must be a number above 0, got {self['asked_within']!r}"
                )
        self.asked_after = _number(self.get("asked_after", 0.0))
        if not 0.0 <= self.asked_after < 1.0:
            raise PolicyFileError(
                f"a card's asked_after must be a number in [0, 1), got {self['asked_after']!r}"
            )
        self.error_factor = _factor(self, "error_estimate")
        self._operator_range = _range(self, "operator_estimate")
        self._operator_factor = _factor(self, "operator_estimate")

    @property
    def name(self) -> str:
        """The policy's name."""
        return str(self.get("name", "unnamed"))

    @property
    def knows_operator(self) -> bool:
        """Whether it has a factor on the operator's own estimate."""
        return self._operator_range is not None

    def operator_factor(self, static: NDArray[np.floating[Any]]) -> float | None:
        """Return the factor that makes the operator's own estimate cover its error.

        Parameters
        ----------
        static : Array
            What does not change along a solve (`lw_rl.policies.observation.Frame`), [NCHANNELS,
            Npoints].

        Returns
        -------
        factor : float or None
            None if the card has none, or the problem is unlike those that it was found on.
        """
        if self._operator_range is None:
            return None
        low, high = self._operator_range
        within = (static.min(axis=1) >= low) & (static.max(axis=1) <= high)
        return self._operator_factor if np.all(within[UNCHANGING]) else None

    def without_limits(self) -> Card:
        """Return the card that sets no limits but `asked_within`."""
        return Card({k: v for k, v in self.items() if k not in _LIMITS})


@runtime_checkable
class Carded(Protocol):
    """A policy that has a card."""

    @property
    def card(self) -> Mapping[str, Any]:
        """How the policy was made; see the module for the entries that set limits."""
        ...


def card_of(policy: object) -> Card:
    """Return the card of any policy, an empty one if it has none.

    Raises
    ------
    PolicyFileError
        If one of the card's limits is not of its kind.
    """
    card = getattr(policy, "card", None)
    if isinstance(card, Card):
        return card
    return Card(card) if isinstance(policy, Carded) else Card()


def _number(value: Any) -> float:
    """Return a JSON number; NaN, which is in no range, for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return np.nan
    try:
        return float(value)
    except OverflowError:
        return np.nan


def _range(card: Mapping[str, Any], name: str) -> Range | None:
    entry = card.get(name)
    if entry is None:
        return None
    try:
        low, high = (np.array(entry[k], dtype=np.float64) for k in ("low", "high"))
    except (TypeError, ValueError, KeyError) as err:
        raise PolicyFileError(f"a card's {name} is not valid: {err!r}") from err
    fits = low.shape == high.shape == (NCHANNELS,)
    if not fits or not np.all(low < high):
        raise PolicyFileError(f"a card's {name} needs {NCHANNELS} values low below as many high")
    return low, high


def _factor(card: Mapping[str, Any], name: str) -> float | None:
    entry = card.get(name)
    if entry is None:
        return None
    factor = entry.get("factor") if isinstance(entry, Mapping) else None
    if not _number(factor) >= 1.0:
        raise PolicyFileError(
            f"the factor of a card's {name} must be a number from 1 on, got {factor!r}"
        )
    return _number(factor)

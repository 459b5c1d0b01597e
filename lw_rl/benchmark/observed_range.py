"""The range of the observations that a policy was trained on, for its card."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..arrays import Single
from ..files import Json
from ..policies.observation import CHANNELS, NCHANNELS, UNCHANGING, Frame

__all__ = ["ObservedRange"]

#: Part of a channel's range by which it is widened at either end.
_MARGIN = 0.25
#: And at least by this, of channels that are all of order one.
_LEAST_MARGIN = 0.01


class ObservedRange:
    """Lowest and highest value of every channel in the observations that were noted."""

    def __init__(self) -> None:
        self.low = np.full(NCHANNELS, np.inf)
        self.high = np.full(NCHANNELS, -np.inf)

    def note(self, observation: Single) -> None:
        """Take in an observation, shape [NCHANNELS, Npoints]."""
        self._note(observation, np.full(NCHANNELS, True))

    def note_static(self, frame: Frame) -> None:
        """Take in the channels that do not change along the solve of a problem."""
        self._note(frame.static, UNCHANGING)

    def _note(self, observation: Single, channels: npt.NDArray[np.bool_]) -> None:
        low, high = observation.min(axis=1), observation.max(axis=1)
        self.low[channels] = np.minimum(self.low, low)[channels]
        self.high[channels] = np.maximum(self.high, high)[channels]

    def entry(self) -> Json:
        """Return the card's entry ``observation_range``; a channel that was not noted is zero."""
        noted = self.low <= self.high
        low, high = np.where(noted, self.low, 0.0), np.where(noted, self.high, 0.0)
        margin = np.maximum(_MARGIN * (high - low), _LEAST_MARGIN)
        return {
            "channels": list(CHANNELS),
            "low": [round(float(v), 4) for v in low - margin],
            "high": [round(float(v), 4) for v in high + margin],
        }

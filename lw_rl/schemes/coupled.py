"""Acceleration of populations and emission profile together, in partial redistribution.

With partial redistribution an iteration is a map of two things: the populations, which a scheme
updates, and the emission profile, which the host iterates a few times at fixed populations. The
profile follows the populations slowly, most of all in the wings, where photons scatter coherently,
so that a scheme which is fast at a fixed profile waits for it, or flips to and fro. Anderson
acceleration (1965, J. ACM 12, 547) of both together does not: what it combines is the whole state
of the iteration.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..arrays import Array
from ..extrapolation import least_residual
from ..host.adapter import Adapter
from ..norms import largest

__all__ = ["CoupledHistory", "is_absurd"]

#: Iterations that are combined.
_WINDOW = 8
#: A change of the unknown that is larger than the last one by this factor is of another problem.
_GROWN = 2.0
#: Limits of a mixed step: of the unknown, in units of the change by the iteration itself, and of
#: the profile, which falls to no less than this share of what the iteration makes it.
_FURTHEST, _LEAST = 3.0, 0.3
#: An emission profile that is more negative than this, over the absorption profile, is absurd.
_LEAST_EMISSION = -1.0
#: Halvings of a step beyond the limits.
_HALVINGS = 12


class CoupledHistory:
    """Iterations of unknown and emission profile by one scheme, and their combination.

    Logarithms of the unknown count at every depth, changes of the profile by their mean square
    over wavelengths.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._by = ""
        self._images: deque[Array] = deque(maxlen=_WINDOW + 1)
        self._changes: deque[Array] = deque(maxlen=_WINDOW + 1)

    def accelerate(
        self, adapter: Adapter, by: str, y: Array, profile: Array, profile_image: Array
    ) -> Array | None:
        """Note the iteration that a context has just made, and move it to where the next begins.

        Parameters
        ----------
        adapter : Adapter
            Access to the context.
        by, y, profile, profile_image
            As for :meth:`mix`.

        Returns
        -------
        y : Array or None
            The unknown where the next iteration begins; None if that is where the context was.
        """
        mixed = self.mix(by, y, profile, adapter.read(), profile_image)
        if mixed is None:
            return None
        # In this order: whatever an interrupt leaves, populations are positive and sum to nTotal.
        adapter.write_profiles(mixed[1])
        adapter.write(mixed[0])
        return mixed[0]

    def mix(
        self, by: str, y: Array, profile: Array, image: Array, profile_image: Array
    ) -> tuple[Array, Array] | None:
        """Note an iteration and return where the next one is to begin.

        Parameters
        ----------
        by : str
            The scheme that made it: those of another are forgotten.
        y, image : Array
            The unknown before and after, shape [Nunknown].
        profile, profile_image : Array
            The emission profiles before and after, shape [Nprofile].

        Returns
        -------
        y, profile : Array
            Or None, for what the iteration itself made.
        """
        N = len(y)
        change = np.concatenate([image - y, profile_image - profile])
        if not np.isfinite(change.sum()):
            self.clear()
            return None
        grown = self._changes and largest(change[:N]) > _GROWN * largest(self._changes[-1][:N])
        if by != self._by or grown:
            self.clear()
        self._by = by
        self._images.append(np.concatenate([image, profile_image]))
        self._changes.append(change)
        if len(self._changes) == 1:
            return None
        weight = np.ones_like(change)
        weight[N:] = np.sqrt(N / len(profile))
        away = least_residual(weight * np.asarray(self._changes), 1e-8) @ np.asarray(self._images)
        away -= self._images[-1]
        if not np.isfinite(away.sum()):
            return None
        furthest = _FURTHEST * largest(change[:N])
        # The host's profile can be slightly negative, even in equilibrium.
        least = np.where(profile_image > 0.0, (_LEAST - 1.0) * profile_image, -_LEAST)
        for _ in range(_HALVINGS):
            if largest(away[:N]) <= furthest and np.all(away[N:] >= least):
                return image + away[:N], profile_image + away[N:]
            away *= 0.5
        return None


def is_absurd(profiles: Array) -> bool:
    """Return whether emission profiles are so negative that no emission is.

    In units of the absorption profile; slightly negative ones occur in equilibrium.
    """
    return not profiles.min() >= _LEAST_EMISSION

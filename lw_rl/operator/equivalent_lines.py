"""Every line of an atom with many levels as that of a two-level atom, all else held fixed.

The equilibrium of a line's upper level, ``n_u (A + B_ul J + p) = n_l (B_lu J + q')`` with `p` what
is lost and ``q' n_l`` what is gained by all other ways, is that of a two-level atom (Mihalas 1978,
Stellar Atmospheres, section 11-4):

    S = (1 - epsilon) Jbar + epsilon B       epsilon = (p - q) / (A + p - q)   B = q / (p - q)

with ``q = q' g_l / g_u``, source functions and mean intensities as c^2 S / 2 h nu^3. Where there
are two levels these are epsilon and the Planck function.

What a policy knows of two-level atoms it can be asked about such a line. A correction of its source
function stands for one of its Jbar, and so of its rates; the equilibrium of all levels with these
rates are the corrected populations (:meth:`EquivalentLines.corrected`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..host.adapter import Adapter
from ..host.equations import Rates
from ..host.line_physics import equivalent
from ..host.state import Line, LinePhysics, LineProfile
from ..host.transfer import Transfer
from .lambda_1d import Plane1D
from .multilevel import INVERTED
from .response_1d import balanced

__all__ = ["EquivalentLine", "EquivalentLines"]

#: Photons are not destroyed with less than this probability.
_LEAST_DESTROYED = 1e-10


@dataclass(frozen=True)
class EquivalentLine:
    """A line as that of a two-level atom; all arrays have shape [Nspace].

    Attributes
    ----------
    physics : LinePhysics
        Its local physics.
    profile : LineProfile or None
        On the host's own wavelengths.
    y : Array
        ln(c^2 S / 2 h nu^3).
    lambda_residual : Array
        Residual of Lambda iteration: ``ln((1 - epsilon) Jbar + epsilon B) - y``.
    """

    physics: LinePhysics
    profile: LineProfile | None
    y: Array
    lambda_residual: Array

    def brightness(self, y: Array, geometry: Plane1D) -> Array:
        """Return its mean intensity where ln S is `y`, over that where it is as it is, [Nspace].

        Both are those of the line alone, on its own rays.

        Parameters
        ----------
        y : Array
            ln(c^2 S / 2 h nu^3), [Nspace].
        geometry : Plane1D
            Where it is.
        """
        rays = geometry.rays(self.physics, self.profile)
        J, before = (geometry.mean_intensity(self.physics, rays, x) for x in (y, self.y))
        # Cubic interpolation can be negative.
        return np.where((J > 0.0) & (before > 0.0), J / before, 1.0)

    @property
    def thick(self) -> bool:
        """Whether its optical depth reaches one."""
        return bool(self.physics.log_tau[-1] > 0.0)


class EquivalentLines:
    """The lines of all active atoms.

    Parameters
    ----------
    adapter : Adapter
        Access to the context.
    transfer : Transfer
        Lines and continua.

    Attributes
    ----------
    lines : dict of int to Line
        By their place among all transitions.
    """

    def __init__(self, adapter: Adapter, transfer: Transfer):
        atoms = [adapter.atom(block) for block in adapter.blocks]
        transitions = [t for atom in atoms for t in atom.transitions]
        self.transfer = transfer
        self.lines = {k: t for k, t in enumerate(transitions) if isinstance(t, Line)}
        self._atom = np.repeat(np.arange(len(atoms)), [atom.Nlevel for atom in atoms])

    def seen(self, rates: Rates) -> dict[int, EquivalentLine]:
        """Return the lines at a formal solution; those that are inverted somewhere are left out."""
        found = {}
        P, t = self._all(rates, rates.up), self.transfer
        for k, line in self.lines.items():
            y = self.source(k, rates.n)
            A, p, q = self._others(k, rates, P)
            if y is None or not np.all(A + p - q > 0.0) or not np.all(q > 0.0):
                continue
            epsilon = np.maximum((p - q) / (A + p - q), _LEAST_DESTROYED)
            log_B = np.log(q / (A + p - q) / epsilon)
            i, j = t.lower[k], t.upper[k]
            share = (rates.n[i] + rates.n[j]) / rates.nTotal[self._atom[i]]
            implied = np.log((t.multiple[k] * rates.up[k] + q) / (A + p - q))
            physics = equivalent(line.physics(), share, epsilon, log_B)
            found[k] = EquivalentLine(physics, line.profile(), y, implied - y)
        return found

    def source(self, k: int, n: Array) -> Array | None:
        """Return a line's ln(c^2 S / 2 h nu^3) at populations, None where it is inverted.

        Parameters
        ----------
        k : int
            Its place among all transitions.
        n : Array
            Populations [m-3], [Nlevel, Nspace].
        """
        t = self.transfer
        stimulated = t.multiple[k] * n[t.upper[k]] / n[t.lower[k]]
        if not np.all(1.0 - stimulated > INVERTED):
            return None
        y: Array = np.log(stimulated / (1.0 - stimulated))
        return y

    def corrected(
        self, n: Array, rates: Rates, J: Array, factors: Mapping[int, tuple[Array, Array]]
    ) -> Array:
        """Return populations after a change of the mean intensity of lines, [Nlevel, Nspace].

        Those of the equilibrium with the lines' new rates, over those of the equilibrium with the
        rates before, times `n`: without a change they are `n`. They are positive and add up to the
        atoms that there are.

        Parameters
        ----------
        n : Array
            Populations that are to be changed [m-3], [Nlevel, Nspace].
        rates : Rates
            Of the last formal solution.
        J : Array
            Mean intensity at the transfer's wavelengths that rates are to be of, [Nwave, Nspace].
        factors : mapping of int to tuple of Array
            What Jbar of a line is over that, in `n` and after the change, both [Nspace], by line.
        """
        t = self.transfer
        up = rates.up * self._grown(rates, J)
        found = []
        for which in (0, 1):
            now = up.copy()
            for k, both in factors.items():
                now[k] *= both[which]
            P = self._all(rates, now)
            found.append(balanced(n, rates.nTotal, t.first_level, t.Nlevel, P))
        new = n * found[1] / found[0]
        sums = np.add.reduceat(new, t.first_level, axis=0)
        normalised: Array = new * np.repeat(rates.nTotal / sums, t.Nlevel, axis=0)
        return normalised

    def _grown(self, rates: Rates, J: Array) -> Array:
        """Return rates of absorption over those of the formal solution, [Ntransition, Nspace]."""
        t, grown = self.transfer, np.empty_like(rates.up)
        for k in range(len(grown)):
            up = t.up[:, t.entries(k)].T
            before = (up * rates.J[t.places(k)]).sum(axis=0)
            grown[k] = (up * J[t.places(k)]).sum(axis=0) / np.maximum(before, 1e-300)
        return grown

    def _all(self, rates: Rates, up: Array) -> Array:
        """Return all rates, from the second index to the first [s-1], [Nlevel, Nlevel, Nspace]."""
        t, P = self.transfer, rates.collisions.copy()
        np.add.at(P, (t.upper, t.lower), up)
        np.add.at(P, (t.lower, t.upper), self._down(rates, up))
        return P

    def _down(self, rates: Rates, up: Array) -> Array:
        stimulated = self.transfer.multiple * (up - rates.up)
        # What stimulates recombination depends on the wavelength; it is little.
        down: Array = rates.down + np.where(np.isnan(stimulated), 0.0, stimulated)
        return down

    def _others(self, k: int, rates: Rates, P: Array) -> tuple[Array, Array, Array]:
        """Return A, p and q of a line (see the module) [s-1], each [Nspace]."""
        t = self.transfer
        i, j = t.lower[k], t.upper[k]
        up, down, multiple = rates.up[k], rates.down[k], t.multiple[k]
        p = P[:, j].sum(axis=0) - P[j, j] - down
        gained = (P[j] * rates.n).sum(axis=0) - P[j, j] * rates.n[j]
        return down - multiple * up, p, multiple * (gained / rates.n[i] - up)

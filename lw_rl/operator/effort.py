"""How much effort operators are made and inverted with, and what they did.

One object is shared by all operators of a solve. Who drives the solve sets what is wanted
(`lw_rl.policies.drive`), the operators note what they did in the unit of each kind of work
(`lw_rl.policies.costs` says what that takes). At its defaults an operator is what it is by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .line_quadrature import Rays

__all__ = ["Effort", "merged"]


@dataclass
class Effort:
    """What is wanted of operators, and what they did.

    Attributes
    ----------
    fidelity : float
        Share of the host's wavelengths on which a one-dimensional operator of one line is made;
        the others are merged with their neighbours.
    tolerance : float
        Factor on the tolerances of iterations inside an operator.
    work : dict of str to float
        What was done so far, by kind.
    """

    fidelity: float = 1.0
    tolerance: float = 1.0
    work: dict[str, float] = field(default_factory=dict)

    def did(self, kind: str, amount: float) -> None:
        """Note some work."""
        self.work[kind] = self.work.get(kind, 0.0) + amount


def merged(rays: Rays, Nmu: int, fidelity: float) -> Rays:
    """Return rays with neighbouring wavelengths merged, whose weights are summed.

    Parameters
    ----------
    rays : Rays
        Rays of a wavelength side by side.
    Nmu : int
        Rays of a wavelength.
    fidelity : float
        Share of the wavelengths that is left, in (0, 1].
    """
    N, K = rays.weight.shape
    Nwave = K // Nmu
    left = max(1, round(fidelity * Nwave))
    if left >= Nwave:
        return rays
    edges = np.arange(left) * Nwave // left
    shape = N, Nwave, Nmu
    weights = rays.weight.reshape(shape)
    weight = np.add.reduceat(weights, edges, axis=1)
    profile = np.add.reduceat(weights * rays.profile.reshape(shape), edges, axis=1)
    # Far out in the wings weights can vanish altogether.
    profile /= np.maximum(weight, 1e-300)
    # One of those that are merged stands for all: what enters hardly changes over a line.
    incident = rays.incident.reshape(2, Nwave, Nmu)[:, edges].reshape(2, -1)
    mu = np.tile(rays.mu[:Nmu], left)
    return Rays(weight.reshape(N, -1), profile.reshape(N, -1), mu, incident)

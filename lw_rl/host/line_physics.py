"""The local physics of a two-level atom's line, from plain arrays."""

from __future__ import annotations

import numpy as np
from lightweaver import voigt_H
from lightweaver.constants import CLight, HPlanck, KBoltzmann

from ..arrays import Array
from .state import LinePhysics

__all__ = ["from_arrays"]

#: No opacity is below this [m-1].
_TRANSPARENT = 1e-300


def from_arrays(
    *,
    height: Array,
    temperature: Array,
    vlos: Array,
    vBroad: Array,
    aDamp: Array,
    nTotal: Array,
    C_ul: Array,
    chi: Array,
    sca: Array,
    lambda0: float,
    Aji: float,
    Bij: float,
    g_ratio: float,
    extent: float,
    columns: int = 1,
) -> LinePhysics:
    """Return the line physics of a two-level atom; all arrays have shape [Nspace].

    Parameters
    ----------
    height : Array
        Height of the depths, downwards [m].
    temperature : Array
        Temperature [K].
    vlos : Array
        Line-of-sight velocity [m s-1].
    vBroad : Array
        Doppler broadening velocity [m s-1].
    aDamp : Array
        Voigt damping parameter.
    nTotal : Array
        Number density of the atom [m-3].
    C_ul : Array
        Collisional rate of de-excitation [s-1].
    chi, sca : Array
        Opacity of the background at line centre, and the part of it that scatters [m-1].
    lambda0 : float
        Vacuum wavelength of line centre [m].
    Aji, Bij : float
        Einstein's coefficients of spontaneous emission [s-1] and of absorption [m2 J-1 sr].
    g_ratio : float
        Statistical weight of the upper level over that of the lower one.
    extent : float
        How far the line's wavelengths reach from its centre, as a velocity [m s-1].
    columns : int, optional
        Columns, whose points at one height are neighbours in the arrays (default: 1).
    """
    nu = CLight / lambda0
    x = HPlanck * nu / (KBoltzmann * temperature)
    destruction = C_ul * -np.expm1(-x)
    epsilon = destruction / (Aji + destruction)

    doppler_width = nu * vBroad / CLight
    phi0 = voigt_H(aDamp, np.zeros_like(aDamp)) / (np.sqrt(np.pi) * doppler_width)
    chi_line = HPlanck * nu / (4.0 * np.pi) * nTotal * Bij * phi0
    chi_line = np.maximum(chi_line, _TRANSPARENT)
    chi = np.maximum(chi, _TRANSPARENT)

    above, below = slice(None, -columns), slice(columns, None)
    mean_chi = 0.5 * (chi_line[below] + chi_line[above])
    # Above the top the optical depth continues with the scale height of the first layer.
    dtau = ((height[above] - height[below]) * mean_chi).reshape(-1, columns)
    tau = 0.5 * dtau[0] + np.concatenate([np.zeros((1, columns)), np.cumsum(dtau, axis=0)])
    return LinePhysics(
        height=height.copy(),
        opacity=chi_line,
        log_tau=np.log(tau).ravel(),
        epsilon=epsilon,
        log_B=-np.log(np.expm1(np.minimum(x, 700.0))),
        damping=aDamp.copy(),
        background=chi / chi_line,
        albedo=sca / chi,
        velocity=vlos / vBroad,
        broadening=vBroad.copy(),
        temperature=temperature.copy(),
        g_ratio=g_ratio,
        extent=extent,
    )

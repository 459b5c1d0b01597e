"""Synthetic cubes: columns of a FAL model, perturbed with correlation in space, seeded."""

from __future__ import annotations

import numpy as np
import xarray as xr

from .. import atmospheres
from ..arrays import Array
from ..errors import CubeSettingsError
from ..host.names import Named

__all__ = ["synthetic_cube"]


#: Smooth functions of depth that carry the perturbations.
_MODES = 5


def synthetic_cube(
    nx: int = 64,
    ny: int = 64,
    nt: int = 1,
    seed: int = 0,
    model: str = "FALC",
    Nspace: int | None = None,
    amplitude: float = 0.06,
    velocity: float = 5e3,
    correlation: float = 6.0,
    shocks: float = 0.0,
) -> xr.Dataset:
    """Return a cube of perturbed FAL columns in the RH 1.5D atmosphere format.

    Temperature, microturbulence and velocity are perturbed by Gaussian random fields, smooth in x
    and y over `correlation` columns and along depth; densities follow the temperature at constant
    gas pressure and vary by a field of their own. The heights are the model's.

    Parameters
    ----------
    nx, ny, nt : int, optional
        Columns in x and y (default: 64), snapshots, independent of one another (default: 1).
    seed : int, optional
        The same seed gives the same cube (default: 0).
    model : str, optional
        One of ``lw_rl.atmospheres.known()`` (default: ``"FALC"``).
    Nspace : int, optional
        Resample the model to so many depths (default: its own).
    amplitude : float, optional
        Standard deviation of ln T (default: 0.06).
    velocity : float, optional
        Standard deviation of the velocity at the top [m s-1]; it falls with depth (default: 5e3).
    correlation : float, optional
        Correlation length L in columns: the correlation at a distance r is exp(-r^2 / 2 L^2)
        (default: 6).
    shocks : float, optional
        Relative jump in temperature of a train of shocks that runs through the chromosphere, with
        a sawtooth in velocity of 20 km/s times this (default: 0, none). No atmosphere that the
        shipped policy was trained on has shocks.

    Returns
    -------
    cube : xarray.Dataset

    Raises
    ------
    CubeSettingsError
        If an argument has no meaning; the message names it.
    UnknownNameError
        If there is no such model.
    """
    for name, value, least in (("nx", nx, 1), ("ny", ny, 1), ("nt", nt, 1), ("seed", seed, 0)):
        if value < least:
            raise CubeSettingsError(f"{name} must be at least {least}, got {value!r}")
    for name, number in (("amplitude", amplitude), ("velocity", velocity), ("shocks", shocks)):
        if not 0.0 <= number < np.inf:
            raise CubeSettingsError(f"{name} must be finite and not negative, got {number!r}")
    if not correlation > 0.0:
        raise CubeSettingsError(f"correlation must be positive, got {correlation!r}")

    atmos = atmospheres.load(model, Nspace)
    z, T_model = np.array(atmos.z), np.array(atmos.temperature)
    rng = np.random.default_rng(seed)
    shape = (nt, nx, ny)
    depth = np.linspace(0.0, 1.0, z.size)
    growth = 1.0 - 0.8 * depth

    def field() -> Array:
        """Return a smooth field of unit variance, shape [nt, nx, ny, Nspace]."""
        centres = np.linspace(0.0, 1.0, _MODES)
        modes = np.exp(-0.5 * ((depth - centres[:, None]) / 0.2) ** 2)
        modes /= np.sqrt((modes**2).sum(axis=0))
        maps = np.stack([_smooth_map(rng, shape, correlation) for _ in range(_MODES)], axis=-1)
        return maps @ modes

    T = T_model * np.exp(amplitude * field())
    vz = velocity * growth * field()
    vturb = np.array(atmos.vturb) * np.exp(0.15 * field())
    density = np.exp(0.2 * _smooth_map(rng, shape, correlation))[..., None]
    if shocks > 0.0:
        phase = rng.uniform() + 0.5 * _smooth_map(rng, shape, correlation)[..., None]
        # Two jumps above the temperature minimum: T rises at once and decays behind.
        saw = np.mod(phase + 6.0 * depth, 1.0)
        inside = (z > 5e5) & (T_model < 2e4)
        T = T * np.where(inside, 1.0 + shocks * saw, 1.0)
        vz = vz + np.where(inside, 2e4 * shocks * (saw - 0.5), 0.0)
    T = np.clip(T, 2500.0, 2e5)
    # At constant gas pressure, with the model's ionisation.
    factor = density * T_model / T

    columns = ("snapshot_number", "x", "y", "depth")
    single = np.float32

    def variable(values: Array, units: str, dims: tuple[str, ...] = columns) -> xr.Variable:
        return xr.Variable(dims, values, {"units": units})

    cube = xr.Dataset(
        {
            "temperature": variable(T.astype(single), "K"),
            "velocity_z": variable(vz.astype(single), "m s^-1"),
            "velocity_turbulent": variable(vturb.astype(single), "m s^-1"),
            "electron_density": variable(np.array(atmos.ne) * factor, "m^-3"),
            "hydrogen_populations": variable(
                (np.array(Named(atmos).nh_tot) * factor).astype(single)[:, None],
                "m^-3",
                ("snapshot_number", "nhydr", "x", "y", "depth"),
            ),
        },
        coords={
            "x": ("x", np.arange(nx) * 1e5, {"units": "m"}),
            "y": ("y", np.arange(ny) * 1e5, {"units": "m"}),
            "z": variable(np.tile(z, (nt, 1)), "m", ("snapshot_number", "depth")),
            "snapshot_number": ("snapshot_number", np.arange(nt, dtype=np.int32)),
        },
        attrs={
            "description": f"{model} columns perturbed at random; lw_rl synthetic cube",
            "seed": seed,
            "amplitude": amplitude,
            "velocity": velocity,
            "correlation": correlation,
            "shocks": shocks,
            "nx": nx,
            "ny": ny,
            "nz": z.size,
            "nt": nt,
            "has_B": 0,
            "boundary_top": 0,
            "boundary_bottom": 1,
        },
    )
    return cube


def _smooth_map(rng: np.random.Generator, shape: tuple[int, int, int], length: float) -> Array:
    """Return independent periodic maps of unit variance with a Gaussian correlation."""
    _, nx, ny = shape
    kx, ky = np.fft.fftfreq(nx), np.fft.fftfreq(ny)
    damping = np.exp(-((np.pi * length) ** 2) * (kx[:, None] ** 2 + ky**2))
    # By its expected variance: a map of few columns is not to be stretched to unit variance.
    damping /= np.sqrt(np.mean(damping**2))
    noise = np.fft.fft2(rng.standard_normal(shape))
    return np.fft.ifft2(noise * damping).real

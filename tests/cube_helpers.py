"""What the tests of cubes share: small cubes, quick to solve."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import xarray as xr
from distributed import Client, LocalCluster

import lw_rl.cube
from lw_rl import atmospheres
from lw_rl.cube.synthetic import synthetic_cube
from lw_rl.policies.observation import CHANNELS

DEPTHS = 32


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """One worker in this process: quick to start, and no different to the engine."""
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(processes=False, **options) as cluster:
        # Not for what else Dask computes meanwhile.
        with Client(cluster, set_as_default=False) as found:
            yield found


def solve(cube: xr.Dataset, out, **arguments) -> xr.Dataset:
    """Solve a cube in small blocks, with one policy."""
    return lw_rl.cube.solve(cube, out, **{"frozen": True, "block": (2, 2), **arguments})


def small_cube(nx: int = 4, ny: int = 3, **arguments) -> xr.Dataset:
    """Perturbed FAL-C columns with few depths."""
    arguments = {"Nspace": DEPTHS, "correlation": 2.0, "seed": 1, **arguments}
    return synthetic_cube(nx, ny, **arguments)


class Deadly:
    """A policy that takes its process with it on columns hotter than all others."""

    def __init__(self, policy, threshold):
        self.policy, self.threshold = policy, threshold

    def predict(self, observation, deterministic=True):
        if observation[CHANNELS.index("planck"), -1] > self.threshold:
            os._exit(1)
        return self.policy.predict(observation, deterministic=deterministic)


def falc_like_rh(path, side: int = 5):
    """Write FAL-C, replicated, exactly as the FALC_82_5x5.hdf5 of RH 1.5D is laid out."""
    import h5netcdf

    atmos = atmospheres.load("FALC")
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {
            "depth": atmos.Nspace, "nhydr": 6, "x": side, "y": side, "snapshot_number": None
        }  # fmt: skip
        file.resize_dimension("snapshot_number", 1)
        file.attrs["comment"] = "as made by make_xarray_atmos"
        file.attrs["nx"] = file.attrs["ny"] = np.int64(side)
        columns = ("snapshot_number", "x", "y", "depth")

        def put(name, values, units, dims=columns, dtype="f4"):
            variable = file.create_variable(
                name, dims, dtype, fillvalue=np.dtype(dtype).type("nan")
            )
            variable[...] = np.broadcast_to(
                values, tuple(file.dimensions[d].size for d in dims)
            ).astype(dtype)
            variable.attrs["units"] = np.bytes_(units)
            variable.attrs["coordinates"] = np.bytes_(b"z")

        put("temperature", np.asarray(atmos.temperature), b"K")
        put("velocity_z", np.asarray(atmos.vz), b"m s^-1")
        put("velocity_turbulent", np.asarray(atmos.vturb), b"m s^-1")
        put("electron_density", np.asarray(atmos.ne), b"m^-3", dtype="f8")
        # Levels and protons: their sum is what counts.
        fractions = np.array([0.9, 0.04, 0.03, 0.01, 0.01, 0.01])
        put(
            "hydrogen_populations",
            (fractions[:, None] * np.asarray(atmos.nHTot))[:, None, None],
            b"m^-3",
            ("snapshot_number", "nhydr", "x", "y", "depth"),
        )
        put("z", np.asarray(atmos.z), b"m", ("snapshot_number", "depth"))
    return path

"""Snapshots of simulations as they are on disk, in the names and units of the cube format.

Nothing is converted ahead: arrays stay in their files until a window of them is read. Where a
snapshot has no electron density, it is that of LTE (`lw_rl.atmospheres.lte_electron_density`).

``NAME_NNN.idl``
    Bifrost (Gudiksen et al. 2011, A&A 531, A154): density and momentum of ``NAME_NNN.snap``,
    ``tg`` of ``NAME_NNN.aux``, ``hionne`` of ``NAME_.hionNNN.snap`` if it is there, heights of the
    mesh file.
``NAME_lgtg_NNN.fits``
    Bifrost as it is published (Carlsson et al. 2016, A&A 585, A4): one variable in each file,
    ``lgtg``, ``lgr``, ``uz`` and ``lgne``, with the heights [Mm] in the second HDU.
``Header.NNN``
    MURaM (Vögler et al. 2005, A&A 429, 335): ``eosT.NNN``, ``result_prim_0.NNN`` (density) and the
    vertical one of ``result_prim_1..3.NNN`` (velocity).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import lightweaver as lw
import numpy as np
import numpy.typing as npt
import xarray as xr

from ..errors import CubeInputError
from ..host.names import Named

__all__ = ["is_snapshot", "open_snapshot", "simulation_cube"]

Values = npt.NDArray[Any] | da.Array

_DIMS = ("x", "y", "depth")
#: Columns in x and y that are read together of what is computed from several arrays.
_CHUNK = 16
#: What stands in the name of a published file of temperatures, and in its place in the others.
_PUBLISHED = "_lgtg_"
#: Units of Bifrost where its parameters do not say [cm, s, g cm-3].
_BIFROST_UNITS = {"u_l": 1e8, "u_t": 1e2, "u_r": 1e-7}


def is_snapshot(path: Path) -> bool:
    """Return whether a file's name is that of a snapshot."""
    published = path.suffix == ".fits" and _PUBLISHED in path.name
    return path.suffix == ".idl" or path.name.startswith("Header.") or published


def open_snapshot(path: Path) -> xr.Dataset:
    """Open a snapshot lazily.

    Parameters
    ----------
    path : Path
        The file that describes it, see the module.

    Returns
    -------
    cube : xarray.Dataset
        In the cube format, from the top downwards.

    Raises
    ------
    CubeInputError
        If a file is missing, too short, or not what it should be; the message names it.
    """
    if not path.is_file():
        raise CubeInputError(f"{path} is not there")
    if path.suffix == ".fits":
        return _published(path)
    return _bifrost(path) if path.suffix == ".idl" else _muram(path)


def simulation_cube(
    z: Any,
    temperature: Values,
    density: Values,
    velocity_z: Values | None = None,
    electron_density: Values | None = None,
    x: Any = None,
    y: Any = None,
    *,
    description: str = "simulation",
    units: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return arrays of a simulation as a cube in the format, whatever the order of their heights.

    Parameters
    ----------
    z : array_like
        Heights, increasing or decreasing [m], shape [nz].
    temperature, density : array
        Temperature [K] and mass density [kg m-3], shape [nx, ny, nz]; numpy's, dask's or memory
        maps.
    velocity_z, electron_density : array, optional
        Upward velocity [m s-1] (default: none) and electron density [m-3] (default: that of LTE).
    x, y : array_like, optional
        Horizontal positions [m], shapes [nx], [ny].
    description : str, optional
        What it is.
    units : mapping, optional
        By the names of the arguments, where they are not those above.

    Raises
    ------
    CubeInputError
        If shapes do not fit, or a unit cannot be converted (when the cube is read).
    """
    given = {"density": "kg m-3", "temperature": "K", "velocity_z": "m s-1"} | dict(units or {})
    heights = np.asarray(z, dtype=float)
    if heights.ndim != 1:
        raise CubeInputError(f"z must have one dimension, got shape {heights.shape}")
    # The format goes from the top downwards.
    order = slice(None, None, -1) if heights[-1] > heights[0] else slice(None)
    cube = xr.Dataset(
        coords={"z": (("depth",), heights[order], {"units": given.get("z", "m")})},
        attrs={"description": description, "has_B": 0, "boundary_top": 0, "boundary_bottom": 1},
    )
    arrays = {
        "temperature": (temperature, given["temperature"]),
        "hydrogen_populations": (density, per_hydrogen(given["density"])),
        "velocity_z": (velocity_z, given["velocity_z"]),
        "electron_density": (electron_density, given.get("electron_density", "m-3")),
    }
    for name, (values, unit) in arrays.items():
        if values is None:
            continue
        if values.ndim != 3 or values.shape[2] != heights.size or values.shape != temperature.shape:
            raise CubeInputError(
                f"{name} of {description} has shape {values.shape}; expected is (nx, ny, nz), here "
                f"{(*temperature.shape[:2], heights.size)}"
            )
        cube[name] = (_DIMS, values[..., order], {"units": unit})
    for axis, positions in (("x", x), ("y", y)):
        if positions is not None:
            cube = cube.assign_coords({axis: (axis, np.asarray(positions, float), {"units": "m"})})
    return cube


def per_hydrogen(unit: str) -> str:
    """Return the unit in which a mass density is one of hydrogen nuclei.

    Units can have a factor, so that nothing need be multiplied before it is read.
    """
    import astropy.units as u

    mass = lw.Amu * Named(lw.DefaultAtomicAbundance).mass_per_h
    return f"{float(u.Unit(unit).to(u.kg / u.m**3)) / mass!r} m-3"


# ---- files --------------------------------------------------------------------------------------


def _mapped(path: Path, shape: Sequence[int], index: int = 0) -> Values:
    """Return one array of a file of single-precision arrays in Fortran's order, not read."""
    size = 4 * math.prod(shape)
    if not path.is_file():
        raise CubeInputError(f"{path} is not there")
    if path.stat().st_size < size * (index + 1):
        raise CubeInputError(
            f"{path} has {path.stat().st_size} bytes; {size * (index + 1)} are expected for "
            f"{index + 1} arrays of shape {tuple(shape)} in single precision"
        )
    return np.memmap(path, "<f4", "r", offset=size * index, shape=tuple(shape), order="F")


def _numbers(path: Path, words: Sequence[str]) -> list[float]:
    try:
        return [float(word) for word in words]
    except ValueError as err:
        raise CubeInputError(f"{path} holds something else than numbers: {err}") from err


# ---- MURaM --------------------------------------------------------------------------------------


def _muram(path: Path) -> xr.Dataset:
    """Open a snapshot of MURaM: arrays in cgs, the header says which axis is the vertical one."""
    header = _numbers(path, path.read_text(errors="replace").split())
    if len(header) < 10:
        raise CubeInputError(
            f"{path} holds {len(header)} numbers; a header of MURaM has at least 10: three sizes, "
            "three steps, ..., and the order of the axes"
        )
    shape, order = [int(n) for n in header[:3]], [int(n) for n in header[-3:]]
    if sorted(order) != [0, 1, 2] or min(shape) < 1:
        raise CubeInputError(
            f"{path} says sizes {shape} and the order {order} of the axes; the one has to be "
            "positive, the other 0, 1 and 2"
        )
    # Old headers have their steps in km.
    steps = [s * (1e3 if len(header) == 10 else 1e-2) for s in header[3:6]]
    snapshot = path.name.removeprefix("Header")

    def array(name: str) -> Values:
        return _mapped(path.with_name(f"{name}{snapshot}"), shape).transpose(order)

    x, y, z = (np.arange(shape[k]) * steps[k] for k in order)
    return simulation_cube(
        z, array("eosT"), array("result_prim_0"), array(f"result_prim_{order[2] + 1}"), x=x, y=y,
        description=f"MURaM {path}", units={"density": "g cm-3", "velocity_z": "cm s-1"},
    )  # fmt: skip


# ---- Bifrost ------------------------------------------------------------------------------------


def _bifrost(path: Path) -> xr.Dataset:
    """Open a snapshot of Bifrost: heights grow downwards, momenta lie on the faces of the cells."""
    parameters = _parameters(path)
    try:
        shape = [int(parameters[name]) for name in ("mx", "my", "mz")]
        number = int(parameters["isnap"])
    except (KeyError, ValueError) as err:
        raise CubeInputError(f"{path} is no parameter file of Bifrost: {err!r}") from err
    if parameters.get("boundarychk", "0").strip() == "1":
        raise CubeInputError(
            f"{path} has boundarychk = 1: its arrays include cells beyond the boundaries, which "
            "are not read; write the snapshot without them"
        )
    unit = {n: float(parameters.get(n, default)) for n, default in _BIFROST_UNITS.items()}
    x, y, z = _mesh(path, parameters.get("meshfile", "mesh.dat"), shape)
    two_dimensional = ("xy", "yz", "xz")
    auxiliary = [
        name
        for name in parameters.get("aux", "").split()
        if not any(d in name for d in two_dimensional)
    ]
    if "tg" not in auxiliary:
        raise CubeInputError(
            f"{path} lists aux = {' '.join(auxiliary) or 'nothing'}; the temperature, tg, has to "
            "be among the auxiliary variables"
        )
    T = _mapped(path.with_suffix(".aux"), shape, auxiliary.index("tg"))
    rho = _mapped(path.with_suffix(".snap"), shape)
    momentum = _mapped(path.with_suffix(".snap"), shape, 3)
    ionised = path.with_name(f"{path.stem.removesuffix(f'{number:03d}')}.hion{number}.snap")
    ne = _mapped(ionised, shape) if ionised.is_file() else None
    length = unit["u_l"] * 1e-2
    return simulation_cube(
        -z * length, T, rho, _upward_velocity(rho, momentum), ne, x=x * length, y=y * length,
        description=f"Bifrost {path}",
        units={
            "density": f"{unit['u_r']!r} g cm-3",
            "velocity_z": f"{unit['u_l'] / unit['u_t']!r} cm s-1",
            "electron_density": "cm-3",
        },
    )  # fmt: skip


def _published(path: Path) -> xr.Dataset:
    """Open a published snapshot: SI, logarithms to base ten, velocities upwards."""
    from astropy.io import fits

    def opened(name: str) -> tuple[da.Array, npt.NDArray[np.float64]]:
        file = path.with_name(path.name.replace(_PUBLISHED, f"_{name}_"))
        try:
            # Open as long as the array is: it stays in the file until it is read.
            hdus = fits.open(file, memmap=True)
            data, heights = hdus[0].data, np.asarray(hdus[1].data, dtype=float).ravel()
        except (OSError, IndexError, TypeError, ValueError) as err:
            raise CubeInputError(f"{file} cannot be read as FITS with two HDUs: {err}") from err
        if data is None or data.ndim != 3:
            raise CubeInputError(f"{file} holds no array of three dimensions")
        # FITS counts its axes from the fastest: x, y, z.
        return da.from_array(data.T, chunks=(_CHUNK, _CHUNK, -1)), heights

    log_temperature, z = opened("lgtg")
    log_density, velocity, log_ne = (opened(name)[0] for name in ("lgr", "uz", "lgne"))
    ten = np.float32(10.0)
    return simulation_cube(
        z * 1e6, ten**log_temperature, ten**log_density, velocity, ten**log_ne,
        description=f"Bifrost {path}",
    )  # fmt: skip


def _upward_velocity(rho: Values, momentum: Values) -> da.Array:
    """Return the velocity at the centres of cells, upwards, from the momentum on their faces.

    The momentum of index k belongs to the face between k - 1 and k.
    """
    chunks = (_CHUNK, _CHUNK, -1)
    r, p = (da.from_array(values, chunks=chunks) for values in (rho, momentum))
    faces = da.concatenate([r[..., :1], 0.5 * (r[..., 1:] + r[..., :-1])], axis=-1)
    u = p / faces
    return -da.concatenate([0.5 * (u[..., 1:] + u[..., :-1]), u[..., -1:]], axis=-1)


def _parameters(path: Path) -> dict[str, str]:
    """Return the parameters of a file of lines ``name = value ; comment``."""
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        name, equals, value = line.partition(";")[0].partition("=")
        if equals:
            found[name.strip()] = value.strip().strip("\"'").strip()
    return found


def _mesh(path: Path, name: str, shape: Sequence[int]) -> list[npt.NDArray[np.float64]]:
    """Return x, y and z of a mesh file: for each axis its size and four rows of numbers."""
    places = [path.with_name(name), path.with_name("mesh.dat")]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        raise CubeInputError(f"the mesh {places[0]} of {path} is not there")
    numbers = _numbers(file, file.read_text(errors="replace").split())
    axes = []
    for size in shape:
        if len(numbers) < 1 + 4 * size or numbers[0] != size:
            raise CubeInputError(
                f"{file} is not the mesh of {path}: expected are {size} and four rows of {size} "
                "numbers for each axis"
            )
        axes.append(np.array(numbers[1 : 1 + size]))
        numbers = numbers[1 + 4 * size :]
    return axes

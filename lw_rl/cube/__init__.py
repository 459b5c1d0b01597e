"""Cubes: 1.5D synthesis of a simulation, column by column, on Dask, resumable.

``lw_rl.cube.solve("cube.hdf5", "cube.zarr", line="CaII_K")`` solves every column of a cube by
itself and returns the output as an xarray Dataset; the command is ``lw-rl cube``. With
``atoms=["H", "CaII"], lines=["H 6563", "CaII 8542"]`` atoms of many levels are solved together and
the light of several lines is kept. Needs the extra ``lw-rl[cube]``; the public names are imported
when they are first used.

A cube is a file of RH 1.5D, a snapshot of Bifrost or MURaM, or a Dataset with the format's names
(:func:`simulation_cube` makes one of a simulation's arrays); ``stokes=True`` keeps polarised light
in its magnetic field.

The way of a column: `source` reads it, `run` sends it to a worker in a block, `column` solves it
there, `store` writes what came back (`layout` says which arrays), and `learn` fine-tunes the policy
on the states that `recorder` kept. Another format of cubes goes beside `rh_format`, another array
of the output into `layout` and `block.gather`. Imports from here go to schemes, host and leaves;
nothing here imports torch.

On a cluster
------------
Any Dask cluster does: hand in a ``Client``, or the address of a scheduler. Under SLURM, with
dask-jobqueue::

    from dask_jobqueue import SLURMCluster
    from distributed import Client

    import lw_rl.cube

    if __name__ == "__main__":
        cluster = SLURMCluster(
            cores=64,
            processes=64,  # one thread each: a column is solved by one thread
            memory="128GB",
            walltime="08:00:00",
            job_script_prologue=[
                "source venv/bin/activate",
                # Dask's own profiler takes a tenth of a worker's time.
                "export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False",
            ],
        )
        cluster.scale(jobs=10)
        lw_rl.cube.solve("cube.hdf5", "cube.zarr", line="CaII_K", client=Client(cluster))

or in one job script, with nothing but Dask's own commands::

    #!/bin/bash
    #SBATCH --ntasks=128 --cpus-per-task=1 --time=08:00:00
    source venv/bin/activate
    export DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False
    dask scheduler --scheduler-file scheduler.json &
    srun dask worker --scheduler-file scheduler.json --nthreads 1 --no-dashboard &
    lw-rl cube cube.hdf5 cube.zarr --line CaII_K --scheduler scheduler.json

A job that runs out of its time loses the blocks in flight: submit the same script again. The
cube and the output are read and written by the client alone; workers need no access to them.
"""

from __future__ import annotations

import warnings as _warnings
from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError as _MissingExtraError

if TYPE_CHECKING:
    from .engine import solve
    from .figure import cube_figure
    from .learn import LearningSchedule
    from .lines import select_line
    from .progress import Progress
    from .settings import CubeSettings
    from .simulations import simulation_cube
    from .source import Source, write
    from .store import open_output
    from .synthetic import synthetic_cube

#: Module of every public name.
_HOMES = {
    "CubeSettings": "settings",
    "LearningSchedule": "learn",
    "Progress": "progress",
    "Source": "source",
    "cube_figure": "figure",
    "open_output": "store",
    "select_line": "lines",
    "simulation_cube": "simulations",
    "solve": "engine",
    "synthetic_cube": "synthetic",
    "write": "source",
}
#: Names of release 0.1 that still work, with a warning.
_RENAMED = {"Settings": "CubeSettings"}

__all__ = [
    "CubeSettings",
    "LearningSchedule",
    "Progress",
    "Source",
    "cube_figure",
    "open_output",
    "require_extra",
    "select_line",
    "simulation_cube",
    "solve",
    "synthetic_cube",
    "write",
]

_NEEDED = ("distributed", "xarray", "zarr", "h5netcdf", "h5py")


def require_extra() -> None:
    """Check that what cubes need is installed.

    Raises
    ------
    MissingExtraError
        If not; the message says what to install.
    """
    missing = [name for name in _NEEDED if _find_spec(name) is None]
    if missing:
        raise _MissingExtraError.of("cubes need", "cube", missing)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name in _RENAMED:
        now = _RENAMED[name]
        _warnings.warn(
            f"lw_rl.cube.{name} is called {now}; the old name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        return __getattr__(now)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require_extra()
    value = getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, whether they are imported yet or not."""
    return sorted({*globals(), *__all__})

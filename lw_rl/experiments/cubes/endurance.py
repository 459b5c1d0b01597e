"""Kill worker, scheduler and client at random moments, resume, and compare with a quiet run."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from ...cube.source import write
from ...cube.store import open_output
from ...cube.synthetic import synthetic_cube
from ...errors import ClusterError
from .processes import Processes, kill, start_command

__all__ = ["VICTIMS", "Endured", "differences", "endure"]

#: Who is killed.
VICTIMS = ("worker", "scheduler", "client")
#: Seconds from one sign of life to the next kill, at most.
_LONGEST = 4.0
#: Seconds between two looks at the output.
_LOOK = 0.1
#: Seconds that a client may take to notice that its scheduler is gone.
_NOTICE = 120.0


@dataclass(frozen=True)
class Endured:
    """What a run went through.

    Attributes
    ----------
    kills : dict
        How often each victim was killed.
    unfinished : tuple of int
        Columns not done at each kill.
    different : tuple of str
        Variables in which the output differs from that of the undisturbed run; empty is right.
    seconds : float
        Wall time [s] of the disturbed run, restarts included.
    columns : int
        Size of the cube.
    """

    kills: dict[str, int]
    unfinished: tuple[int, ...]
    different: tuple[str, ...]
    seconds: float
    columns: int


def endure(
    folder: Path,
    kills: int = 20,
    side: int = 32,
    seed: int = 0,
    victims: Sequence[str] = VICTIMS,
    notify: Callable[[str], None] = lambda text: None,
) -> Endured:
    """Solve a cube twice, once undisturbed and once through kills, and compare the outputs.

    Parameters
    ----------
    folder : Path
        Where cube, outputs and logs go; it should be empty.
    kills : int, optional
        Kills (SIGKILL) before the run is left to finish (default: 20).
    side : int, optional
        Columns in x and in y (default: 32).
    seed : int, optional
        Seed of the cube, of the victims and of the moments (default: 0).
    victims : sequence of str, optional
        Who is killed, in random order, as often as can be (default: all of :data:`VICTIMS`).
    notify : callable, optional
        Called with a word on what happens.

    Raises
    ------
    ClusterError
        If the cube was finished before all kills were done (take a larger one), or a client
        ended with an error that a kill does not explain.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cube = write(synthetic_cube(side, side, seed=seed), folder / "cube.hdf5")
    undisturbed, disturbed = folder / "undisturbed.zarr", folder / "disturbed.zarr"
    log = folder / "client.log"
    rng = np.random.default_rng(seed)
    order = [str(v) for v in rng.permutation(np.resize(list(victims), kills))]
    unfinished: list[int] = []

    def client(cluster: Processes, out: Path) -> subprocess.Popen[bytes]:
        return start_command(
            ["cube", str(cube), str(out), "--frozen", "--quiet", "--no-figure", "--start",
             "measured", "--block", "2", "2", "--scheduler", str(cluster.file)], log,
        )  # fmt: skip

    with Processes(folder) as cluster:
        notify("undisturbed run")
        if client(cluster, undisturbed).wait() != 0:
            raise ClusterError(f"the undisturbed run failed; see {log}")
        start = time.monotonic()
        running = client(cluster, disturbed)
        for number, victim in enumerate(order):
            before = _left(disturbed)
            # A moment while it is at work: after the first block since the last kill.
            while (left := _left(disturbed)) == before or left is None:
                if running.poll() is not None:
                    raise ClusterError(f"a client ended by itself ({left} left); see {log}")
                time.sleep(_LOOK)
            time.sleep(rng.uniform(0.0, _LONGEST) * left / side**2)
            left = _left(disturbed)
            if not left or running.poll() is not None:
                raise ClusterError(f"finished after {number} kills of {kills}: take a larger cube")
            unfinished.append(left)
            notify(f"kill {number + 1}: {victim}, {left} columns left")
            if victim == "worker":
                cluster.kill_worker(int(rng.integers(len(cluster.workers))))
                cluster.add_worker()
            elif victim == "scheduler":
                cluster.stop()
                running.wait(timeout=_NOTICE)
                cluster.start()
                running = client(cluster, disturbed)
            else:
                kill(running)
                running = client(cluster, disturbed)
        notify("left to finish")
        if running.wait() != 0:
            raise ClusterError(f"the resumed run failed; see {log}")
    with open_output(undisturbed) as expected, open_output(disturbed) as found:
        different = differences(expected, found)
    return Endured(
        kills=dict(Counter(order)),
        unfinished=tuple(unfinished),
        different=different,
        seconds=time.monotonic() - start,
        columns=side**2,
    )


def _left(out: Path) -> int | None:
    """Return the number of columns that an output lacks, None while there is no output."""
    if not (out / "zarr.json").exists():
        return None
    outcome = zarr.open_array(out / "outcome", mode="r")
    return int(np.sum(np.asarray(outcome[...]) == 0))


def differences(a: xr.Dataset, b: xr.Dataset) -> tuple[str, ...]:
    """Return the variables in which two outputs differ by a single bit; wall times do not count."""
    return tuple(
        name
        for name in sorted(map(str, {*a.variables, *b.variables} - {"seconds"}))
        if name not in a or name not in b or not a[name].identical(b[name])
    )

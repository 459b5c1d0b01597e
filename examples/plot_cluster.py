"""
A cluster
=========

Any Dask scheduler does: its address, or the file it writes, is what ``--scheduler`` of ``lw-rl
cube`` takes. Here it is a cluster inside this script, whose time ends before the cube is done.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from distributed import LocalCluster

import lw_rl

cube = lw_rl.cube.synthetic_cube(4, 2, seed=1)
out = Path(tempfile.mkdtemp()) / "cube.zarr"
given = {"atoms": "CaII", "lines": ["CaII 8542", "CaII 3934"], "block": (1, 1), "frozen": True}


def out_of_time(progress):
    """End the run after two columns."""
    if progress.columns >= 2:
        raise KeyboardInterrupt


# %%
# Two lines of Ca II with all its levels. The second call takes up what the first has left.
with LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster:
    given["scheduler"] = cluster.scheduler_address
    try:
        lw_rl.cube.solve(cube, out, listener=out_of_time, **given)
    except KeyboardInterrupt:
        print(lw_rl.cube.open_output(out).outcome.values.ravel(), "(1: converged, 0: to do)")
    ds = lw_rl.cube.solve(cube, out, **given)
spectra = lw_rl.cube.select_line(ds, "CaII 8542")
plt.plot(spectra.wavelength, spectra.intensity.isel(t=0, mu=0).stack(c=("x", "y")) * 1e9)
plt.show()

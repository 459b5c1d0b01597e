"""
A cube, column by column
========================

Ca II K in every column of a small synthetic cube (1.5D), as these commands do::

    lw-rl cube-synthetic cube.hdf5 --nx 12 --ny 8 --correlation 3
    lw-rl cube cube.hdf5 cube.zarr --line CaII_K
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from distributed import Client

import lw_rl

# %%
# A cube in the RH 1.5D format. Without ``client=`` processes are started, and the call belongs
# under ``if __name__ == "__main__":``; repeat it after an interruption and it goes on.
cube = lw_rl.cube.synthetic_cube(12, 8, correlation=3.0, seed=1)
out = Path(tempfile.mkdtemp()) / "cube.zarr"
with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
    ds = lw_rl.cube.solve(cube, out, line="CaII_K", client=client, tau_one=True, frozen=True)

# %%
# Line centre and wing, what each column cost, its estimated error, and whether any failed.
lw_rl.cube.cube_figure(ds, figure=plt.figure(figsize=(12.0, 6.4), layout="constrained"))
plt.show()

# %%
# Where the line is formed: the height of tau = 1 across the profile, in one row of columns.
row = ds.tau_one.isel(t=0, y=4, mu=0) * 1e-6
plt.pcolormesh(ds.wavelength - ds.attrs["line_centre_nm"], ds.x * 1e-6, row)
plt.gca().set(xlim=(-0.15, 0.15), xlabel=r"$\lambda - \lambda_0$ [nm]", ylabel="x [Mm]")
plt.colorbar(label=r"height of $\tau = 1$ [Mm]")
plt.show()

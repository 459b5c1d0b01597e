"""
A cube, column by column
========================
Solve Ca II K in every column of a small synthetic cube (1.5D) and look at the maps, as

.. code-block:: sh

    lw-rl cube-synthetic cube.hdf5 --nx 24 --ny 16 --correlation 3
    lw-rl cube cube.hdf5 cube.zarr --line CaII_K

does. Give the address of a Dask scheduler (``--scheduler``) and the same runs on a cluster.
"""

# %%
# A cube in the RH 1.5D atmosphere format: FAL-C columns with correlated perturbations in
# temperature, density and velocity.
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from distributed import Client

import lw_rl

cube = lw_rl.cube.synthetic_cube(24, 16, correlation=3.0, seed=1)

# %%
# Solve it. A client with threads serves a script that is read from top to bottom; without
# ``client=`` a cluster of processes is started, and the call belongs under
# ``if __name__ == "__main__":``. Repeat the call after an interruption: it goes on.
out = Path(tempfile.mkdtemp()) / "cube.zarr"
with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
    ds = lw_rl.cube.solve(cube, out, line="CaII_K", client=client, tau_one=True, frozen=True)
print(ds)

# %%
# The intensity at line centre and in the wing, what each column cost, and whether any failed.
lw_rl.cube.cube_figure(ds, figure=plt.figure(figsize=(12.0, 3.4), layout="constrained"))
plt.show()

# %%
# Where the line is formed: the height of tau = 1 across the profile, in one row of columns.
figure, ax = plt.subplots(figsize=(6.0, 3.6), layout="constrained")
row = ds.tau_one.isel(t=0, y=8, mu=0) * 1e-6
image = ax.pcolormesh(ds.wavelength - ds.attrs["line_centre_nm"], ds.x * 1e-6, row)
ax.set(xlim=(-0.15, 0.15), xlabel=r"$\lambda - \lambda_0$ [nm]", ylabel="x [Mm]")
figure.colorbar(image, label=r"height of $\tau = 1$ [Mm]")
plt.show()

"""
Response functions
==================
How Ca II 8542 and K in FAL-C respond to temperature and velocity at every depth, with the
populations in statistical equilibrium and in LTE: ``lw_rl.response_functions`` needs a converged
context and a formal solution for every quantity.
"""

import matplotlib.pyplot as plt
import numpy as np

import lw_rl

# %%
# Six levels of Ca II, hydrogen in the background.
ctx = lw_rl.build_context("CaII", "FALC")
print(lw_rl.solve(ctx, quiet=True))

# %%
# The response of the intensity at disc centre, and an estimate of its error.
responses = lw_rl.response_functions(ctx, ["temperature", "vlos"])
lte = lw_rl.response_functions(ctx, ["temperature", "vlos"], populations="LTE")
print(responses)

# %%
# Maps as in the literature: wavelength across, depth along the column mass.
mass = np.log10(ctx.kwargs["atmos"].cmass)
figure, axes = plt.subplots(2, 4, figsize=(11.0, 6.0), sharey=True, layout="constrained")
for row, quantity in zip(axes, ("temperature", "vlos"), strict=True):
    panels = [(ds, line) for line in (854.444, 393.478) for ds in (responses, lte)]
    for ax, (ds, line) in zip(row, panels, strict=True):
        part = ds.sel(quantity=quantity, wavelength=slice(line - 0.08, line + 0.08))
        size = float(np.abs(part.response).max())
        ax.pcolormesh(part.wavelength - line, mass, part.response.T / size, cmap="RdBu_r",
                      vmin=-1, vmax=1, shading="nearest")  # fmt: skip
        ax.set(title=f"{line} nm, {ds.attrs['populations']}", xlabel=r"$\Delta\lambda$ [nm]")
    row[0].set(ylabel=f"{quantity}: log column mass [kg m$^{{-2}}$]")
row[0].invert_yaxis()
plt.show()

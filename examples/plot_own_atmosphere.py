"""
Your own atmosphere
===================

Temperature against column mass, with units: electron density and pressure come from Lightweaver's
equation of state. A file in the MULTI format works by its name, ``lw-rl solve CaII mine.atmos``.
"""

import lightweaver as lw
import matplotlib.pyplot as plt
import numpy as np
from astropy import units as u

import lw_rl

# %%
# A chromosphere that rises from 4500 to 7500 K, and a photosphere below it.
mass = np.geomspace(1e-4, 50.0, 120) * u.kg / u.m**2
x = np.log10(mass.value)
temperature = 4500.0 + 3000.0 / (1.0 + np.exp(4.0 * (x + 1.5))) + 4000.0 * np.exp(2.5 * (x - 1.7))
atmosphere = lw.Atmosphere.make_1d(
    lw.ScaleType.ColumnMass, depthScale=mass, temperature=temperature * u.K,
    vlos=np.zeros(120) * u.m / u.s, vturb=np.full(120, 2.0) * u.km / u.s,
)  # fmt: skip

# %%
# Solve it, and see where the lines' populations leave LTE.
ctx = lw_rl.build_context("CaII", atmosphere)
print(lw_rl.solve(ctx, quiet=True))
b = ctx.activeAtoms[0].n / ctx.activeAtoms[0].nStar
plt.loglog(mass, b.T, label=["4s", "3d", "3d", "4p", "4p", "Ca III"])
plt.xlabel(f"column mass [{mass.unit:latex_inline}]")
plt.ylabel("departure coefficient")
plt.legend()
plt.show()

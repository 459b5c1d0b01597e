"""
A moving atmosphere
===================

Velocities are the atmosphere's; nothing else changes. A flow that rises to 10 km/s in the
chromosphere shifts the core of Ca II 8542 and makes it asymmetric.
"""

import matplotlib.pyplot as plt
import numpy as np
from astropy import units as u

import lw_rl
from lw_rl import atmospheres

fal = atmospheres.load("FALC")
rise = np.clip((fal.height - 0.5e6) / 1.0e6, 0.0, 1.0)

# %%
# Positive velocities are upwards. Quantities may carry any unit of their kind.
for name, top in {"at rest": 0.0, "upflow": 10.0, "downflow": -10.0}.items():
    moving = atmospheres.from_arrays(
        height=fal.height * u.m, temperature=fal.temperature * u.K, ne=fal.ne * u.m**-3,
        nHTot=fal.nHTot * u.m**-3, vturb=fal.vturb * u.m / u.s, vlos=top * rise * u.km / u.s,
    )  # fmt: skip
    ctx = lw_rl.build_context("CaII", moving)
    print(f"{name}: {lw_rl.solve(ctx, quiet=True)}\n")
    wave, intensity = ctx.spect.wavelength, ctx.compute_rays(mus=[1.0])
    near = abs(wave - 854.444) < 0.1
    plt.plot((wave[near] - 854.444) * 1e3, intensity[near] * 1e9, label=name)
plt.xlabel("distance from the line's centre [pm]")
plt.ylabel("Ca II 8542 [nW / (m2 Hz sr)]")
plt.legend()
plt.show()

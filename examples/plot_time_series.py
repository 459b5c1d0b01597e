"""
Steps in time
=============
Hydrogen with four levels after a heating of the upper chromosphere, as in Judge (2017, ApJ 851, 5)
and Lightweaver's own gallery: charge conserved, 30 implicit steps of 0.1 s.
"""

import matplotlib.pyplot as plt
import numpy as np
from lightweaver.rh_atoms import H_4_atom

import lw_rl

# %%
# Statistical equilibrium to begin with, then the temperature jumps.
ctx = lw_rl.build_context(
    H_4_atom(), "FALC", background=lw_rl.atoms.BACKGROUND, lte_ne=True, conserveCharge=True
)
print(lw_rl.solve(ctx, quiet=True))
atmos = ctx.kwargs["atmos"]
atmos.temperature[11:31] *= 1.0 + 2.0 * np.exp(-(((np.arange(11, 31) - 20.0) / 3.0) ** 2))

# %%
# Each step takes the one before it, from which its first guess goes on.
steps = []
for _ in range(30):
    ctx.update_deps()
    steps.append(lw_rl.time_step(ctx, 0.1, steps[-1] if steps else None))
print("formal solutions:", [step.Nformal for step in steps])

# %%
# A proxy, ``lw_rl.accelerate(ctx, time_dependent=True)``, does so in a loop around the host's own
# ``time_dep_update`` and ``nr_post_update``. Ground state and protons after every step:
figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
for ax, level, name in zip(axes, (0, -1), ("ground state", "protons"), strict=True):
    for k, step in enumerate(steps):
        ax.semilogy(step.after[0][level, :41] * 1e-6, color=plt.get_cmap("viridis")(k / 30))
    ax.set(xlabel="depth index", ylabel="density [cm$^{-3}$]", title=name)
plt.show()

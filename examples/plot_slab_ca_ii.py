"""
Ca II in a slab of two dimensions
=================================

Lightweaver's own example (``plot_2dSlab.py``): six levels in equal columns of FAL-C, one line of it
changed. The result says what was done: the coupled operator of all lines and continua.
"""

import lightweaver as lw
import matplotlib.pyplot as plt
import numpy as np
from lightweaver.fal import Falc82
from lightweaver.rh_atoms import CaII_atom, H_6_atom

import lw_rl

# %%
# Four columns and three rays per octant, half of what the original has, keep it short.
fal, x = Falc82(), np.arange(4) * 50e3
names = ("temperature", "vturb", "ne", "nHTot")
tiled = {name: np.repeat(np.asarray(getattr(fal, name))[:, None], len(x), 1) for name in names}
sides = {"xLowerBc": lw.PeriodicRadiation(), "xUpperBc": lw.PeriodicRadiation()}
atmos = lw.Atmosphere.make_2d(np.array(fal.z), x, **tiled, **sides)
atmos.quadrature(3)
atoms = lw.RadiativeSet([H_6_atom(), CaII_atom()])
atoms.set_active("Ca")
ctx = lw.Context(atmos, atoms.compute_wavelength_grid(), atoms.compute_eq_pops(atmos))
result = lw_rl.solve(ctx, quiet=True)  # lw.iterate_ctx_se(ctx)
print(result)

# %%
# Departure coefficients of Ca II in one of the columns.
departure = ctx.activeAtoms[0].n / ctx.activeAtoms[0].nStar
for level in range(5):
    column = departure[level].reshape(len(fal.z), len(x))[:, 1]
    plt.semilogy(np.asarray(fal.z) / 1e6, column, label=f"level {level}")
plt.gca().set(xlabel="height [Mm]", ylabel="departure coefficient", ylim=(0.1, 1e2))
plt.legend(ncols=2)
plt.show()

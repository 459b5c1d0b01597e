"""
A prominence slab with incident radiation
=========================================

A cool slab above the limb, lit by the Sun on both sides. Any boundary condition of Lightweaver's
works: the operator takes what comes in from the context.
"""

import lightweaver as lw
import matplotlib.pyplot as plt
import numpy as np

import lw_rl


class Disk(lw.BoundaryCondition):
    """The quiet Sun's continuum, which fills half of the sky."""

    def compute_bc(self, atmos, spect):
        """Return the radiation that enters [W m-2 Hz-1 sr-1], shape [Nwave, Nmu, 1]."""
        disk = 0.5 * lw.planck(np.array([5600.0]), np.asarray(spect.wavelength)[:, None])
        return np.repeat(disk[:, None, :], len(self.muz), axis=1)


# %%
# 5 Mm of plasma at 8000 K, finer towards both edges.
edge = np.geomspace(5e2, 2.5e6, 40)
height = np.unique([0.0, 5e6, *edge, *(5e6 - edge)])[::-1]
lit = {"bottom": Disk(), "top": Disk()}
slab = lw_rl.atmospheres.from_arrays(height, 8e3, ne=2e16, nHTot=4e16, vturb=5e3, **lit)
ctx = lw_rl.build_context("CaII", slab)
print(lw_rl.solve(ctx, quiet=True))

# %%
# How much of the calcium is singly ionised across the slab; the rest is Ca III.
n = ctx.activeAtoms[0].n
plt.plot(height * 1e-6, n[:-1].sum(axis=0) / n.sum(axis=0))
plt.gca().set(xlabel="distance through the slab [Mm]", ylabel="share of Ca II")
plt.show()

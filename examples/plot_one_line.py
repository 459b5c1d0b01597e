"""
Replace one line of an existing script
======================================

Ca II with five levels and continuum in FAL-C, as scripts for Lightweaver have it. Keywords and
return value of ``lw_rl.iterate_ctx_rl`` are those of ``lightweaver.iterate_ctx_se``.
"""

import lightweaver as lw
import matplotlib.pyplot as plt
from lightweaver.fal import Falc82
from lightweaver.rh_atoms import C_atom, CaII_atom, H_6_atom, O_atom, Si_atom

import lw_rl


def context():
    """Return the context of the script, as it was."""
    atmos = Falc82()
    atmos.quadrature(5)
    radiative_set = lw.RadiativeSet([H_6_atom(), C_atom(), O_atom(), Si_atom(), CaII_atom()])
    radiative_set.set_active("Ca")
    spect, eq_pops = radiative_set.compute_wavelength_grid(), radiative_set.compute_eq_pops(atmos)
    return lw.Context(atmos, spect, eq_pops)


# %%
# It was ``lw.iterate_ctx_se(ctx)``, which takes hundreds of formal solutions here.
ctx = context()
print(f"{lw_rl.iterate_ctx_rl(ctx, quiet=True) + 1} formal solutions")

# %%
# What leaves the atmosphere, as before.
wave, intensity = ctx.spect.wavelength, ctx.compute_rays(mus=[1.0])
near = abs(wave - 393.48) < 0.15
plt.plot(wave[near], intensity[near] * 1e9)
plt.xlabel("wavelength [nm, vacuum]")
plt.ylabel("Ca II K [nW / (m2 Hz sr)]")
plt.show()

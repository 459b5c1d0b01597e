"""
Mg II h and k with partial redistribution
=========================================

``prd=True`` iterates the emission profiles as well, as in ``lightweaver.iterate_ctx_se``; the
populations and the profiles are accelerated together.
"""

import matplotlib.pyplot as plt
import numpy as np

import lw_rl

# %%
# The same atom in complete and in partial redistribution.
spectra = {}
for name, prd in (("complete", False), ("partial", True)):
    ctx = lw_rl.build_context(lw_rl.atoms.MgII(prd=prd), lw_rl.atmospheres.load("FALC"), Nrays=3)
    result = lw_rl.solve(ctx, prd=prd, quiet=True)
    print(f"{name} redistribution:\n{result}\n")
    spectra[name] = np.array(ctx.spect.wavelength), np.array(ctx.compute_rays(mus=[1.0]))

# %%
# In partial redistribution the inner wings of k and h are darker.
for name, (wave, intensity) in spectra.items():
    near = (wave > 279.3) & (wave < 280.7)
    plt.plot(wave[near], intensity[near] * 1e9, label=f"{name} redistribution")
plt.xlabel("wavelength [nm, vacuum]")
plt.ylabel("Mg II k and h [nW / (m2 Hz sr)]")
plt.legend()
plt.show()

"""
Your own atom
=============

Any ``AtomicModel`` of Lightweaver's can be active, and any of its lines can be reduced to a
two-level atom. How much of Ca II does the K line need? Here it is with and without the infrared
triplet, and alone.
"""

import matplotlib.pyplot as plt
from lightweaver.atomic_model import reconfigure_atom
from lightweaver.rh_atoms import CaII_atom

import lw_rl

# %%
# An atom is levels, lines, continua and collisions. What is left out has to be linked anew.
no_triplet = CaII_atom()
no_triplet.lines = [line for line in no_triplet.lines if line.lambda0 < 400.0]
reconfigure_atom(no_triplet)
atoms = {
    "six levels": CaII_atom(),
    "without the triplet": no_triplet,
    "K as a two-level atom": lw_rl.atoms.two_level_atom(CaII_atom(), i=0, j=4),
}

# %%
# Every kind goes the same way, and the result says by what it was accelerated.
for name, atom in atoms.items():
    ctx = lw_rl.build_context(atom, "FALC")
    print(f"{name}: {lw_rl.solve(ctx, quiet=True)}\n")
    wave, intensity = ctx.spect.wavelength, ctx.compute_rays(mus=[1.0])
    near = abs(wave - 393.478) < 0.1
    plt.plot((wave[near] - 393.478) * 1e3, intensity[near] * 1e9, label=name)
plt.xlabel("distance from the centre of Ca II K [pm]")
plt.ylabel("intensity [nW / (m2 Hz sr)]")
plt.legend()
plt.show()

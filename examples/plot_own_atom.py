"""
Your own atom
=============

Any ``AtomicModel`` of Lightweaver's can be active, and any of its lines can be reduced to a
two-level atom. Here Ca II is left without its infrared triplet, and its 8542 line stands alone.
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
line_8542 = lw_rl.atoms.two_level_atom(CaII_atom(), i=2, j=4)

# %%
# Every kind goes the same way, and the result says by what it was accelerated.
departures = {}
for name, atom in {
    "six levels": CaII_atom(), "without the triplet": no_triplet, "8542 alone": line_8542,
}.items():  # fmt: skip
    ctx = lw_rl.build_context(atom, lw_rl.atmospheres.load("FALC"))
    print(f"{name}: {lw_rl.solve(ctx, quiet=True)}\n")
    departures[name] = ctx.activeAtoms[0].n / ctx.activeAtoms[0].nStar

# %%
# The lower level of the triplet, metastable, is emptied by the triplet alone.
for name, level in {"six levels": 2, "without the triplet": 2, "8542 alone": 0}.items():
    plt.semilogy(ctx.atmos.height * 1e-6, departures[name][level], label=name)
plt.xlabel("height [Mm]")
plt.ylabel("departure coefficient of 3d $^2$D$_{5/2}$")
plt.legend()
plt.show()

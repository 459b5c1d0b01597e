"""
Two dimensions
==============

Ca II K in a slab whose columns differ: solve it, and compare with Lightweaver's own call, MALI, Ng
and Anderson acceleration, as ``lw-rl solve CaII_K slab2d`` does. An atmosphere of one's own, made
by ``lightweaver.Atmosphere.make_2d``, is solved in the same way.
"""

import matplotlib.pyplot as plt

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure, plots
from lw_rl.benchmark.peers import peers

# %%
# 41 rows and 16 columns, three rays per octant, keep the example short. A periodic atmosphere
# repeats its first column in the last.
problem = problems.plane_problem("CaII_K", "slab2d")
ctx = problem.context(Nrays=3)
print(lw_rl.solve(ctx, quiet=True))

# %%
# The true error after every formal solution, for each scheme, from LTE.
result = measure.measure(problem, peers(names=("mali", "ng", "anderson10")))
for solve in result.solves:
    print(f"{solve.peer:16} formal solutions to 1e-3: {solve.to(1e-3)}")

# %%
# Source function and mean intensity, the errors of this solve and of the host's own call.
plots.solve_figure(ctx, result, plt.figure(figsize=(8.3, 8.6), layout="constrained"))
plt.show()

"""
H and Ca II in FAL-C
====================

Solve hydrogen and Ca II with six levels each, both active, and compare with MALI whose background
scattering is solved and with Anderson acceleration, as ``lw-rl solve H+CaII FALC`` does.
"""

import matplotlib.pyplot as plt

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure, plots
from lw_rl.benchmark.peers import peers

# %%
# Several active atoms are named with plus signs; 20 depths keep the example short.
problem = problems.shipped_problem("H+CaII", "FALC", 20)
ctx = problem.context(Nrays=3)
print(lw_rl.solve(ctx, quiet=True))

# %%
# The true error after every formal solution, for each scheme, from LTE.
result = measure.measure(problem, peers(names=("mali_scattering", "anderson10")), repeats=0)
for solve in result.solves:
    print(f"{solve.peer:16} formal solutions to 1e-3: {solve.to(1e-3)}")

# %%
# Departure coefficients of every level, convergence, and the strongest lines that leave.
plots.solve_figure(ctx, result, plt.figure(figsize=(8.3, 6.0), layout="constrained"))
plt.show()

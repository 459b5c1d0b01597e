"""
H and Ca II in FAL-C
====================

Hydrogen and Ca II with six levels each, both active: all lines and continua are solved together.
``lw-rl solve H+CaII FALC`` does the same beside more peers.
"""

import matplotlib.pyplot as plt

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure, plots
from lw_rl.benchmark.peers import peers

# %%
# Several active atoms are named with plus signs.
problem = problems.shipped_problem("H+CaII", "FALC")
ctx = problem.context(Nrays=3)
print(lw_rl.solve(ctx, quiet=True))

# %%
# The true error after every formal solution, from LTE, beside MALI with its scattering solved.
result = measure.measure(problem, peers(names=["mali_scattering"]), repeats=0)
for solve in result.solves:
    print(f"{solve.peer:16} formal solutions to 1e-3: {solve.to(1e-3)}")

# %%
# Departure coefficients of every level, convergence, and the strongest lines that leave.
plots.solve_figure(ctx, result, plt.figure(figsize=(8.3, 6.0), layout="constrained"))
plt.show()

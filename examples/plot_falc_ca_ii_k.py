"""
Ca II K in FAL-C
================

Solve a two-level Ca II K line in the FAL-C atmosphere with the policy that ships, and compare it
with MALI, Ng and Anderson acceleration, as ``lw-rl solve CaII_K FALC`` does.
"""

import matplotlib.pyplot as plt

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure, plots

# %%
# One line of code differs from Lightweaver: ``iterate_ctx_rl`` for ``iterate_ctx_se``.
ctx = lw_rl.build_context("CaII_K", "FALC")
lw_rl.iterate_ctx_rl(ctx)

# %%
# The true error after every formal solution, for each scheme, from LTE.
result = measure.measure(problems.shipped_problem("CaII_K", "FALC"), measure.peers())
for solve in result.solves:
    print(f"{solve.peer:12} formal solutions to 1e-3: {solve.to(1e-3)}")

# %%
# Source function, convergence, and the line that leaves the atmosphere.
plots.solve_figure(ctx, result, plt.figure(figsize=(7.2, 6.4), layout="constrained"))
plt.show()

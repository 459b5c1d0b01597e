"""
The paper's figures, and what corrects them
===========================================

Panos & Milic (2025, arXiv:2504.15679) let a Soft Actor-Critic policy choose the parameters of a
sigmoid until it satisfies statistical equilibrium in an isothermal slab. ``lw-rl paper --seeds 5``
makes the result file; figures and report are drawn from it alone.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from lw_rl.experiments.claims import render
from lw_rl.experiments.paper import figures as paper_figures
from lw_rl.experiments.paper.report import SECTIONS

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
result = json.loads((here / "paper_result.json").read_text())

# %%
# Figs. 3, 4 and 6: training; convergence, by the true error and beside the schemes of today; the
# greedy network, which oscillates. Then what each reward asks for, found by direct search: the
# optimum of the published one is a wrong solution, because the raw residual hardly sees the slow
# modes. Then what the paper leaves open: discount, sparse rewards, transfer, cost of training.
names = ("training", "convergence", "greedy", "optima", "discount", "sparse", "transfer", "cost")
for name in names:
    getattr(paper_figures, name)(result, plt.figure())
    plt.show()

# %%
# The report that the command writes, with a verdict on each claim.
print(render(SECTIONS, result, {name: f"{name}.png" for name in paper_figures.FIGURES}))

"""
The paper, reproduced and corrected
===================================
Panos & Milic (2025, arXiv:2504.15679) let a Soft Actor-Critic policy choose the parameters of a
sigmoid until it satisfies statistical equilibrium in an isothermal slab. This page draws their
Figs. 3, 4 and 6 from a result file that one command makes::

    lw-rl paper --seeds 5 --out paper

and shows beside them what the set-up implies and what corrects it. No number here is typed by
hand: the figures and the report are drawn from ``paper_result.json`` alone.
"""

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt

from lw_rl.experiments.claims import render
from lw_rl.experiments.paper import figures as paper_figures
from lw_rl.experiments.paper.report import SECTIONS

here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
result = json.loads((here / "paper_result.json").read_text())

# %%
# Fig. 3: the mean reward rises and the critic loss falls.
paper_figures.training(result, plt.figure())
plt.show()

# %%
# Fig. 4: the paper compares with ALI, by the mean square error. The true error, and the schemes
# that are in use today, tell more.
paper_figures.convergence(result, plt.figure())
plt.show()

# %%
# Fig. 6: the greedy network oscillates.
paper_figures.greedy(result, plt.figure())
plt.show()

# %%
# What each reward asks for, found by direct search: the optimum of the published reward is a
# wrong solution, because the raw residual hardly sees the slow modes of the operator.
paper_figures.optima(result, plt.figure())
plt.show()

# %%
# The questions that the paper leaves open: the discount factor, sparse rewards, transfer to other
# problems, and the cost of training against what it saves.
paper_figures.discount(result, plt.figure())
plt.show()

# %%
paper_figures.sparse(result, plt.figure())
plt.show()

# %%
paper_figures.transfer(result, plt.figure())
plt.show()

# %%
paper_figures.cost(result, plt.figure())
plt.show()

# %%
# The report that the command writes, with a verdict on each claim.
print(render(SECTIONS, result, {name: f"{name}.png" for name in paper_figures.FIGURES}))

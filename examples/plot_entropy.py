"""
Maximum-entropy control
=======================

Stein Soft Actor-Critic, temperatures and target entropies, against what the papers claim. ``lw-rl
entropy-report --seeds 5`` makes the result file that the second part is drawn from.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from lw_rl.experiments.max_entropy import figures as entropy_figures
from lw_rl.experiments.max_entropy.facts import TARGETS
from lw_rl.training.stein import Langevin, Stein

# %%
# Followed from a normal start, the gradient of an energy with two wells gives samples from both,
# and their entropy with them: a policy that is a Boltzmann distribution.
torch.manual_seed(0)
target = TARGETS["mixture"](2)
fig, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
samplers = {"SVGD": Stein(64, 100, 0.3, 1.5), "Langevin": Langevin(64, 100, 0.05)}
for ax, (name, sampler) in zip(axes, samplers.items(), strict=True):
    drawn = sampler(target.score, 4, 2)
    ax.plot(*drawn.points.flatten(0, 1).T, ".", ms=3)
    ax.set_title(f"{name}: {drawn.entropy:.2f} nat (exact {target.entropy:.2f})")
plt.show()

# %%
# What the experiments found.
here = Path(__file__).parent if "__file__" in globals() else Path.cwd()
result = json.loads((here / "entropy_result.json").read_text())
for draw in entropy_figures.FIGURES.values():
    draw(result, plt.figure())
    plt.show()

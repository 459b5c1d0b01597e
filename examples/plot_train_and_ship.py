"""
Train and ship a policy
=======================

A run of some seconds, far too short to be of use; ``lw-rl train`` takes the same arguments and has
better defaults. What is shipped is two files, weights and a card, which numpy alone reads.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import lw_rl
from lw_rl.policies import card_of, make_policy
from lw_rl.training.arguments import Args
from lw_rl.training.plots import draw_run
from lw_rl.training.train import train

# %%
# Soft Actor-Critic with hindsight demonstrations, on eight random problems.
small = {"steps": 120, "problems": 8, "points": 64, "width": 8, "warmup": 16, "buffer": 200}
few = {"envs": 2, "workers": False, "checkpoint_every": 60, "validation": 2, "calibration": 0}
folder = Path(tempfile.mkdtemp(), "runs", "mine")
card = train(Args(out=str(folder), **small, **few), quiet=True)

# %%
# The card says how it was made and what it scored; the file is all that a user needs.
policy = make_policy(card)
print(card_of(policy)["command"])
print(lw_rl.solve(lw_rl.build_context("CaII_K", "FALC"), policy=card, quiet=True))

# %%
# What it scored on the validation stream, and the run's log as ``lw-rl plot`` draws it.
print(card_of(policy)["validation"])
for file in draw_run(folder):
    plt.figure(figsize=(9, 4)).add_axes((0, 0, 1, 1)).imshow(plt.imread(file))
    plt.axis("off")
    plt.show()

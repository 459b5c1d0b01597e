"""
Populations from an emulator
============================
An emulator gives populations in a millisecond that are somewhat wrong, and nobody knows how wrong:
``lw_rl.refine`` says so after one formal solution, and corrects them to a certified error.
"""

import matplotlib.pyplot as plt
import numpy as np

import lw_rl

# %%
# The solution stands for what the emulator was trained on; its prediction is wrong by a factor of
# two high up and by a few per cent below.
ctx = lw_rl.build_context("CaII", "FALC")
print(lw_rl.solve(ctx, quiet=True))
exact = np.array(ctx.activeAtoms[0].n)
phase, depth = np.ogrid[: exact.shape[0], : exact.shape[1]]
predicted = exact * np.exp(
    0.7 * np.exp(-depth / 12.0) * np.cos(phase) + 0.03 * np.sin(depth / 9.0 + phase)
)
predicted *= exact.sum(axis=0) / predicted.sum(axis=0)

# %%
# It could be departure coefficients, a dataset of a cube, or on another depth grid, too.
fresh = lw_rl.build_context("CaII", "FALC")
result = lw_rl.refine(fresh, {"Ca": predicted}, quiet=True)
print(result)

# %%
# What was given and what came out, against the solution.
figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), sharey=True, layout="constrained")
for ax, n, title in zip(
    axes, (predicted, fresh.activeAtoms[0].n), ("given", "refined"), strict=True
):
    ax.semilogy(np.abs(n / exact - 1.0).T + 1e-9)
    ax.set(xlabel="depth index", ylabel="relative error", title=title)
plt.show()

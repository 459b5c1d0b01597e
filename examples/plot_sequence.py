"""
A sequence of atmospheres
=========================
A context that is changed in place keeps its populations, from which ``lw_rl.solve`` goes on.
"""

import matplotlib.pyplot as plt
import numpy as np

import lw_rl

# %%
# A wave of five per cent in temperature goes through FAL-C.
atmos = lw_rl.atmospheres.load("FALC")
quiet = np.array(atmos.temperature)
x = np.arange(len(quiet)) / len(quiet)


def temperature(k):
    """Return the temperature of member k [K]."""
    return quiet * (1.0 + 0.05 * np.sin(2.0 * np.pi * (k / 50.0 + x)))


# %%
# The same members from where the last one ended, and each from LTE.
ctx = lw_rl.build_context("CaII", atmos)
counts = {"in place": [], "from LTE": []}
for k in range(20):
    atmos.temperature[:] = temperature(k)
    ctx.update_deps()
    counts["in place"].append(lw_rl.solve(ctx, quiet=True).Nformal)
    other = lw_rl.atmospheres.load("FALC")
    other.temperature[:] = temperature(k)
    counts["from LTE"].append(lw_rl.solve(lw_rl.build_context("CaII", other), quiet=True).Nformal)
for name, count in counts.items():
    plt.step(range(20), count, where="mid", label=name)
plt.gca().set(xticks=range(0, 20, 5), xlabel="member", ylabel="formal solutions", ylim=(0, None))
plt.legend()
plt.show()

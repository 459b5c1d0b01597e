"""
What a solve says of itself
===========================

``lw_rl.solve`` returns how it ended, what it cost, how wrong the populations can be, and what was
accelerated, by what.
"""

import matplotlib.pyplot as plt

import lw_rl

# %%
# A tolerance is one on the error of the populations, the largest over atoms, levels and depths.
result = lw_rl.solve(lw_rl.build_context("CaII_K", "FALC"), popsTol=1e-5, quiet=True)
print(result)

# %%
# Every part of it is an attribute, and ``as_dict`` is ready for a JSON file.
print(result.converged, result.Nformal, result.estimate.value < 1e-5, result.steps_by)

# %%
# What each iteration did: the residual of the plain update, and the scheme's estimate of the error.
made = [record.Nformal for record in result.records]
plt.semilogy(made, [record.residual for record in result.records], "o-", label="residual")
plt.semilogy(made, [record.estimate for record in result.records], "s--", label="estimate")
plt.xlabel("formal solutions")
plt.legend()
plt.show()

# %%
# Where nothing is accelerated it says why.
print(lw_rl.solve(lw_rl.build_context("CaII_K", "FALC"), scheme="mali", quiet=True))

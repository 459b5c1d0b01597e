"""Functions that worker processes import: tests themselves are not on their path."""

import numpy as np

import lw_rl


def populations(ctx, scheme="depthwise", policy="default"):
    """Solve and return the populations."""
    result = lw_rl.solve(ctx, policy, scheme, quiet=True)
    assert result.converged
    return np.array(ctx.activeAtoms[0].n)


def failing(cell):
    """Fail at one of two cells."""
    if cell.name == "mixture-1":
        raise RuntimeError("stopped here")
    return {"config": cell.config, "outcome": {}}

"""Functions that worker processes import: tests themselves are not on their path."""

import numpy as np

import lw_rl


def populations(ctx, scheme="depthwise"):
    """Solve and return the populations."""
    result = lw_rl.solve(ctx, scheme=scheme, quiet=True)
    assert result.converged
    return np.array(ctx.activeAtoms[0].n)


def failing(experiment, directory):
    """Fail at one of two experiments."""
    if experiment.name == "mixture-1":
        raise RuntimeError("stopped here")
    return {"config": experiment.config, "outcome": {}}

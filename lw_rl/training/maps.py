"""Slices through a trained policy as plain data, which `lw_rl.training.plots` draws."""

from __future__ import annotations

import numpy as np
import torch
from stable_baselines3 import SAC

from ..files import Json

__all__ = ["ALPHAS", "action_values", "boltzmann_slice", "policy_maps", "sampled_actions"]

_GRID = 41
#: Temperatures over the trained one at which the Boltzmann policy is shown.
ALPHAS = (0.1, 0.3, 1.0, 3.0, 10.0)


def action_values(model: SAC, states: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return the smaller of the critics' values, shape [n].

    Parameters
    ----------
    states : ndarray [n, ...]
        Observations.
    actions : ndarray [n, d]
        Scaled to [-1, 1].
    """
    with torch.no_grad():
        values = model.critic(
            torch.as_tensor(states, dtype=torch.float32),
            torch.as_tensor(actions, dtype=torch.float32),
        )
    return torch.cat(values, dim=1).min(dim=1).values.numpy().astype(float)


def sampled_actions(model: SAC, state: np.ndarray, n: int) -> np.ndarray:
    """Return n actions of the policy in one state, scaled to [-1, 1], shape [n, d]."""
    batch = torch.as_tensor(np.repeat(state[None], n, 0), dtype=torch.float32)
    with torch.no_grad():
        actions, _ = model.actor.action_log_prob(batch)
    return actions.numpy().astype(float)


def boltzmann_slice(model: SAC, state: np.ndarray) -> Json:
    """Return Q over the first one or two components of the action, and draws of the policy there.

    The other components are those of the best action found.
    """
    d = int(np.prod(model.action_space.shape or ()))
    draws = sampled_actions(model, state, 256)
    best = draws[action_values(model, np.repeat(state[None], 256, 0), draws).argmax()]
    axis = np.linspace(-0.999, 0.999, _GRID)
    mesh = np.meshgrid(*[axis] * min(d, 2), indexing="ij")
    actions = np.repeat(best[None], mesh[0].size, 0)
    for k, component in enumerate(mesh):
        actions[:, k] = component.ravel()
    values = action_values(model, np.repeat(state[None], len(actions), 0), actions)
    log_alpha = model.log_ent_coef
    alpha = model.ent_coef_tensor if log_alpha is None else log_alpha.detach().exp()
    return {
        "axis": axis.tolist(),
        "Q": values.reshape(mesh[0].shape).tolist(),
        "draws": draws[:, : min(d, 2)].tolist(),
        "alpha": float(alpha),
    }


def policy_maps(model: SAC, dimensions: tuple[int, int] = (0, 1)) -> Json:
    """Return value and action over a two-dimensional slice of the state, and the Boltzmann policy.

    Parameters
    ----------
    model : SAC
        With a replay buffer that holds states: the slice spans the 2nd to 98th percentile of two
        components of the observation there, the others stay at their median.
    dimensions : (int, int), optional
        The two components of the flattened observation (default: the first two).

    Returns
    -------
    dict
        ``dimensions``, ``axes``; ``value`` and ``action``, the deterministic policy's action value
        and first component (``axes[0]`` first); ``boltzmann``, see :func:`boltzmann_slice`.
    """
    buffer = model.replay_buffer
    assert buffer is not None
    shape = model.observation_space.shape or ()
    seen = np.asarray(buffer.observations[: buffer.size(), 0], float).reshape(buffer.size(), -1)
    middle = np.median(seen, axis=0)
    first, second = (min(k, seen.shape[1] - 1) for k in dimensions)
    ends = np.quantile(seen[:, [first, second]], [0.02, 0.98], axis=0).T
    axes = [np.linspace(low, high, _GRID) for low, high in ends]
    grid = np.meshgrid(*axes, indexing="ij")
    states = np.repeat(middle[None], grid[0].size, 0)
    states[:, first], states[:, second] = grid[0].ravel(), grid[1].ravel()
    states = states.reshape(-1, *shape).astype(np.float32)
    chosen, _ = model.predict(states, deterministic=True)
    scaled = model.policy.scale_action(chosen)
    return {
        "dimensions": [first, second],
        "axes": [axis.tolist() for axis in axes],
        "value": action_values(model, states, scaled).reshape(_GRID, _GRID).tolist(),
        "action": np.asarray(scaled, float)[:, 0].reshape(_GRID, _GRID).tolist(),
        "boltzmann": boltzmann_slice(model, middle.reshape(shape).astype(np.float32)),
        "alphas": list(ALPHAS),
    }

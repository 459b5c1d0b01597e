"""The greedy feed-forward network that the paper sets Soft Actor-Critic against (its Fig. 6)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from ...slab.slab import Slab
from ...slab.source_shapes import SigmoidShape

__all__ = ["GreedyRun", "train_greedy"]

Array = NDArray[np.float64]


@dataclass
class GreedyRun:
    """The greedy ablation: loss and parameters of every step, and the source function at its end.

    ``loss`` [steps], ``parameters`` [steps, 4] (floor, amplitude, centre, width), ``S`` [Nspace].
    """

    loss: Array
    parameters: Array
    S: Array


def train_greedy(
    slab: Slab, seed: int, steps: int = 20_000, learning_rate: float = 1e-4
) -> GreedyRun:
    """Train the paper's feed-forward network on the residual itself (their Fig. 6).

    The network (Nspace-128-64-4, ReLU, tanh at the end) maps the last source function to the
    parameters of the next; Adam lowers ``mean((S - S_implied)**2)`` with ``S_implied`` taken as
    constant in the gradient.  That omission is why it does not settle: the gradient is the one of
    Lambda iteration, not that of the residual.

    Parameters
    ----------
    slab : Slab
        The problem.
    seed : int
        Of the network's weights.
    steps : int
        Number of updates.
    learning_rate : float
        Of Adam.

    Returns
    -------
    GreedyRun
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sigmoid = SigmoidShape(np.log10(slab.tau))
    widths = (slab.Nspace, 128, 64, sigmoid.Naction)
    layers: list[torch.nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers[:-1], torch.nn.Tanh())
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    midpoint = torch.tensor(sigmoid.midpoint, dtype=torch.float32)
    half_range = torch.tensor(sigmoid.half_range, dtype=torch.float32)
    log_tau = torch.tensor(np.log10(slab.tau), dtype=torch.float32)
    S = torch.tensor(sigmoid.start, dtype=torch.float32)
    loss_history, parameter_history = np.empty(steps), np.empty((steps, 4))
    for k in range(steps):
        p = midpoint + half_range * network(S)
        guess = torch.clamp(p[0] + p[1] * torch.sigmoid((log_tau - p[2]) / p[3]), 1e-10, 1.5)
        implied = slab.implied_source(guess.detach().numpy().astype(float))
        loss = torch.mean((guess - torch.tensor(implied, dtype=torch.float32)) ** 2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        S = guess.detach()
        loss_history[k], parameter_history[k] = loss.item(), p.detach().numpy()
    return GreedyRun(loss_history, parameter_history, S.numpy().astype(float))

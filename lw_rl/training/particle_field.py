"""The field of Stein variational gradient descent, its divergence and bounds of its Jacobian.

Liu & Wang (2016, eq. 8): ``phi(x) = mean_j [k(x_j, x) s(x_j) + grad_j k(x_j, x)]`` with the scores
s and the kernel k = exp(-|x - x_j|^2 / 2 sigma^2).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch

__all__ = ["Field", "field", "field_value", "lipschitz_bound", "median_bandwidth"]

Tensor = torch.Tensor


class Field(NamedTuple):
    """A field at n points [batch, n, d] and the Jacobian of it, or its trace."""

    value: Tensor  # [batch, n, d]
    divergence: Tensor  # [batch, n]
    jacobian: Tensor | None  # [batch, n, d, d], derivative by the last axis


def field(
    points: Tensor,
    particles: Tensor,
    scores: Tensor,
    sigma2: Tensor,
    own: bool = True,
    jacobian: bool = False,
) -> Field:
    """Return the field of the particles at any points, and its divergence or Jacobian.

    Parameters
    ----------
    points : Tensor [batch, n, d]
        Where.
    particles, scores : Tensor [batch, m, d]
        The particles and their scores.
    sigma2 : Tensor [batch]
        Variance of the kernel.
    own : bool, optional
        Whether the i-th particle's term counts at the i-th point; False is for points that are
        the particles themselves (default: True).
    jacobian : bool, optional
        Whether to return the whole Jacobian besides its trace (default: False).
    """
    # The field is the same in any frame; near its origin no digits are lost in the squares.
    centre = particles.mean(1, keepdim=True)
    x, p, s2 = points - centre, particles - centre, sigma2[:, None]
    d, m = x.shape[-1], p.shape[1]
    k, r2 = _kernel(x, p, sigma2)
    if not own:
        k = k.masked_fill(torch.eye(m, dtype=torch.bool), 0.0)
    total, ks, kp = k.sum(2), k @ scores, k @ p
    value = (ks + (total[..., None] * x - kp) / s2[..., None]) / m
    towards = (x * ks).sum(-1) - (k @ (scores * p).sum(-1, keepdim=True))[..., 0]
    divergence = (-towards / s2 + d * total / s2 - (k * r2).sum(2) / s2**2) / m
    if not jacobian:
        return Field(value, divergence, None)

    def outer(a: Tensor, b: Tensor) -> Tensor:
        return a[..., :, None] * b[..., None, :]

    def summed(a: Tensor, b: Tensor) -> Tensor:
        return (k @ outer(a, b).flatten(2)).unflatten(2, (d, d))

    attraction = outer(ks, x) - summed(scores, p)
    spread = outer(x, total[..., None] * x - kp) - outer(kp, x) + summed(p, p)
    scale = s2[..., None, None]
    identity = torch.eye(d) * total[..., None, None]
    return Field(value, divergence, ((identity - attraction) / scale - spread / scale**2) / m)


def lipschitz_bound(scores: Tensor, sigma2: Tensor) -> Tensor:
    """Return a bound of the spectral norm of the field's Jacobian everywhere, shape [batch].

    The attraction's norm is at most |s_j| / (sigma sqrt(e)) for each particle and the repulsion's
    at most 1 / sigma^2. A step whose product with this bound is below one moves no two points onto
    each other, wherever they are, so it is invertible (a contraction added to the identity).
    """
    attraction = scores.norm(dim=-1).mean(1) / (sigma2 * math.e).sqrt()
    return attraction + 1.0 / sigma2


def median_bandwidth(particles: Tensor) -> Tensor:
    """Return the median distance of particles over sqrt(2 log(m + 1)), shape [batch]."""
    m = particles.shape[1]
    rows, columns = torch.triu_indices(m, m, 1)
    distance = (particles[:, rows] - particles[:, columns]).norm(dim=-1)
    return (distance.median(1).values / math.sqrt(2.0 * math.log(m + 1.0))).clamp(min=1e-6)


def _kernel(x: Tensor, p: Tensor, sigma2: Tensor) -> tuple[Tensor, Tensor]:
    """Return kernel and squared distances, both [batch, n, m]."""
    r2 = (x * x).sum(-1)[..., None] + (p * p).sum(-1)[:, None] - 2.0 * x @ p.transpose(1, 2)
    r2 = r2.clamp(min=0.0)
    return torch.exp(-0.5 * r2 / sigma2[:, None, None]), r2


def field_value(points: Tensor, particles: Tensor, scores: Tensor, sigma2: Tensor) -> Tensor:
    """Return the field alone, at points [batch, n, d]; see :func:`field`."""
    k, _ = _kernel(points, particles, sigma2)
    push = (k.sum(2)[..., None] * points - k @ particles) / sigma2[:, None, None]
    return (k @ scores + push) / particles.shape[1]

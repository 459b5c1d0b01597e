"""What every sampler of an energy-based policy is, takes and returns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch

from ..errors import CriticError, SamplerError

__all__ = ["Sampler", "Samples", "Score", "check_common", "finite", "standard_normal"]

Tensor = torch.Tensor
Score = Callable[[Tensor], Tensor]
"""Gradient of the log density aimed at, from points [batch, n, d] to the same shape."""


class Samples(NamedTuple):
    """Points with their log density, and how the sampler fared."""

    start: Tensor  # [batch, n, d], where they began
    points: Tensor  # [batch, n, d]
    log_prob: Tensor  # [batch, n], of the points
    report: dict[str, float]  # plain numbers for a log

    @property
    def entropy(self) -> float:
        """Mean of -log_prob over batch and points [nat]."""
        return -float(self.log_prob.mean())

    def first(self, batch: int) -> Samples:
        """Return the samples of the first states."""
        return Samples(self.start[:batch], self.points[:batch], self.log_prob[:batch], self.report)


class Sampler(Protocol):
    """From a score to points that follow it."""

    @property
    def particles(self) -> int:
        """Points that are returned for each state."""

    def __call__(self, score: Score, batch: int, d: int) -> Samples:
        """Return `particles` points for each of `batch` states, in `d` dimensions."""


def standard_normal(x: Tensor) -> Tensor:
    """Return the log density of N(0, 1) at x [batch, n, d], as [batch, n]."""
    return -0.5 * (x * x).sum(-1) - 0.5 * x.shape[-1] * math.log(2.0 * math.pi)


def finite(scores: Tensor) -> Tensor:
    """Return scores [batch, n, d].

    Raises
    ------
    CriticError
        If they are not finite.
    """
    if not bool(torch.isfinite(scores).all()):
        bad = int((~torch.isfinite(scores)).any(dim=-1).any(dim=-1).sum())
        raise CriticError(
            f"the gradient of the action value must be finite, but is not for {bad} of "
            f"{len(scores)} states: the critic returned NaN or infinity, or its weights are"
        )
    return scores


def check_common(particles: int, steps: int, step_size: float) -> None:
    """Raise SamplerError if the settings that all samplers have are out of range."""
    if not particles >= 2:
        raise SamplerError(f"particles must be at least 2 for them to interact, got {particles!r}")
    if not steps >= 1:
        raise SamplerError(f"steps must be at least 1, got {steps!r}")
    if not 0.0 < step_size < math.inf:
        raise SamplerError(f"step_size must be positive and finite, got {step_size!r}")

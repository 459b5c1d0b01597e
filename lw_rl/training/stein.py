"""Samplers of an energy-based policy that know the density of what they sample.

A policy proportional to exp(Q / alpha) has no normalisation that could be computed, so its samples
are transported from a standard normal distribution and their density is carried along, from first
derivatives of the energy alone. Two samplers share one interface, `lw_rl.training.sampler.Sampler`:

=====================  =============================================  ==============================
sampler                moves by                                       density from
=====================  =============================================  ==============================
:class:`Stein`         a deterministic field of particles             the change of variables
:class:`Langevin`      the score and noise, no interaction            the mixture of the last step
=====================  =============================================  ==============================

Both begin at N(0, 1) in every coordinate: a parametrised Gaussian start is the same sampler in the
coordinates (u - mean) / std, see :meth:`lw_rl.training.s2ac_policy.SteinActor.sample`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import InvertibilityError, SamplerError
from .particle_field import Field, field, field_value, lipschitz_bound, median_bandwidth
from .sampler import Samples, Score, check_common, finite, standard_normal

__all__ = ["Langevin", "Stein"]

Tensor = torch.Tensor


@dataclass(frozen=True)
class Stein:
    """Stein variational gradient descent with the entropy of what it yields.

    The particles move by ``x += step_size * phi(x)`` along the field (Liu & Wang 2016, eq. 8)
    ``phi(x) = mean_j [k(x_j, x) s(x_j) + grad_j k(x_j, x)]``, k = exp(-|x - x_j|^2 / 2 sigma^2),
    and the log density changes by ``-log det(1 + step_size * grad phi)``, which to first order is
    the trace (Messaoud et al. 2024, arXiv:2405.00987, theorem 3.3). Both need the scores s of
    the particles and inner products, never a second derivative of the energy.

    Parameters
    ----------
    particles : int, optional
        Particles that make the field, and points returned (default: 16).
    steps : int, optional
        Steps (default: 5).
    step_size : float, optional
        Step, in units of the start's variance (default: 0.3).
    bandwidth : float or "median", optional
        Kernel width sigma in units of the start's standard deviation, or the median distance
        of the particles over sqrt(2 log(particles + 1)), state by state (default: "median").
    density : {"tracers", "particles"}, optional
        What is returned. ``"particles"`` are the particles, their density by the published formula,
        which leaves out each particle's action on itself: an error that grows as steps / particles.
        ``"tracers"`` are as many further points that the same field carries without feeling them;
        their density, given the field, is that of the change of variables without any
        approximation but the step's (default: "tracers").
    determinant : bool, optional
        Take the determinant instead of its first order, the trace (default: False).
    limit : float, optional
        Largest ``step_size`` times Lipschitz bound of the field; below one each step is invertible
        (default: 0.5).
    control : {"shorten", "raise", "report"}, optional
        What happens above the limit: the step of that state is shortened to it,
        :class:`~lw_rl.errors.InvertibilityError`, or nothing but the report's ``contraction``, to
        see where the density breaks (default: "shorten").

    Raises
    ------
    SamplerError
        If a setting is out of range.
    InvertibilityError
        If a fixed bandwidth makes even a flat energy's step not invertible, unless the control is
        "report".
    """

    particles: int = 16
    steps: int = 5
    step_size: float = 0.3
    bandwidth: float | Literal["median"] = "median"
    density: Literal["tracers", "particles"] = "tracers"
    determinant: bool = False
    limit: float = 0.5
    control: Literal["shorten", "raise", "report"] = "shorten"

    def __post_init__(self) -> None:
        """Check the settings."""
        check_common(self.particles, self.steps, self.step_size)
        _check_choice("density", self.density, ("tracers", "particles"))
        _check_choice("control", self.control, ("shorten", "raise", "report"))
        if not 0.0 < self.limit < 1.0:
            raise SamplerError(f"limit must lie between 0 and 1, got {self.limit!r}")
        if self.bandwidth == "median":
            return
        if isinstance(self.bandwidth, str) or not 0.0 < self.bandwidth < math.inf:
            raise SamplerError(f"bandwidth must be positive or 'median', got {self.bandwidth!r}")
        if self.control != "report" and not self.step_size < self.bandwidth**2:
            raise InvertibilityError(
                f"step_size {self.step_size:g} is too large for the bandwidth {self.bandwidth:g}: "
                "the repulsion of the particles alone needs step_size < bandwidth^2 = "
                f"{self.bandwidth**2:g} to be invertible; take smaller steps or a wider kernel"
            )

    def __call__(self, score: Score, batch: int, d: int) -> Samples:
        """Return points and their log density.

        Parameters
        ----------
        score : callable
            Gradient of the log density aimed at.
        batch, d : int
            States, and dimensions of each.

        Returns
        -------
        Samples
            Its report has ``contraction`` (the largest step_size times Lipschitz bound, after
            shortening), ``shortened`` (fraction of steps made shorter), ``bandwidth`` (mean),
            ``step_over_bandwidth`` (largest step_size / sigma, which the paper asks to be small).

        Raises
        ------
        InvertibilityError
            If a step exceeds the limit and `control` is "raise".
        CriticError
            If the score is not finite.
        """
        field_points = torch.randn(batch, self.particles, d)
        passive = self.density == "tracers"
        points = torch.randn(batch, self.particles, d) if passive else field_points
        start, log_prob = points, standard_normal(points)
        reach = shortened = ratio = width = 0.0
        for _ in range(self.steps):
            scores = finite(score(field_points))
            sigma2 = self._sigma2(field_points)
            step, lipschitz = self._step(scores, sigma2)
            # The particle's own term is the published formula's only exclusion.
            at = field(points, field_points, scores, sigma2, own=passive, jacobian=self.determinant)
            log_prob = log_prob - self._log_det(at, step)
            points = points + step[:, None, None] * (
                at.value if passive else field_value(field_points, field_points, scores, sigma2)
            )
            if passive:
                move = field_value(field_points, field_points, scores, sigma2)
                field_points = field_points + step[:, None, None] * move
            else:
                field_points = points
            reach = max(reach, float((step * lipschitz).max()))
            shortened += float((step < self.step_size).float().mean()) / self.steps
            sigma = sigma2.sqrt()
            ratio = max(ratio, float((step / sigma).max()))
            width += float(sigma.mean()) / self.steps
        report = {
            "contraction": reach,
            "shortened": shortened,
            "bandwidth": width,
            "step_over_bandwidth": ratio,
        }
        return Samples(start, points, log_prob, report)

    def _sigma2(self, particles: Tensor) -> Tensor:
        """Return the kernel's variance, shape [batch]."""
        if self.bandwidth != "median":
            return particles.new_full((len(particles),), float(self.bandwidth) ** 2)
        return median_bandwidth(particles) ** 2

    def _step(self, scores: Tensor, sigma2: Tensor) -> tuple[Tensor, Tensor]:
        """Return each state's step and the Lipschitz bound of its field, both [batch]."""
        lipschitz = lipschitz_bound(scores, sigma2)
        if self.control == "report":
            return torch.full_like(lipschitz, self.step_size), lipschitz
        longest = self.limit / lipschitz
        if self.control == "raise" and bool((longest < self.step_size).any()):
            worst = int((self.step_size * lipschitz).argmax())
            raise InvertibilityError(
                f"step_size {self.step_size:g} is too large for the bandwidth "
                f"{float(sigma2[worst]) ** 0.5:.3g}: step_size (mean|score| / (bandwidth sqrt(e)) "
                f"+ 1 / bandwidth^2) = {float(self.step_size * lipschitz[worst]):.3g} must stay "
                f"below limit = {self.limit:g}; take smaller steps, a wider kernel, or "
                "control='shorten'"
            )
        return torch.clamp(longest, max=self.step_size), lipschitz

    def _log_det(self, at: Field, step: Tensor) -> Tensor:
        if at.jacobian is None:
            return step[:, None] * at.divergence
        d = at.jacobian.shape[-1]
        matrix = torch.eye(d) + step[:, None, None, None] * at.jacobian
        return torch.linalg.slogdet(matrix).logabsdet


@dataclass(frozen=True)
class Langevin:
    """Unadjusted Langevin dynamics, the limit in which noise drives the particles.

    ``x += h s / (1 + h |s|) + sqrt(2 h) xi``; the drift is tamed (Brosse et al. 2019), since the
    score of a policy near zero temperature has no bound. Its particles do not interact, so the
    last step is a mixture of normal distributions around what the particles were before it. That
    mixture, each particle's own origin included, is the returned density: its entropy is a lower
    bound of the true one that rises to it with the number of particles (Yin & Zhou 2018, semi-
    implicit inference). Without the own origin it would be an upper bound, which the report has.

    Parameters
    ----------
    particles, steps, step_size
        As for :class:`Stein`; the step is h.

    Raises
    ------
    SamplerError
        If a setting is out of range.
    """

    particles: int = 32
    steps: int = 10
    step_size: float = 0.1

    def __post_init__(self) -> None:
        """Check the settings."""
        check_common(self.particles, self.steps, self.step_size)

    def __call__(self, score: Score, batch: int, d: int) -> Samples:
        """Return points and their log density; see :meth:`Stein.__call__`.

        The report has ``entropy_gap``: upper minus lower bound of the entropy [nat].
        """
        h = self.step_size
        start = points = torch.randn(batch, self.particles, d)
        for _ in range(self.steps):
            scores = finite(score(points))
            size = scores.norm(dim=-1, keepdim=True)
            before = points + h * scores / (1.0 + h * size)
            points = before + math.sqrt(2.0 * h) * torch.randn_like(points)
        # [batch, i, j]: where point i is, seen from what point j was.
        distance2 = torch.cdist(points, before) ** 2
        kernel = -distance2 / (4.0 * h) - 0.5 * d * math.log(4.0 * math.pi * h)
        log_prob = torch.logsumexp(kernel, 2) - math.log(self.particles)
        own = torch.eye(self.particles, dtype=torch.bool)
        others = torch.logsumexp(kernel.masked_fill(own, -math.inf), 2)
        others = others - math.log(self.particles - 1)
        gap = float((log_prob - others).mean())
        return Samples(start, points, log_prob, {"entropy_gap": gap})


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise SamplerError(f"{name} must be one of {', '.join(known)}, got {value!r}")

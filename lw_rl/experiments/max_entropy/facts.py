"""The samplers' entropy against exact values, and where it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from ...errors import CriticError
from ...files import Json
from ...training.sampler import Sampler, Samples
from ...training.stein import Langevin, Stein

__all__ = [
    "PARTICLES", "STEPS", "SWEEPS", "TARGETS", "WIDTHS", "Distribution", "accuracy",
    "double_well", "gaussian", "mixture", "sampler",
]  # fmt: skip

Tensor = torch.Tensor

#: Common settings by dimension. In ten the median's factor 1 / sqrt(2 log(m + 1)) would leave the
#: particles blind to each other; a kernel so wide spreads them at the rate 1 / sigma^2, which takes
#: longer steps.
WIDTHS = {1: 1.0, 2: 1.0, 10: 5.0}
STEPS = {1: 0.15, 2: 0.15, 10: 1.0}
PARTICLES = 128
_STD, _APART, _NARROW = 0.8, 1.2, 0.4


@dataclass(frozen=True)
class Distribution:
    """A distribution with a score and a known entropy."""

    score: Callable[[Tensor], Tensor]
    entropy: float  # [nat]


def gaussian(d: int) -> Distribution:
    """Return a normal distribution of mean 0.3 and standard deviation 0.8 in d dimensions."""
    return Distribution(lambda z: (0.3 - z) / _STD**2, d * _normal_entropy(_STD))


def mixture(d: int) -> Distribution:
    """Return two normal distributions apart along the first axis; exact by a quadrature there."""

    def score(z: Tensor) -> Tensor:
        first = z[..., :1]
        weight = torch.tanh(_APART * first / _NARROW**2)
        along = (_APART * weight - first) / _NARROW**2
        return torch.cat((along, -z[..., 1:] / _STD**2), dim=-1)

    x = np.linspace(-6.0, 6.0, 200_001)
    parts = [np.exp(-0.5 * ((x - s * _APART) / _NARROW) ** 2) for s in (1.0, -1.0)]
    p = sum(parts) / (2.0 * _NARROW * math.sqrt(2.0 * math.pi))
    along = -np.trapezoid(p * np.log(np.maximum(p, 1e-300)), x)
    return Distribution(score, float(along) + (d - 1) * _normal_entropy(_STD))


def _normal_entropy(std: float) -> float:
    return 0.5 * math.log(2.0 * math.pi * math.e * std**2)


TARGETS = {"gaussian": gaussian, "mixture": mixture}

#: What is varied, one at a time; the step changes at equal total time.
SWEEPS: dict[str, tuple[float, ...]] = {
    "step_size": (0.03, 0.1, 0.3, 1.0, 3.0),
    "steps": (5, 20, 80, 320),
    "bandwidth": (0.25, 0.5, 1.0, 2.0),
    "particles": (4, 8, 16, 32, 64, 128, 256),
}
_NUMBER = 100


def sampler(kind: str, d: int, **setting: float) -> Sampler:
    """Return a sampler with one setting changed from the common ones.

    ``kind`` is "tracers", "particles" or "langevin"; a bandwidth is in units of :data:`WIDTHS`.
    """
    common = 0.05 if kind == "langevin" else STEPS[d]
    step = float(setting.get("step_size", common))
    # A step of another size makes as much time of another number of steps.
    steps = int(setting.get("steps", max(round(_NUMBER * common / step), 1)))
    particles = int(setting.get("particles", PARTICLES))
    if kind == "langevin":
        return Langevin(particles, steps, step)
    return Stein(
        particles, steps, step, float(setting.get("bandwidth", 1.0)) * WIDTHS[d],
        density=kind, determinant=True, control="report",  # type: ignore[arg-type]
    )  # fmt: skip


def accuracy(name: str, d: int, quick: bool = False) -> Json:
    """Return estimated minus exact entropy for every sampler and sweep.

    Returns
    -------
    dict
        ``exact`` [nat]; ``sweeps[setting][kind]``: ``values``, ``error`` [nat], ``spread`` (the
        standard deviation over eight repetitions), ``contraction`` (above one the step may not be
        invertible; None for Langevin), all None where the particles diverged; ``trace``: the error
        at the common settings with the trace in place of the determinant.
    """
    target = TARGETS[name](d)
    torch.manual_seed(0)
    batch = 2 if quick else 8
    found: Json = {}
    for setting, values in SWEEPS.items():
        taken = values[1:3] if quick else values
        found[setting] = {
            kind: _sweep(kind, d, setting, taken, target, batch)
            for kind in ("tracers", "particles", "langevin")
            if not (kind == "langevin" and setting == "bandwidth")
        }
    traced = Stein(PARTICLES, 10 if quick else _NUMBER, STEPS[d], WIDTHS[d], control="report")
    errors = _errors(traced(target.score, batch, d), target)
    return {"exact": target.entropy, "sweeps": found, "trace": errors.mean().item()}


def _sweep(
    kind: str,
    d: int,
    setting: str,
    values: tuple[float, ...],
    target: Distribution,
    batch: int,
) -> Json:
    error: list[float | None] = []
    spread: list[float | None] = []
    contraction: list[float | None] = []
    for value in values:
        try:
            drawn = sampler(kind, d, **{setting: value})(target.score, batch, d)
        except CriticError:
            # Steps so long that the particles diverge.
            for column in (error, spread, contraction):
                column.append(None)
            continue
        errors = _errors(drawn, target)
        error.append(errors.mean().item())
        spread.append(errors.std().item())
        contraction.append(drawn.report.get("contraction"))
    return {"values": values, "error": error, "spread": spread, "contraction": contraction}


def _errors(drawn: Samples, target: Distribution) -> Tensor:
    return -drawn.log_prob.mean(1) - target.entropy


def double_well(quick: bool = False) -> Json:
    """Return what both samplers make of a double well, from a start in its left half.

    V = 4 (x^2 - 1)^2 at three temperatures: the fraction to the right (exact: 0.5), the total
    variation distance of a histogram from the Boltzmann distribution, and the free energy: the
    sampled E[V] - T H against the exact -T log Z.
    """
    x = np.linspace(-2.5, 2.5, 51)
    middle, width = 0.5 * (x[1:] + x[:-1]), x[1] - x[0]
    fine = np.linspace(-3.0, 3.0, 20_001)
    torch.manual_seed(0)
    found: Json = {"x": middle, "temperatures": {}}
    for T in (0.1, 0.5, 2.0):
        norm = float(np.trapezoid(np.exp(-4.0 * (fine**2 - 1.0) ** 2 / T), fine))
        exact = np.exp(-4.0 * (middle**2 - 1.0) ** 2 / T) / norm
        steps = 50 if quick else 1000
        samplers: dict[str, Sampler] = {
            "svgd": Stein(64, steps, 0.3, 0.7),
            "langevin": Langevin(64, steps, 0.02),
        }
        entry: Json = {"exact": exact, "free_energy": -T * math.log(norm)}
        for kind, chosen in samplers.items():
            # The start is N(-1, 0.5): the sampler's coordinate is (x + 1) / 0.5.
            drawn = chosen(partial(_well_score, T), 2 if quick else 16, 1)
            position = (0.5 * drawn.points - 1.0).flatten().numpy().astype(float)
            density = np.histogram(position, x)[0] / (position.size * width)
            energy = float(np.mean(4.0 * (position**2 - 1.0) ** 2))
            entry[kind] = {
                "density": density,
                "right": float(np.mean(position > 0.0)),
                "distance": 0.5 * float(np.abs(density - exact).sum() * width),
                "free_energy": energy - T * (drawn.entropy + math.log(0.5)),
            }
        found["temperatures"][f"{T:g}"] = entry
    return found


def _well_score(T: float, z: Tensor) -> Tensor:
    x = 0.5 * z - 1.0
    return 0.5 * -16.0 * x * (x * x - 1.0) / T

"""The samplers: their densities against exact ones, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lw_rl.errors import CriticError, InvertibilityError, SamplerError
from lw_rl.experiments.max_entropy.facts import TARGETS, double_well, sampler
from lw_rl.training.particle_field import field, lipschitz_bound
from lw_rl.training.stein import Langevin, Stein


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_density_of_tracers_is_that_of_the_composed_map():
    # Move a grid of points, densely, through the steps: the mass between neighbours stays.
    chosen = Stein(8, 12, 0.2, 0.8, determinant=True, limit=0.9)
    score = TARGETS["mixture"](1).score
    torch.manual_seed(3)
    drawn = chosen(score, 1, 1)
    torch.manual_seed(3)
    p = torch.randn(1, 8, 1)
    x = torch.cat((drawn.start - 1e-3, drawn.start + 1e-3), 1).double()
    for _ in range(12):
        sigma2 = torch.tensor([0.64])
        s = score(p)
        step = torch.clamp(0.9 / lipschitz_bound(s, sigma2), max=0.2)
        move = field(p, p, s, sigma2).value
        x = x + step * field(x, p.double(), s.double(), sigma2.double()).value
        p = p + step * move
    slope = (x[:, 8:] - x[:, :8]) / 2e-3
    start = -0.5 * drawn.start**2 - 0.5 * math.log(2 * math.pi)
    assert torch.allclose(start - slope.log(), drawn.log_prob[..., None].double(), atol=2e-3)


@pytest.mark.parametrize("name", ["gaussian", "mixture"])
@pytest.mark.parametrize("d", [1, 2, 10])
def test_entropy_agrees_with_the_exact_one(name, d):
    target = TARGETS[name](d)
    drawn = sampler("tracers", d)(target.score, 8, d)
    assert drawn.report["contraction"] < 1.0
    assert abs(drawn.entropy - target.entropy) < 0.1 * max(d, 2)


def test_the_published_formula_drifts_with_the_steps_and_tracers_do_not():
    target = TARGETS["gaussian"](1)

    def error(density, steps):
        drawn = Stein(16, steps, 0.3, 1.0, density, control="report")(target.score, 8, 1)
        return abs(drawn.entropy - target.entropy)

    assert error("particles", 300) > 5 * error("particles", 20)
    assert error("particles", 300) > 5 * error("tracers", 300)


def test_entropy_of_langevin_lies_between_its_bounds():
    target = TARGETS["gaussian"](1)
    drawn = Langevin(128, 60, 0.05)(target.score, 8, 1)
    assert drawn.report["entropy_gap"] > 0
    # Of the discretised dynamics, whose variance is larger by h / (2 var).
    assert abs(drawn.entropy - target.entropy) < 0.1
    few = Langevin(4, 60, 0.05)(target.score, 64, 1)
    assert few.report["entropy_gap"] > 3 * drawn.report["entropy_gap"]


def test_no_second_derivative_is_taken():
    calls = []

    def score(z):
        z = z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(-(z**2).sum(), z)
        calls.append(gradient.requires_grad)
        return gradient

    Stein(4, 3, 0.1, 1.0, determinant=True)(score, 2, 2)
    assert calls == [False] * 3, "one first derivative a step, with no graph behind it"


def test_steps_beyond_the_bound_are_shortened_and_reported():
    drawn = Stein(8, 4, 0.3, 1.0)(lambda z: -100.0 * z, 3, 2)
    assert drawn.report["contraction"] == pytest.approx(0.5)
    assert drawn.report["shortened"] == 1.0
    assert drawn.report["step_over_bandwidth"] < 0.3
    assert torch.isfinite(drawn.log_prob).all()
    left = Stein(8, 4, 0.3, 1.0, control="report")(lambda z: -100.0 * z, 3, 2)
    assert left.report["contraction"] > 1.0 and left.report["shortened"] == 0.0


def test_steps_beyond_the_bound_are_refused_on_request():
    strict = Stein(8, 4, 0.3, 1.0, control="raise")
    with pytest.raises(InvertibilityError, match=r"step_size 0\.3 .* bandwidth 1.* limit = 0\.5"):
        strict(lambda z: -100.0 * z, 3, 2)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"particles": 1}, "particles must be at least 2.*got 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"step_size": 0.0}, "step_size must be positive"),
        ({"bandwidth": -1.0}, "bandwidth must be positive or 'median', got -1"),
        ({"bandwidth": "mean"}, "got 'mean'"),
        ({"limit": 1.0}, "limit must lie between 0 and 1"),
        ({"density": "exact"}, "density must be one of tracers, particles"),
        ({"control": "ignore"}, "control must be one of"),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(SamplerError, match=message):
        Stein(**setting)


def test_step_too_large_for_a_fixed_bandwidth():
    with pytest.raises(InvertibilityError, match=r"bandwidth\^2 = 0\.25"):
        Stein(step_size=0.3, bandwidth=0.5)


@pytest.mark.parametrize("chosen", [Stein(4, 2, 0.1), Langevin(4, 2)])
def test_scores_that_are_not_finite(chosen):
    def score(z):
        z = -z.clone()
        z[1, 0, 0] = math.nan
        return z

    with pytest.raises(CriticError, match="not for 1 of 3 states"):
        chosen(score, 3, 2)


def test_mixture_entropy_is_the_exact_one():
    # Far apart it would be log 2 above one mode's; here they overlap little.
    one = 0.5 * math.log(2 * math.pi * math.e * 0.4**2)
    assert one < TARGETS["mixture"](1).entropy < one + math.log(2)
    x = np.linspace(-4, 4, 9)
    z = torch.tensor(x)[:, None].requires_grad_()
    log_p = torch.logsumexp(torch.stack([-0.5 * ((z - s * 1.2) / 0.4) ** 2 for s in (1, -1)]), 0)
    (gradient,) = torch.autograd.grad(log_p.sum(), z)
    assert torch.allclose(TARGETS["mixture"](1).score(z.detach()), gradient, atol=1e-6)


def test_double_well_has_the_exact_free_energy():
    found = double_well(quick=True)["temperatures"]
    assert set(found) == {"0.1", "0.5", "2"}
    for entry in found.values():
        # E[V] - T H is least, and equal to it, for Boltzmann; lower entropies only raise it.
        assert entry["svgd"]["free_energy"] > entry["free_energy"] - 0.3

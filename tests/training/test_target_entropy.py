"""An actor that can always meet a target entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import lw_rl  # noqa: F401 (registers the environments)
from lw_rl.errors import TemperatureError
from lw_rl.training.entropy_meter import squashed_entropies
from lw_rl.training.target_entropy import (
    TargetEntropyActor,
    TargetEntropyPolicy,
    mean_limit,
    shift_for,
)


def entropy(mean, width):
    at = torch.full((1, 1), mean), TargetEntropyActor.log_std_of(torch.full((1, 1), width))
    return float(squashed_entropies(*at))


@pytest.mark.parametrize("level", [0.6, 0.0, -0.5, -1.0, -2.0, -5.0])
def test_at_the_limit_of_the_mean_the_level_can_be_had(level):
    limit = mean_limit(level)
    assert entropy(limit, 10.0) > level
    if limit < 5.0:
        # No tighter than needed: the policy keeps what actions it can.
        assert entropy(limit + 0.3, 10.0) < level


def test_limits_fall_with_the_level():
    limits = [mean_limit(level) for level in (0.67, 0.5, 0.0, -1.0, -2.0, -4.0, -9.0)]
    assert limits == sorted(limits) and limits[-1] == 5.0


def test_level_that_no_width_reaches():
    with pytest.raises(TemperatureError, match=r"flattest squashed Gaussian, 0\.68\d nat"):
        mean_limit(0.69)


@pytest.mark.parametrize("mean", [0.0, 0.7, 1.5, 3.0, 5.0])
def test_wider_is_always_more_entropy(mean):
    found = [entropy(mean, width) for width in np.linspace(-12.0, 12.0, 49)]
    assert np.all(np.diff(found) > -1e-5) and found[-1] - found[0] > 5.0


def test_means_stay_within_and_no_gradient_is_cut_off():
    model_kwargs = {"net_arch": [8]}
    from lw_rl.training.temperature import TargetEntropy
    from lw_rl.training.tempered_sac import TemperedSAC

    model = TemperedSAC(
        "MlpPolicy", "lw_rl/MultiGoal-v0", ent_coef=TargetEntropy(-2.0), policy_kwargs=model_kwargs,
        buffer_size=10, device="cpu", seed=0,
    )  # fmt: skip
    assert isinstance(model.policy, TargetEntropyPolicy)
    actor, states = model.actor, torch.randn(64, 2)
    with torch.no_grad():
        actor.mu.weight *= 30.0
        actor.log_std.bias += 6.0
    mean, log_std, _ = actor.get_action_dist_params(states)
    assert float(mean.detach().abs().max()) <= (1.0 + 1e-6) * mean_limit(-1.0)  # in float32
    assert float(log_std.detach().max()) <= -0.127
    log_std.sum().backward()
    assert float(actor.log_std.bias.grad.abs().min()) > 0.0


@pytest.mark.parametrize("start", [-20.0, -1.0, 3.0])
def test_shift_meets_the_level(start):
    def line(shift):
        return start + 2.0 * shift

    shift, before = shift_for(line, -1.0)
    assert line(shift) == pytest.approx(-1.0, abs=0.01) and before == start


def test_shift_that_would_have_no_end_has_one():
    shift, _ = shift_for(lambda shift: -2.0 + math.tanh(shift), 0.0)
    assert 30.0 <= shift < 100.0

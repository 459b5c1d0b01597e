"""What the samplers share."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from lw_rl.errors import CriticError, SamplerError
from lw_rl.training.sampler import Samples, check_common, finite, standard_normal


def test_the_density_where_every_sampler_begins():
    x = torch.randn(3, 4, 2)
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(-1)
    assert torch.allclose(standard_normal(x), expected)
    drawn = Samples(x, x, expected, {"a": 1.0})
    assert drawn.entropy == pytest.approx(-float(expected.mean()))
    first = drawn.first(2)
    assert first.points.shape == (2, 4, 2) and first.log_prob.shape == (2, 4)
    assert first.report == {"a": 1.0}


def test_scores_are_finite_or_named():
    scores = torch.zeros(3, 4, 2)
    assert finite(scores) is scores
    scores[1, 2, 0] = math.inf
    with pytest.raises(CriticError, match="not for 1 of 3 states"):
        finite(scores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((1, 5, 0.1), "particles must be at least 2"),
        ((2, 0, 0.1), "steps must be at least 1"),
        ((2, 5, math.inf), "step_size must be positive and finite"),
    ],
)
def test_settings_out_of_range(settings, message):
    check_common(2, 1, 0.1)
    with pytest.raises(SamplerError, match=message):
        check_common(*settings)

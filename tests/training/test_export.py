"""From a trained model to a policy that is solved with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_training import small_learner

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.errors import NoReferenceError
from lw_rl.policies import actor as actors
from lw_rl.policies.observation import NCHANNELS
from lw_rl.training import export as exporting
from lw_rl.training.export import export, in_numpy


@pytest.fixture(scope="module")
def model():
    return small_learner(gain=0.6)


def observation():
    x = np.random.default_rng(0).standard_normal((NCHANNELS, 64)).astype(np.float32)
    x[1] = -0.5
    return x


def test_what_is_exported_acts_as_what_was_trained(model, tmp_path):
    card = export(tmp_path / "policy", model, {"by": "test"})
    loaded = actors.load(card)
    assert loaded.gain == 0.6 and loaded.card["by"] == "test"
    expected, _ = model.predict(observation()[None], deterministic=True)
    for policy in (loaded, in_numpy(model)):
        np.testing.assert_allclose(policy.predict(observation())[0], expected[0], atol=1e-5)


def test_limits_are_left_out_where_there_are_none(model, tmp_path, monkeypatch):
    asked = []

    def entries(policy, problems):
        asked.append(problems)
        raise NoReferenceError("of no use")

    monkeypatch.setattr(exporting, "card_entries", entries)
    fields = json.loads(export(tmp_path / "policy", model, {}, calibration=3).read_text())
    assert asked == [3] and not {"observation_range", "error_estimate"} & fields.keys()

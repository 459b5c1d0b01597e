"""The safety factors are quantiles of true error over estimate, and say from what."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.benchmark import settings_calibration
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.benchmark.settings_calibration import FACTORS, calibrate_settings, ratios, write
from lw_rl.certificate.settings import load, shipped
from lw_rl.errors import NoReferenceError
from lw_rl.problems import shipped_problem


@pytest.fixture(scope="module")
def found():
    return ratios(shipped_problem("CaII_K", "FALC", 41))


def test_each_estimate_is_compared_with_the_error(found):
    assert set(found) == set(FACTORS) and all(found.values())
    assert all(np.all(np.isfinite(seen)) and min(seen) > 0.0 for seen in found.values())
    # MALI left to itself is extrapolated well: it is the error, not less.
    assert found["plain"] == pytest.approx([1.0] * len(found["plain"]), abs=0.1)


def test_what_has_no_line_source_tells_nothing():
    problem = next(p for p in (HostileProblem(1, k) for k in range(999)) if p.prd)
    assert not any(ratios(problem).values())


def test_the_file_is_read_and_says_what_set_each(found, monkeypatch, tmp_path):
    monkeypatch.setattr(settings_calibration, "ratios", lambda problem: found)
    watched = []
    content = calibrate_settings(2, lambda: watched.append(1), "a command")
    assert len(watched) == 2 and content["origin"]["command"] == "a command"
    write(tmp_path / "settings.json", content)
    settings = load(tmp_path / "settings.json")
    for name in FACTORS:
        entry = content["values"][name]
        assert entry["value"] == getattr(settings, name) >= 1.0
        assert entry["stops"] == 2 * len(found[name])
        assert entry["value"] == max(1.0, entry["quantiles"]["0.999"])
    assert settings.rough == shipped().rough and content["values"]["rough"]["set by"]


def test_without_a_stop_there_is_no_factor(monkeypatch):
    monkeypatch.setattr(settings_calibration, "ratios", lambda problem: {n: [] for n in FACTORS})
    with pytest.raises(NoReferenceError, match="step, combination, plain, defect"):
        calibrate_settings(1)

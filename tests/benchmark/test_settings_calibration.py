"""The safety factors are quantiles of true error over estimate, and say from what."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.benchmark import settings_calibration
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.benchmark.settings_calibration import (
    DISTANCES,
    FACTORS,
    MEASURED,
    QUANTILE,
    calibrate_settings,
    measure,
    write,
)
from lw_rl.certificate.settings import load, shipped
from lw_rl.errors import NoReferenceError
from lw_rl.problems import shipped_problem


@pytest.fixture(scope="module")
def found():
    return measure(shipped_problem("CaII_K", "FALC", 41))


def test_each_estimate_is_compared_with_the_error(found):
    assert set(found) == {*MEASURED, "trials"}
    for name in FACTORS:
        seen = found[name]
        assert np.all(np.isfinite(seen)) and min(seen, default=1.0) > 0.0
        assert seen or name == "rough", "no limiter switches here"
    # MALI left to itself is extrapolated well: it is the error, not less.
    assert found["plain"] == pytest.approx([1.0] * len(found["plain"]), abs=0.1)


def test_an_operator_is_stale_where_it_takes_the_error_for_another(found):
    near = [ratio for distance, ratio in found["moved"] if distance < 0.1]
    far = [ratio for distance, ratio in found["moved"] if distance > 1.0]
    assert near and far and min(near + far) >= 1.0
    assert np.quantile(near, 0.9) < 1.1 < np.quantile(far, 0.9)


def test_a_solve_that_works_spends_nothing(found):
    assert found["allowance"] == [0.0]


def test_what_has_no_line_source_tells_nothing():
    problem = next(p for p in (HostileProblem(1, k) for k in range(999)) if p.prd)
    assert not any(measure(problem).values())


def test_the_file_is_read_and_says_what_set_each(found, monkeypatch, tmp_path):
    seen = found | {"rough": [0.5, 2.0], "allowance": [0.0, 3.5]}
    monkeypatch.setattr(settings_calibration, "measure", lambda problem: seen)
    watched = []
    content = calibrate_settings(2, lambda: watched.append(1), "a command")
    assert len(watched) == 2 and content["origin"]["command"] == "a command"
    write(tmp_path / "settings.json", content)
    settings = load(tmp_path / "settings.json")
    for name in FACTORS:
        entry = content["values"][name]
        assert entry["value"] == getattr(settings, name) >= 1.0
        assert entry["stops"] == 2 * len(seen[name])
        assert entry["value"] == max(1.1, entry["quantiles"][str(QUANTILE)])
    assert (
        settings.rough == pytest.approx(2.0, rel=0.01) and settings.allowance == shipped().allowance
    )
    assert settings.moved in DISTANCES and content["values"]["moved"]["defects"]
    assert settings.populations == shipped().populations
    assert all(entry["set by"] for entry in content["values"].values())


def test_without_a_stop_there_is_no_factor(monkeypatch):
    monkeypatch.setattr(
        settings_calibration, "measure", lambda problem: {n: [] for n in (*MEASURED, "trials")}
    )
    with pytest.raises(NoReferenceError, match="step, combination, plain, defect"):
        calibrate_settings(1)

"""How fast training environments are: what is counted, not how fast."""

import json

import pytest
from click.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.cli import main
from lw_rl.training import rate as rates


@pytest.mark.slow
def test_the_host_and_the_environments_make_as_many_formal_solutions(monkeypatch):
    # A clock that says one second each time.
    ticks = iter(range(100))
    monkeypatch.setattr(rates, "perf_counter", lambda: float(next(ticks)))
    rate = rates.measure_rate(1, problems=1, rounds=2)
    assert rate.bare == 2 * 11
    # A reset is one more than the steps of an episode; an episode may end before its horizon.
    assert 2 * 10 < rate.environments <= 2 * 10 * 2
    assert rate.ratio == rate.environments / rate.bare


def test_the_command_tells_the_rate(monkeypatch):
    asked = []

    def measured(workers):
        asked.append(workers)
        return rates.Rate(workers, 800.0, 680.0)

    monkeypatch.setattr("lw_rl.training.rate.measure_rate", measured)
    monkeypatch.setattr("lw_rl.training.train.train", None)
    said = CliRunner().invoke(main, ["train", "--rate", "--envs", "2"]).output
    assert "0.85 of its rate" in said and said.startswith("2 processes make 680")
    said = CliRunner().invoke(main, ["train", "--rate", "--envs", "3", "--json"]).output
    assert json.loads(said) == {
        "workers": 3, "bare": 800.0, "environments": 680.0, "ratio": 0.85,
    }  # fmt: skip
    assert asked == [2, 3]

"""What columns say of a policy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("xarray")
pytest.importorskip("distributed")

from visited_columns import nine_columns

from lw_rl.benchmark.calibration import Stops
from lw_rl.certificate.settings import shipped
from lw_rl.cube.column import Workshop
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.synthetic import synthetic_cube
from lw_rl.cube.window import Window
from lw_rl.policies import make_policy
from lw_rl.policies.actor import Actor
from lw_rl.policies.observation import CHANNELS, NCHANNELS, make_frame
from lw_rl.training import column_calibration
from lw_rl.training.column_calibration import (
    calibrated,
    column_costs,
    operator_estimate,
    policy_factor,
)


@pytest.mark.parametrize(("found", "raised"), [(0.5, False), (40.0, True), (None, False)])
def test_the_estimate_of_a_version_covers_the_error_on_columns(found, raised, monkeypatch):
    asked = []

    def stops(policy, ctx, tolerances):
        asked.append(tolerances)
        return Stops([] if found is None else [found], None, 7)

    monkeypatch.setattr(column_calibration, "stops", stops)
    policy = make_policy("default")
    before = policy.card["error_estimate"]["factor"]
    tuned, solutions, Nformal = calibrated(Workshop(CubeSettings()), nine_columns()[:3], policy)
    assert Nformal == 21 and solutions == [None] * 3
    assert asked == [pytest.approx([1e-2, 1e-3, 1e-4, 1e-5])] * 3
    # The factor never falls.
    assert tuned.card["error_estimate"]["factor"] == (found if raised else before)
    assert policy_factor(tuned) == (found if raised else before)
    assert tuned.card.asked_within == policy.card.asked_within
    assert tuned.network is policy.network


def test_a_policy_without_a_card_has_the_factor_for_all():
    policy = make_policy("default")
    assert policy_factor(Actor(policy.network, policy.gain)) == shipped().step


def test_what_columns_say_of_the_operators_estimate():
    visited = nine_columns()
    shop, policy = Workshop(CubeSettings()), make_policy("default")
    entry, Nformal = operator_estimate(shop, visited)
    assert 1.0 <= entry["factor"] < shipped().step and entry["stops"] > len(visited) < Nformal
    knows = Actor(policy.network, policy.gain, {**policy.card, "operator_estimate": entry}).card
    frame = make_frame(visited[0].physics)
    assert policy.card.operator_factor(frame.static) is None
    assert knows.operator_factor(frame.static) == entry["factor"]
    far = frame.static.copy()
    far[CHANNELS.index("damping")] += 10.0
    assert knows.operator_factor(far) is None
    # What changes along a solve is no matter.
    far = frame.static.copy()
    far[CHANNELS.index("estimate_size")] += 10.0
    assert knows.operator_factor(far) == entry["factor"]


def test_a_calibrated_estimate_stops_sooner_and_covers_the_error():
    policy = make_policy("default")
    cube = synthetic_cube(48, 48, seed=5, amplitude=0.08, velocity=8e3, shocks=0.6)
    shocked = Source(cube).read(Window(0, 0, 2, 0, 4))
    everywhere = {"low": [-1e3] * NCHANNELS, "high": [1e3] * NCHANNELS}
    careful, knows = (
        Actor(policy.network, policy.gain, {**policy.card, "operator_estimate": entry})
        for entry in ({"factor": 500.0, **everywhere}, {"factor": 1.0, **everywhere})
    )
    tight = Workshop(CubeSettings(popsTol=1e-7))
    saved = 0
    for k in range(8):
        column = shocked.column(k)
        visited = tight.solve(column, policy, record=True).visited.y
        solution = visited[-1]
        # Above what no estimate is below, a share of the last change of the radiation field.
        popsTol = 100.0 * float(np.abs(np.expm1(visited[1] - solution)).max())
        shop = Workshop(CubeSettings(popsTol=popsTol))
        before = shop.solve(column, careful, record=True)
        after = shop.solve(column, knows, record=True)
        saved += before.Nformal - after.Nformal
        assert np.abs(np.expm1(after.visited.y[-1] - solution)).max() < popsTol
    assert saved > 0


@pytest.mark.parametrize(("shift", "early"), [(0.0, 0), (2e-3, 3)])
def test_a_version_that_stops_too_early_is_found_out(shift, early):
    visited = nine_columns()
    shop, policy = Workshop(CubeSettings()), make_policy("default")
    _, solutions, _ = calibrated(shop, visited[:3], policy)
    moved = [*(s + shift for s in solutions), None]
    cost = column_costs(shop, visited[:4], policy, moved)
    assert cost.early == early and cost.failed == 0 and cost.Nformal.shape == (4,)

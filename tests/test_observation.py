"""The observation and the action: scaling, resampling, and what the solver does with an action."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lw_rl import atmospheres, observation
from lw_rl.adapter import Adapter
from lw_rl.context import build_context
from lw_rl.observation import (
    CHANNELS,
    NCHANNELS,
    Previous,
    action_to_points,
    correction,
    make_frame,
    observe,
    observe_depths,
    points_to_action,
    residual_size,
)


@pytest.fixture(scope="module")
def problem():
    """Frame, unknown and residual of one problem with velocities."""
    atmos = atmospheres.random(4, kind="chromosphere", Nspace=70, moving=True)
    adapter = Adapter(build_context("CaII_K", atmos, Nrays=2))
    evaluation = adapter.evaluate()
    physics = adapter.line_physics(adapter.blocks[0])
    return make_frame(physics), evaluation.y, evaluation.r, physics


def row(o, name):
    return o[CHANNELS.index(name)]


def test_shape_and_type(problem):
    frame, y, r, _ = problem
    o = observe(frame, y, r)
    assert o.shape == (NCHANNELS, 96) == (len(CHANNELS), frame.Npoints)
    assert o.dtype == np.float32
    assert np.all(np.isfinite(o))
    assert len(set(CHANNELS)) == NCHANNELS


def test_channels_are_of_order_one(problem):
    frame, y, r, _ = problem
    o = observe(frame, y, r, Previous(0.1 * r, 1.1 * r))
    assert np.all(np.abs(o) < 10.0)
    for name in CHANNELS:
        if name != "residual_size":
            assert np.ptp(row(o, name)) > 0.0, f"{name} says nothing here"


def test_channels_mean_what_they_say(problem):
    """With as many points as depths nothing is interpolated, so the definitions hold exactly."""
    _, y, r, physics = problem
    frame = make_frame(physics, Npoints=y.size)
    o = observe(frame, y, r).astype(float)
    size = np.max(np.abs(r))
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(row(o, "residual"), r / size, **close)
    np.testing.assert_allclose(row(o, "residual_size"), np.log10(size) / 4.0, **close)
    np.testing.assert_allclose(row(o, "log_tau"), physics.log_tau / 10.0, **close)
    np.testing.assert_allclose(row(o, "planck"), physics.log_B / 10.0, **close)
    np.testing.assert_allclose(row(o, "departure"), (y - physics.log_B) / 5.0, **close)
    np.testing.assert_allclose(row(o, "epsilon"), np.log(physics.epsilon) / 6.0 + 1.0, **close)
    np.testing.assert_allclose(row(o, "damping"), np.log(physics.damping) / 5.0 + 1.0, **close)
    v = physics.velocity
    np.testing.assert_allclose(row(o, "velocity"), (v - v.mean()) / 3.0, **close)
    np.testing.assert_allclose(
        row(o, "spacing"), np.log(np.gradient(physics.log_tau)) / 3.0, **close
    )


def test_a_uniform_motion_is_not_seen(problem):
    """Galilean invariance: only velocity differences matter to the line."""
    from dataclasses import replace

    frame, y, r, physics = problem
    moved = make_frame(replace(physics, velocity=physics.velocity + 7.0))
    np.testing.assert_allclose(observe(moved, y, r), observe(frame, y, r), atol=1e-5)


def test_the_first_step_has_no_past(problem):
    frame, y, r, _ = problem
    o = observe(frame, y, r)
    assert not np.any(row(o, "last_correction"))
    assert not np.any(row(o, "last_response"))
    nothing = observe(frame, y, r, Previous(np.zeros_like(r), r))
    np.testing.assert_array_equal(o, nothing)


def test_the_past_is_normalised(problem):
    frame, y, r, _ = problem
    previous = Previous(1e-3 * np.sin(np.arange(y.size)), r)
    o = observe(frame, y, 0.999 * r, previous)
    assert np.max(np.abs(row(o, "last_correction"))) == pytest.approx(1.0, abs=0.05)


def test_observing_changes_nothing(problem):
    frame, y, r, _ = problem
    static, y0, r0 = frame.static.copy(), y.copy(), r.copy()
    o = observe(frame, y, r)
    o[:] = 9.0
    np.testing.assert_array_equal(frame.static, static)
    np.testing.assert_array_equal(y, y0)
    np.testing.assert_array_equal(r, r0)


def test_a_residual_of_zero_is_seen_without_a_warning(problem):
    frame, y, r, _ = problem
    with np.errstate(all="raise"):
        o = observe(frame, y, np.zeros_like(r))
    assert np.all(np.isfinite(o))
    assert residual_size(np.zeros(3)) > 0.0


# ---- the action -----


@given(
    action=arrays(float, 8, elements=st.floats(-1.0, 1.0)),
    log_size=st.floats(-12.0, 2.0),
)
def test_actions_and_corrections_are_each_others_inverse(action, log_size):
    size = 10.0**log_size
    points = action_to_points(action, size)
    assert np.all(np.abs(points) <= 8.0 + 1e-12)
    assert np.all(np.abs(points) <= 60.0 * size * (1.0 + 1e-12))
    np.testing.assert_allclose(points_to_action(points, size), action, rtol=1e-9, atol=1e-12)


def test_the_action_map_is_odd_monotone_and_linear_near_zero():
    a = np.linspace(-1.0, 1.0, 201)
    points = action_to_points(a, 0.01)
    assert np.all(np.diff(points) > 0.0)
    np.testing.assert_allclose(points, -points[::-1], atol=1e-15)
    np.testing.assert_allclose(points[-1], 0.6)
    slope = np.gradient(points, a)
    assert slope[100] == pytest.approx(0.6 * 4.0 / np.sinh(4.0), rel=1e-3), "not zero at a = 0"


def test_corrections_beyond_the_reach_become_the_largest_action():
    np.testing.assert_array_equal(points_to_action(np.array([-99.0, 99.0]), 0.01), [-1.0, 1.0])


def test_at_equilibrium_every_action_means_nothing(problem):
    """The fixed point of the scheme is exact whatever the policy says."""
    frame, y, _, _ = problem
    rng = np.random.default_rng(0)
    for _ in range(5):
        delta = correction(frame, rng.uniform(-1.0, 1.0, frame.Npoints), np.zeros_like(y))
        assert np.max(np.abs(delta)) < 1e-250


def test_silence_leaves_what_the_points_cannot_carry(problem):
    """On the model's own points that is nothing; a residual from depth to depth is all of it."""
    frame, y, r, physics = problem
    same = make_frame(physics, Npoints=y.size)
    np.testing.assert_allclose(correction(same, np.zeros(y.size), r), 0.0, atol=1e-15)
    smooth = np.linspace(0.0, 0.1, y.size)
    np.testing.assert_allclose(correction(frame, np.zeros(96), smooth), 0.0, atol=1e-15)
    coarse = make_frame(physics, Npoints=32)
    jagged = 0.1 * (-1.0) ** np.arange(y.size)
    kept = correction(coarse, np.zeros(32), jagged)
    assert np.linalg.norm(kept) > 0.7 * np.linalg.norm(jagged)


def test_the_action_that_stands_for_the_residual_is_the_plain_update(problem):
    """correction(points_to_action(r at the points)) = r: MALI lies in the policy's reach."""
    frame, _, r, _ = problem
    action = points_to_action(observe_depths(frame, r), residual_size(r))
    np.testing.assert_allclose(correction(frame, action, r), r, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("Nspace", [3, 20, 32, 33, 82, 300])
def test_resampling_there_and_back_keeps_lines(Nspace):
    N = observation.policy_points(Nspace)
    there = observation._interpolation(Nspace, N)
    back = observation._interpolation(N, Nspace)
    line = np.linspace(-2.0, 5.0, Nspace)
    at_points = observation._resample(line, there)
    np.testing.assert_allclose(at_points, np.linspace(-2.0, 5.0, N), atol=1e-12)
    np.testing.assert_allclose(observation._resample(at_points, back), line, atol=1e-12)

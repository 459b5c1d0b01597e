"""The observation and the action: scaling, resampling, and what the solver does with an action."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from plane_helpers import plane_context

from lw_rl import atmospheres
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.norms import to_log
from lw_rl.operator.two_level import TwoLevelOperator
from lw_rl.policies.observation import (
    CHANNELS,
    MAX_CORRECTION,
    MAX_RATIO,
    NCHANNELS,
    Previous,
    action_to_points,
    correction,
    make_frame,
    observe,
    observe_depths,
    points_to_action,
    policy_points,
    size_of,
)


@pytest.fixture(scope="module")
def problem():
    """Frame, unknown, residual, estimate and physics of one problem with velocities, in LTE."""
    atmos = atmospheres.random(4, kind="chromosphere", Nspace=70, moving=True)
    adapter = Adapter(build_context("CaII_K", atmos, Nrays=2))
    evaluation = adapter.evaluate()
    physics = adapter.line_physics(adapter.blocks[0])
    operator = TwoLevelOperator.first(physics)
    estimate = to_log(operator.error(evaluation.y, evaluation.lambda_residual))
    return make_frame(physics), evaluation.y, evaluation.r, estimate, physics


def row(o, name):
    return o[CHANNELS.index(name)].astype(float)


def test_shape_and_type(problem):
    frame, y, r, e, _ = problem
    o = observe(frame, y, r, e)
    assert o.shape == (NCHANNELS, 96) == (len(CHANNELS), frame.Npoints)
    assert o.dtype == np.float32
    assert np.all(np.isfinite(o))
    assert len(set(CHANNELS)) == NCHANNELS


def test_channels_are_of_order_one(problem):
    frame, y, r, e, _ = problem
    o = observe(frame, y, r, e, Previous(0.1 * e, 1.1 * e, 0.8 * e))
    assert np.all(np.abs(o) < 10.0)
    for name in CHANNELS:
        if not name.endswith("_size"):
            assert np.ptp(row(o, name)) > 0.0, f"{name} says nothing here"


def test_channels_mean_what_they_say(problem):
    """With as many points as depths nothing is interpolated, so the definitions hold exactly."""
    _, y, r, e, physics = problem
    frame = make_frame(physics, Npoints=y.size)
    o = observe(frame, y, r, e)
    size, residual = np.max(np.abs(e)), np.max(np.abs(r))
    close = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(row(o, "estimate"), e / size, **close)
    np.testing.assert_allclose(row(o, "estimate_size"), np.log10(size) / 4.0, **close)
    np.testing.assert_allclose(row(o, "residual"), r / residual, **close)
    np.testing.assert_allclose(row(o, "residual_size"), np.log10(residual / size) / 4.0, **close)
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
    frame, y, r, e, physics = problem
    moved = make_frame(replace(physics, velocity=physics.velocity + 7.0))
    np.testing.assert_allclose(observe(moved, y, r, e), observe(frame, y, r, e), atol=1e-5)


def test_the_first_step_has_no_past(problem):
    frame, y, r, e, _ = problem
    o = observe(frame, y, r, e)
    assert not np.any(row(o, "last_correction"))
    assert not np.any(row(o, "last_surprise"))
    nothing = observe(frame, y, r, e, Previous(np.zeros_like(r), e, e))
    np.testing.assert_array_equal(o, nothing)


def test_a_step_that_does_what_the_operator_says_is_no_surprise(problem):
    _, y, r, e, physics = problem
    frame = make_frame(physics, Npoints=y.size)
    step = 1e-3 * np.sin(np.arange(y.size))
    o = observe(frame, y, r, e, Previous(step, e, e - step))
    np.testing.assert_allclose(row(o, "last_correction"), step / np.max(np.abs(step)), rtol=1e-6)
    assert np.max(np.abs(row(o, "last_surprise"))) < 1e-12
    # What is left over beyond that is seen in units of the step, three times as large.
    o = observe(frame, y, r, e, Previous(step, e, e - step + 0.5 * step[::-1]))
    np.testing.assert_allclose(
        row(o, "last_surprise"), 1.5 * step[::-1] / np.max(np.abs(step)), rtol=1e-6
    )
    wild = observe(frame, y, r, e, Previous(step, e, e + 1e3))
    assert np.max(row(wild, "last_surprise")) == 8.0


def test_observing_changes_nothing(problem):
    frame, y, r, e, _ = problem
    before = [v.copy() for v in (frame.static, y, r, e)]
    o = observe(frame, y, r, e)
    o[:] = 9.0
    for now, then in zip((frame.static, y, r, e), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("which", ["residual", "estimate", "both"])
def test_zero_is_seen_without_a_warning(problem, which):
    frame, y, r, e, _ = problem
    r = np.zeros_like(r) if which != "estimate" else r
    e = np.zeros_like(e) if which != "residual" else e
    with np.errstate(all="raise"):
        o = observe(frame, y, r, e)
    assert np.all(np.isfinite(o))


def test_sizes():
    assert size_of(np.array([0.1, -0.7, 0.2])) == 0.7
    assert size_of(np.array([0.1, 0.3])) == 0.3
    assert size_of(np.zeros(3)) > 0.0


def test_an_estimated_error_in_the_logarithm():
    change = np.linspace(-2.0, 5.0, 9)
    np.testing.assert_allclose(to_log(np.expm1(change)), change, rtol=1e-12, atol=1e-15)
    # A source function that is estimated to be negative is made twenty times smaller at most.
    with np.errstate(all="raise"):
        low = to_log(np.array([-1.0, -3.0, -1e30]))
    np.testing.assert_allclose(low, np.log(0.05))


# ---- the action -----


@given(
    action=arrays(float, 8, elements=st.floats(-1.0, 1.0)),
    log_size=st.floats(-12.0, 2.0),
)
def test_actions_and_corrections_are_each_others_inverse(action, log_size):
    size = 10.0**log_size
    points = action_to_points(action, size)
    assert np.all(np.abs(points) <= MAX_CORRECTION + 1e-12)
    assert np.all(np.abs(points) <= MAX_RATIO * size * (1.0 + 1e-12))
    np.testing.assert_allclose(points_to_action(points, size), action, rtol=1e-9, atol=1e-12)


def test_the_action_map_is_odd_monotone_and_linear_near_zero():
    a = np.linspace(-1.0, 1.0, 201)
    points = action_to_points(a, 0.01)
    assert np.all(np.diff(points) > 0.0)
    np.testing.assert_allclose(points, -points[::-1], atol=1e-15)
    np.testing.assert_allclose(points[-1], 0.01 * MAX_RATIO)
    slope = np.gradient(points, a)
    expected = 0.01 * MAX_RATIO * 4.0 / np.sinh(4.0)
    assert slope[100] == pytest.approx(expected, rel=1e-3), "not zero at a = 0"


def test_corrections_beyond_the_reach_become_the_largest_action():
    np.testing.assert_array_equal(points_to_action(np.array([-99.0, 99.0]), 0.01), [-1.0, 1.0])


def test_at_equilibrium_every_action_means_nothing(problem):
    """The fixed point of the scheme is exact whatever the policy says."""
    frame, y, *_ = problem
    rng = np.random.default_rng(0)
    for _ in range(5):
        delta = correction(frame, rng.uniform(-1.0, 1.0, frame.Npoints), np.zeros_like(y))
        assert np.max(np.abs(delta)) < 1e-250


@pytest.mark.parametrize("Npoints", [32, 70, 96])
def test_silence_is_the_operators_own_step(problem, Npoints):
    """On the model's own depths: also of what changes from depth to depth nothing is lost."""
    _, y, _, estimate, physics = problem
    frame = make_frame(physics, Npoints)
    jagged = 0.1 * (-1.0) ** np.arange(y.size)
    for e in (estimate, jagged):
        np.testing.assert_array_equal(correction(frame, np.zeros(Npoints), e), e)


def test_an_action_is_added_to_the_estimate(problem):
    """The plain update, among others, lies in the policy's reach."""
    _, y, r, e, physics = problem
    same = make_frame(physics, Npoints=y.size)
    assert size_of(r - e) < min(MAX_RATIO * size_of(e), MAX_CORRECTION)
    action = points_to_action(r - e, size_of(e))
    np.testing.assert_allclose(correction(same, action, e), r, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("Nspace", [3, 20, 32, 33, 82, 300])
def test_resampling_there_and_back_keeps_lines(problem, Nspace):
    *_, physics = problem
    at = np.linspace(0.0, 1.0, Nspace)
    changes = {
        name: np.interp(at, np.linspace(0.0, 1.0, values.size), values)
        for name, values in vars(physics).items()
        if np.ndim(values)
    }
    frame = make_frame(replace(physics, **changes))
    N = policy_points(Nspace)
    assert (frame.Nspace, frame.Npoints) == (Nspace, N)
    line = np.linspace(-2.0, 5.0, Nspace)
    at_points = observe_depths(frame, line)
    np.testing.assert_allclose(at_points, np.linspace(-2.0, 5.0, N), atol=1e-12)
    flat = np.full(Nspace, 3.0)
    back = correction(frame, points_to_action(at_points, 3.0), flat) - flat
    np.testing.assert_allclose(back, line, atol=1e-12)


# ---- two dimensions -----


@pytest.fixture(scope="module")
def plane():
    """The same of moving threads in two dimensions, and the number of columns."""
    ctx = plane_context("threads")
    adapter = Adapter(ctx)
    evaluation = adapter.evaluate()
    physics = adapter.line_physics(adapter.blocks[0])
    rng = np.random.default_rng(2)
    estimate = 0.1 * rng.standard_normal(evaluation.y.size)
    return make_frame(physics), evaluation.y, evaluation.r, estimate, physics, 8


def column_of(values, j, columns):
    return np.asarray(values).reshape(-1, columns)[:, j].copy()


@pytest.mark.parametrize("j", [0, 5])
def test_a_column_of_a_plane_is_seen_as_one_of_its_own(plane, j):
    frame, y, r, e, physics, columns = plane
    o = observe(frame, y, r, e)
    assert o.shape == (NCHANNELS, 32, columns) and o.dtype == np.float32
    arrays = {
        f.name: column_of(getattr(physics, f.name), j, columns)
        for f in fields(physics)
        if np.ndim(getattr(physics, f.name))
    }
    alone = replace(physics, **arrays)
    assert physics.columns == columns and alone.columns == 1
    assert not np.any(frame.static[:2]), "what changes is not in it"
    one = observe(make_frame(alone), *(column_of(v, j, columns) for v in (y, r, e)))
    of_the_whole = {
        "estimate_size", "residual_size", "estimate", "residual", "velocity", "broadening",
    }  # fmt: skip
    for name in set(CHANNELS) - of_the_whole:
        np.testing.assert_allclose(row(o, name)[:, j], row(one, name), atol=1e-5, err_msg=name)
    # Sizes and means are of the plane: the same shape, on one scale.
    np.testing.assert_allclose(
        row(o, "estimate")[:, j] * size_of(e),
        row(one, "estimate") * size_of(column_of(e, j, columns)),
        atol=1e-6,
    )


def test_actions_are_one_number_per_point_of_a_plane(plane):
    frame, _, _, e, _, columns = plane
    nothing = np.zeros((frame.Npoints, columns))
    np.testing.assert_array_equal(correction(frame, nothing, e), e)
    action = nothing.copy()
    action[:, 3] = 0.5
    added = (correction(frame, action, e) - e).reshape(-1, columns)
    assert np.all(added[:, 3] > 0.0) and not np.any(np.delete(added, 3, axis=1))

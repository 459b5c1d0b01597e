"""The numpy network: sizes, limits, and the layers against a plain reading of the definition."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_weights

from lw_rl.policies.network import Architecture, Network
from lw_rl.policies.observation import MAX_POINTS, NCHANNELS, POINT_MULTIPLE, policy_points


@pytest.mark.parametrize("name", ["channels", "width", "levels"])
@pytest.mark.parametrize("bad", [0, -1, 1025, 2.0, "4", True, None])
def test_sizes_are_whole_numbers_within_limits(name, bad):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 to 1024"):
        Architecture(**{"channels": 3, "width": 4, "levels": 2, name: bad})


def test_levels_have_a_limit_of_their_own():
    with pytest.raises(ValueError, match="at most 8, got 9"):
        Architecture(channels=3, levels=9)


def test_shapes_name_every_layer():
    shapes = Architecture(channels=5, width=7, levels=2).shapes()
    layers = {name.split(".")[0] for name in shapes}
    assert layers == {"stem", "down0", "down1", "mean", "bottom", "up1", "up0", "head"}
    assert shapes["stem.weight"] == (30, 7)
    assert shapes["up0.weight"] == (42, 7)
    assert shapes["head.weight"] == (7, 2)
    assert shapes["head.bias"] == (2,)


@pytest.mark.parametrize("Npoints", [32, 64, 96, 256, 320])
def test_every_multiple_of_32_points_works(Npoints, architecture):
    network = Network(architecture, random_weights(architecture))
    x = np.random.default_rng(0).standard_normal((NCHANNELS, Npoints)).astype(np.float32)
    out = network(x)
    assert out.shape == (Npoints,)
    assert out.dtype == np.float32
    assert np.all(np.isfinite(out))
    assert np.std(out) > 0.0
    np.testing.assert_array_equal(out, network(x), err_msg="the same twice")


@pytest.mark.parametrize("Npoints", [0, 16, 31, 48, 80])
def test_other_numbers_of_points_are_refused(Npoints, architecture):
    network = Network(architecture, random_weights(architecture))
    with pytest.raises(ValueError, match=f"multiple of 32 points; got {NCHANNELS} on {Npoints}"):
        network(np.zeros((NCHANNELS, Npoints), dtype=np.float32))
    with pytest.raises(
        ValueError,
        match=f"{NCHANNELS} channels on a multiple of 32 points; got {NCHANNELS - 1} on 64",
    ):
        network(np.zeros((NCHANNELS - 1, 64), dtype=np.float32))


@pytest.mark.parametrize("Nspace", [3, 31, 32, 33, 82, 250, 256, 257, 1000])
def test_policies_get_a_multiple_of_32_points(Nspace):
    points = policy_points(Nspace)
    assert points % POINT_MULTIPLE == 0
    assert POINT_MULTIPLE <= points <= MAX_POINTS
    assert points >= min(Nspace, MAX_POINTS)
    assert points - Nspace < POINT_MULTIPLE


def reference_forward(architecture, weights, observation):
    """The definition in the module's docstring, in float64 and loops, one point at a time."""
    w = {k: v.astype(float) for k, v in weights.items()}

    def convolve(x, name):
        N = len(x)
        zero = np.zeros_like(x[0])
        out = []
        for k in range(N):
            left = x[k - 1] if k > 0 else zero
            right = x[k + 1] if k < N - 1 else zero
            z = np.concatenate((left, x[k], right)) @ w[f"{name}.weight"] + w[f"{name}.bias"]
            out.append(np.maximum(z, 0.0))
        return out

    points = list(observation.T.astype(float))
    x = convolve(
        [np.concatenate((points[2 * k], points[2 * k + 1])) for k in range(len(points) // 2)],
        "stem",
    )
    skips = []
    for k in range(architecture.levels):
        skips.append(x)
        halved = [0.5 * (x[2 * m] + x[2 * m + 1]) for m in range(len(x) // 2)]
        x = convolve(halved, f"down{k}")
    mean = np.maximum(np.mean(x, axis=0) @ w["mean.weight"] + w["mean.bias"], 0.0)
    x = convolve([v + mean for v in x], "bottom")
    for k in reversed(range(architecture.levels)):
        joined = [np.concatenate((x[m // 2], skips[k][m])) for m in range(2 * len(x))]
        x = convolve(joined, f"up{k}")
    return np.concatenate([v @ w["head.weight"] + w["head.bias"] for v in x])


@pytest.mark.parametrize("levels", [1, 4])
def test_the_forward_pass_is_its_definition(levels):
    architecture = Architecture(channels=3, width=5, levels=levels)
    weights = random_weights(architecture, seed=levels)
    x = np.random.default_rng(1).standard_normal((3, 64)).astype(np.float32)
    expected = reference_forward(architecture, weights, x)
    np.testing.assert_allclose(Network(architecture, weights)(x), expected, rtol=1e-4, atol=1e-5)


def test_the_observation_is_left_alone(architecture):
    x = np.random.default_rng(0).standard_normal((NCHANNELS, 64)).astype(np.float32)
    before = x.copy()
    Network(architecture, random_weights(architecture))(x)
    np.testing.assert_array_equal(x, before)


def test_every_point_sees_every_other(architecture):
    """The global mean carries a change at one end to the other."""
    network = Network(architecture, random_weights(architecture, seed=4))
    x = np.random.default_rng(0).standard_normal((NCHANNELS, 256)).astype(np.float32)
    y = x.copy()
    y[:, 0] += 5.0
    assert np.any(network(x)[-32:] != network(y)[-32:])

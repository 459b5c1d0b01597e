"""A block of columns as a task of a worker."""

from __future__ import annotations

import numpy as np
import pytest
from cube_helpers import DEPTHS

from lw_rl.cube.block import (
    Order,
    gather,
    lost,
    mismatch,
    required_versions,
    snake,
    solve_block,
)
from lw_rl.cube.column import FINISHERS, OUTCOMES, Solved
from lw_rl.cube.layout import fields
from lw_rl.cube.rays import Emergent
from lw_rl.cube.sample import take
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.errors import ClusterError


@pytest.fixture
def order(cube):
    """Make the order of a window of the cube."""

    def make(window=Window(0, 0, 2, 0, 2), settings=None, **arguments):  # noqa: B008 (frozen)
        columns = Source(cube).read(window)
        settings = settings or CubeSettings()
        return Order(
            **{
                "columns": columns, "shape": window.shape, "settings": settings, "version": 0,
                "versions": required_versions(), **arguments,
            }
        )  # fmt: skip

    return make


def test_every_column_of_a_block_is_next_to_the_one_before():
    path = snake((3, 4))
    assert sorted(path) == list(range(12))
    places = np.array([divmod(k, 4) for k in path])
    assert np.all(np.abs(np.diff(places, axis=0)).sum(axis=1) == 1)


def test_a_block_does_not_depend_on_the_blocks_before(order, policy):
    def block(x):
        settings = CubeSettings(start="measured")
        return solve_block(order(Window(0, x, x + 2, 0, 2), settings), policy)

    first = block(0)
    block(2)
    again = block(0)
    for name in first.keys() - {"seconds"}:
        np.testing.assert_array_equal(first[name], again[name])


def test_a_worker_keeps_a_sample_only_where_it_is_to(order, policy):
    take()
    window = Window(0, 0, 1, 0, 1)
    solve_block(order(window), policy)
    assert take() == []
    solve_block(order(window, CubeSettings(popsTol=1e-5), record=True), policy)
    assert [len(visited.y) > 1 for visited in take()] == [True]


def test_a_worker_of_another_version_says_so(order):
    with pytest.raises(ClusterError, match=r"has lw-rl \S+, the client lw-rl 9.9"):
        solve_block(order(versions={**required_versions(), "lw-rl": "9.9"}))


def test_every_worker_of_another_version_is_named():
    ours = {"lw-rl": "1", "lightweaver": "2"}
    text = mismatch({"a": ours, "b": {"lw-rl": "0", "lightweaver": "2"}, "c": {"lw-rl": "1"}}, ours)
    assert text == (
        "b has lw-rl 0, the client lw-rl 1; c has lightweaver None, the client lightweaver 2. "
        "Install the same versions everywhere"
    )


def test_results_become_one_array_for_each_field_of_the_output(order):
    settings = CubeSettings(mus=(1.0, 0.5), tau_one=True, keep="populations")
    spectrum = np.arange(14.0).reshape(2, 7)
    solved = Solved(
        "converged", "nonlocal", attempts=1, Nformal=5, estimate=1e-4, seconds=0.5,
        line=Emergent(spectrum, 2.0 * spectrum), kept=np.ones((2, DEPTHS)),
    )  # fmt: skip
    failed = Solved("diverged", reason="why", attempts=3, Nformal=90)
    values = gather([solved, failed], order(settings=settings, version=4), Nwave=7)
    assert values.keys() == fields(settings).keys()
    np.testing.assert_array_equal(values["intensity"][0], spectrum)
    np.testing.assert_array_equal(values["tau_one"][0], 2.0 * spectrum)
    for name in ("intensity", "tau_one", "populations"):
        assert np.isnan(values[name][1]).all() and values[name].dtype == np.float32
    assert values["formal_solutions"].tolist() == [5, 90]
    assert values["finisher"].tolist() == [FINISHERS.index("nonlocal"), 0]
    assert values["outcome"].tolist() == [OUTCOMES.index(o) for o in ("converged", "diverged")]
    assert values["reason"].tolist() == ["", "why"] and values["policy_version"].tolist() == [4, 4]


def test_columns_on_which_workers_died_have_a_reason(order):
    values = lost(order(), "every worker died", Nwave=7)
    assert values["outcome"].tolist() == [OUTCOMES.index("worker_lost")] * 4
    assert values["reason"].tolist() == ["every worker died"] * 4
    assert np.isnan(values["intensity"]).all()

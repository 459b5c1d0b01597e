"""Figures: that they are drawn, labelled with units, and written whole."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pytest

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark import plots
from lw_rl.benchmark.solves import PeerSolve, ProblemResult

PROBLEM = problems.shipped_problem("CaII_K", "FALC", 24)


def result(Nspace=24, seconds=1.0):
    solves = (
        PeerSolve("mali", "", tuple(10.0**-k for k in range(9)), 3, 0.01, seconds),
        PeerSolve("lambda", "", (1.0, 0.9, float("nan"), float("inf")), None, None, None),
        PeerSolve("depthwise (mine)", "", (1e-2, 1e-8), 2, 1e-8, seconds),
        PeerSolve("lightweaver", "", (1.0, 0.1), 2, 0.1, seconds),
    )
    return ProblemResult(PROBLEM, Nspace, 1e-13, solves)


def labels(figure):
    return [text for ax in figure.axes for text in (ax.get_xlabel(), ax.get_ylabel())]


def test_solve_figure_has_three_panels_with_units():
    ctx = PROBLEM.context()
    lw_rl.iterate_ctx_rl(ctx, scheme="anderson", quiet=True)
    figure = plots.solve_figure(ctx, result())
    assert len(figure.axes) == 3
    assert all(labels(figure))
    assert "W m" in figure.axes[0].get_ylabel() and "[nm]" in figure.axes[2].get_xlabel()
    profile = figure.axes[2].lines[0].get_ydata()
    assert 0.0 < profile[len(profile) // 2] < profile[0], "Ca II K is an absorption line"


def test_figures_can_be_pyplots():
    figure = plt.figure()
    assert plots.suite_figure("fal", [result()], figure) is figure
    plt.close(figure)


@pytest.mark.parametrize("name", ["fal", "grid", "random"])
def test_suite_figure(name, tmp_path):
    figure = plots.suite_figure(name, [result(24), result(48)])
    assert len(figure.axes) == 2 and all(labels(figure))
    path = tmp_path / "new" / f"{name}.png"
    plots.save(figure, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in path.parent.iterdir()] == [path.name], "nothing half written stays"


def test_every_peer_has_a_style_of_its_own():
    names = [p.name for p in benchmark.peers(())] + ["depthwise", "depthwise (a)", "depthwise (b)"]
    styles = plots.styles(list(dict.fromkeys(names)))
    assert len({s["color"] for s in styles.values()}) == len(styles)

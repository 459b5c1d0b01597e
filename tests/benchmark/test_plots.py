"""Figures: that they are drawn, labelled with units, and written whole."""

from __future__ import annotations

import runpy
from pathlib import Path

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


@pytest.mark.parametrize(("atom", "panels"), [("CaII", 3), ("H+CaII", 4), ("H+CaII+MgII", 5)])
def test_solve_figure_of_atoms_with_many_levels(atom, panels):
    ctx = problems.shipped_problem(atom, "FALC", 24).context(Nrays=1)
    lw_rl.iterate_ctx_rl(ctx, scheme="anderson", NmaxIter=60, quiet=True)
    figure = plots.solve_figure(ctx, result())
    assert len(figure.axes) == panels and all(labels(figure))
    assert all("[" in ax.get_xlabel() for ax in figure.axes[: panels - 2])
    *departures, _, lines = figure.axes
    for ax, active in zip(departures, ctx.activeAtoms, strict=True):
        names = [line.get_label() for line in ax.lines[: active.Nlevel]]
        assert len(set(names)) == active.Nlevel, "every level has a name of its own"
        looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines[: active.Nlevel]}
        assert len(looks) == active.Nlevel
    assert any(line.get_label() == "Ca II K" for line in lines.lines)
    assert "[kK]" in lines.get_ylabel()
    figure.draw_without_rendering()
    for ax in figure.axes:
        legend = ax.get_legend().get_window_extent()
        assert legend.x0 >= ax.get_window_extent().x1, "no legend lies over curves"


def test_the_example_runs(capsys, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    script = Path(__file__).parents[2] / "examples/plot_multilevel.py"
    assert len(script.read_text().splitlines()) < 40
    runpy.run_path(str(script))
    assert "mali_scattering  formal solutions to 1e-3: " in capsys.readouterr().out
    assert len(plt.gcf().axes) == 4
    plt.close("all")


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

"""Figures: that they are drawn, labelled with units, and written whole."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest

import lw_rl
from lw_rl import problems
from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark import plots
from lw_rl.benchmark.solves import PeerSolve, ProblemResult
from lw_rl.errors import FigureFormatError
from lw_rl.host.adapter import Adapter

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


@pytest.fixture(scope="module")
def solved():
    ctx = PROBLEM.context()
    lw_rl.iterate_ctx_rl(ctx, scheme="anderson", quiet=True)
    return ctx


def test_solve_figure_has_five_panels_with_units(solved):
    before = Adapter(solved).snapshot()
    figure = plots.solve_figure(solved, result())
    assert np.array_equal(before.n[0], Adapter(solved).snapshot().n[0]), "nothing is changed"
    source, _, cost, line, residual = figure.axes
    assert all(ax.get_ylabel() and (ax.get_xlabel() or ax is line) for ax in figure.axes)
    assert "W m" in source.get_ylabel() and "[nm, vacuum]" in residual.get_xlabel()
    profile = line.lines[0].get_ydata()
    assert 0.0 < profile[len(profile) // 2] < profile[0], "Ca II K is an absorption line"
    # MALI's line is there, and the host's stop is farther from equilibrium than ours.
    ours, host = (np.abs(drawn.get_ydata()).max() for drawn in residual.lines[:2])
    assert [drawn.get_label() for drawn in line.lines] == ["lw_rl", "iterate_ctx_se"]
    assert ours < 0.05 and ours < host < 5.0
    assert cost.get_xscale() == "log"
    figure.draw_without_rendering()
    (legend,) = figure.legends
    below = legend.get_window_extent().y1
    assert all(ax.get_tightbbox().y0 >= below - 1.0 for ax in figure.axes), "no curve is covered"
    assert figure.get_size_inches()[0] < 7.5, "as wide as a page"


def test_dots_lie_on_their_curves_and_every_curve_is_seen(solved):
    convergence = plots.solve_figure(solved, result()).axes[1]
    dots = [d for d in convergence.lines if d.get_marker() == "o" and len(d.get_xdata())]
    curves = [d for d in convergence.lines if d.get_marker() == "None" and len(d.get_xdata()) > 1]
    for dot in dots:
        (where,) = zip(dot.get_xdata(), dot.get_ydata(), strict=True)
        assert any(where in set(zip(*c.get_data(), strict=True)) for c in curves)
    named = [c for c in curves if not c.get_label().startswith("_")]
    assert [c.get_label() for c in named[:2]] == ["MALI", "Lambda"]
    # What is nearly the same curve is thin over thick.
    for above, under in (("mali", "lightweaver"), ("nonlocal", "depthwise")):
        styles = plots.styles([above, under])
        assert styles[above]["zorder"] > styles[under]["zorder"]
        assert styles[above].get("lw", 1.5) < styles[under]["lw"]


def test_the_peaks_of_a_line_are_drawn(solved):
    x = np.linspace(-1.0, 1.0, 401)
    profile = 1.0 + 5.0 * np.exp(-(((np.abs(x) - 0.6) / 0.05) ** 2))
    grid = np.concatenate((x[::40], np.linspace(-0.05, 0.05, 101)))
    order = np.argsort(grid)
    drawn = plots._half_width(grid[order], np.interp(grid[order], x, profile))
    assert drawn > 0.9


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


def test_the_first_figure_has_a_row_for_each_problem():
    found = result()
    figure = plots.opening_figure([("one", found.solves), ("two", found.solves)])
    axes = figure.axes
    assert [ax.get_title(loc="left") for ax in axes[::2]] == ["one", "two"]
    assert axes[1].get_title(loc="left") == "what the default call returns"
    assert len(axes) == 4 and axes[0].lines
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert len(names) == len(set(names)) and "policy (depthwise)" not in names


def test_figures_can_be_pyplots():
    figure = plt.figure()
    assert plots.suite_figure("fal", [result()], figure) is figure
    plt.close(figure)


def test_every_peer_that_was_asked_for_is_drawn():
    figure = plots.suite_figure("fal", [result(24), result(48)])
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["MALI", "Lambda", "depthwise (mine)", "iterate_ctx_se (stop)"]


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png"])
def test_a_figures_suffix_is_its_format(tmp_path, suffix):
    heads = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    path = tmp_path / f"a.{suffix}"
    plots.save(plots.suite_figure("fal", [result()]), path)
    assert path.read_bytes().startswith(heads[suffix])
    with pytest.raises(FigureFormatError):
        plots.save(plots.suite_figure("fal", [result()]), tmp_path / "a.xyz")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


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

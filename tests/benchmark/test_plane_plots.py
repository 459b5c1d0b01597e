"""Maps of two dimensions."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from plane_helpers import plane_context

import lw_rl
from lw_rl.benchmark.plane_plots import draw_map, plane_maps
from lw_rl.host.adapter import Adapter


def test_maps_are_those_of_the_solve():
    ctx = plane_context()
    lw_rl.solve(ctx, quiet=True)
    adapter = Adapter(ctx)
    before = adapter.read()
    maps = plane_maps(adapter)
    assert all(values.shape == (31, 8) for values in maps.values())
    assert np.array_equal(adapter.read(), before)
    assert maps["error"].max() < 1e-3 < maps["host"].max()
    # Below, where lines are thermal, all is one.
    assert np.allclose(maps["S"][-1], 1.0, rtol=0.05)
    assert np.allclose(maps["J"][-1], 1.0, rtol=0.05)


def test_a_map_has_a_scale():
    figure = Figure()
    ax = figure.add_subplot()
    plane = Adapter(plane_context()).grid.plane
    values = np.linspace(1.0, 2.0, plane.Nspace).reshape(31, 8)
    draw_map(ax, plane, values, "label", logarithmic=False)
    assert len(figure.axes) == 2
    assert figure.axes[1].get_ylabel() == "label"


@pytest.mark.slow
def test_the_example_runs(capsys, monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    script = Path(__file__).parents[2] / "examples/plot_two_dimensions.py"
    assert len(script.read_text().splitlines()) < 40
    runpy.run_path(str(script))
    assert "depthwise        formal solutions to 1e-3: " in capsys.readouterr().out
    # Four maps with their scales, and two panels.
    assert len(plt.gcf().axes) == 10
    plt.close("all")

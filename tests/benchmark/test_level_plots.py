"""Panels of atoms with many levels: names of levels and lines, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from lw_rl import atoms, problems
from lw_rl.benchmark import level_plots
from lw_rl.host.adapter import Adapter
from lw_rl.host.emergent_lines import StrongLine


@pytest.mark.parametrize("name", atoms.known())
def test_every_level_has_a_name_of_its_own(name):
    names = level_plots.level_labels(atoms.make(name))
    assert len(set(names)) == len(names) == len(atoms.make(name).levels)


def test_levels_are_named_by_their_terms():
    assert level_plots.level_labels(atoms.CaII()) == [
        "4s $^2$S", "3d $^2$D$_{3/2}$", "3d $^2$D$_{5/2}$", "4p $^2$P$_{1/2}$", "4p $^2$P$_{3/2}$",
        "Ca III",
    ]  # fmt: skip
    assert level_plots.level_labels(atoms.H()) == [*(f"$n = {n}$" for n in range(1, 6)), "H II"]


@pytest.mark.parametrize(
    ("element", "stage", "lambda0", "name"),
    [
        ("H", 0, 656.46, "H$\\alpha$"),
        ("Ca", 1, 393.48, "Ca II K"),
        ("Ca", 1, 854.44, "Ca II 854.4 nm"),
        ("He", 0, 1083.3, "He I 1083.3 nm"),
    ],
)
def test_lines_are_named(element, stage, lambda0, name):
    v = np.zeros(1)
    assert level_plots.line_label(StrongLine(element, stage, 0, 1, lambda0, v, v, 1.0)) == name


def test_departure_coefficients_are_one_in_lte():
    adapter = Adapter(problems.shipped_problem("CaII", "FALC", 12).context(Nrays=1))
    ax = Figure().subplots()
    assert level_plots.draw_departures(ax, adapter, 0) == "Ca"
    curves = ax.lines[:6]
    for curve in curves:
        np.testing.assert_allclose(curve.get_ydata(), 1.0, rtol=1e-12)
        np.testing.assert_allclose(curve.get_xdata(), adapter.grid.height * 1e-6)
    assert ax.get_xlabel() == "height  [Mm]"

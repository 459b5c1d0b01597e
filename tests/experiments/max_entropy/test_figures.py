"""The figures of the entropy report, from the result file alone."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from lw_rl.experiments.max_entropy.figures import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_into_the_one_that_is_given(made, name):
    figure = Figure()
    assert FIGURES[name](made[1], figure) is figure
    drawn = [ax for sub in (figure, *figure.subfigs) for ax in sub.axes]
    assert drawn and all(ax.has_data() for ax in drawn)


def test_a_target_is_drawn_with_its_tolerance(made):
    figure = FIGURES["temperature"](made[1])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert "target -1 nat" in titles
    column = next(ax for ax in figure.axes if ax.get_title() == "target -1 nat")
    assert column.collections, "the band of 10 %"
    assert "there after" in column.texts[0].get_text()

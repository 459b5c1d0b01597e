"""The figures of the paper, from the result file alone."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from lw_rl.experiments.paper.figures import FIGURES, save_figures


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_into_the_one_that_is_given(committed, name):
    figure = Figure()
    assert FIGURES[name](committed, figure) is figure
    assert figure.axes and figure.get_suptitle()
    figure.canvas.draw()


def test_figures_are_written_under_their_names(committed, tmp_path):
    assert save_figures(committed, tmp_path) == {name: f"{name}.png" for name in FIGURES}
    assert all((tmp_path / f"{name}.png").stat().st_size > 10_000 for name in FIGURES)

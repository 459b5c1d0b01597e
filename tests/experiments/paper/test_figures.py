"""The figures of the paper, from the result file alone; a quick run writes them (`test_run`)."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from lw_rl.experiments.paper.figures import FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_drawn_into_the_one_that_is_given(committed, name):
    figure = Figure()
    assert FIGURES[name](committed, figure) is figure
    assert figure.axes and figure.get_suptitle()
    figure.canvas.draw()

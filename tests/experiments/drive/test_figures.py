"""The figures can be drawn, with what they are of."""

from __future__ import annotations

import io

import pytest

from lw_rl.experiments.drive import figures


@pytest.mark.parametrize("name", ["cost_figure", "choices_figure", "learning_figure"])
def test_figures_are_labelled(small, name):
    figure = getattr(figures, name)(small[0])
    assert all(ax.get_title() for ax in figure.axes)
    figure.savefig(io.BytesIO(), format="png")

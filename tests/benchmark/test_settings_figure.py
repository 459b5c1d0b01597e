"""The figure of the calibrated settings shows what their file says."""

from __future__ import annotations

import json
from importlib import resources

from click.testing import CliRunner

from lw_rl.benchmark.settings_figure import settings_figure
from lw_rl.certificate.settings import shipped
from lw_rl.cli import main


def test_a_panel_for_each_value_that_was_measured_with_the_value_marked():
    source = resources.files("lw_rl.certificate").joinpath("calibrated.json")
    values = json.loads(source.read_text())["values"]
    values["step"]["rates"] = [
        {"value": value, "stops": 10, "false": 2, "compared": 5, "over_budget": 1}
        for value in (1.0, 2.0)
    ]
    *panels, legend = settings_figure({"values": values}).axes
    assert {"false convergence", "over budget", "in use"} <= {
        text.get_text() for text in legend.get_legend().get_texts()
    }
    names = [ax.get_title().partition(":")[0] for ax in panels]
    assert set(names) == {"step", "combination", "plain", "defect", "rough", "moved", "allowance"}
    for name, ax in zip(names, panels, strict=True):
        marked = next(line for line in ax.lines if line.get_label() == "in use")
        assert marked.get_xdata()[0] == getattr(shipped(), name)
        (label,) = ax.texts
        assert label.get_horizontalalignment() == "right"
        seen = values[name].get("quantiles") or values[name].get("defects")
        if seen:
            assert len(ax.lines[0].get_xdata()) == len(seen)
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[names.index("step")].lines}
    assert drawn["false convergence"] == [0.2, 0.2] and drawn["over budget"] == [0.2, 0.2]


def test_the_command_draws_the_settings_that_ship(tmp_path):
    picture = tmp_path / "settings.png"
    result = CliRunner().invoke(main, ["calibrate", "--figure", str(picture)])
    assert result.exit_code == 0, result.output
    assert picture.stat().st_size > 10_000

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
    panels = settings_figure({"values": values}).axes
    names = [ax.get_title().partition(":")[0] for ax in panels]
    assert set(names) == {"step", "combination", "plain", "defect", "rough", "moved"}
    for name, ax in zip(names, panels, strict=True):
        assert getattr(shipped(), name) in [line.get_xdata()[0] for line in ax.lines]
        assert len(ax.lines[0].get_xdata()) == len(
            values[name].get("quantiles") or values[name]["defects"]
        )


def test_the_command_draws_the_settings_that_ship(tmp_path):
    picture = tmp_path / "settings.png"
    result = CliRunner().invoke(main, ["calibrate", "--figure", str(picture)])
    assert result.exit_code == 0, result.output
    assert picture.stat().st_size > 10_000

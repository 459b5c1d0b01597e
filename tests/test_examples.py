"""The gallery: every script is short, and runs.

The site (`.ci/run` builds it) runs all of them too, and a script that fails ends the build. Here
those of a few seconds run by default, the others with ``pytest -m slow``.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("plot_*.py"))
#: Scripts that take a few seconds, imports included.
QUICK = ("plot_one_line", "plot_own_atom", "plot_paper")


PARAMETERS = [
    pytest.param(s, id=s.stem, marks=[] if s.stem in QUICK else [pytest.mark.slow]) for s in SCRIPTS
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_is_short_and_says_what_it_is_for(script):
    lines = script.read_text().splitlines()
    assert len(lines) < 40
    assert lines[0] == '"""' and set(lines[2]) == {"="} and len(lines[2]) == len(lines[1])
    assert any(line.startswith("# %%") for line in lines)


@pytest.mark.parametrize("script", PARAMETERS)
def test_a_script_runs_and_draws(script, monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.gcf().axes)))
    try:
        runpy.run_path(str(script), run_name="__main__")
        assert shown and all(shown), "a figure with something in it"
    finally:
        plt.close("all")


def test_the_quick_ones_are_there():
    assert set(QUICK) <= {script.stem for script in SCRIPTS}

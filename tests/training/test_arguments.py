"""Arguments of a training run: what is refused, and that they need no torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields

import pytest

from lw_rl.errors import TrainingError
from lw_rl.training.arguments import Args


def test_every_argument_has_a_help():
    assert all(len(f.metadata["help"]) > 10 for f in fields(Args)) and Args().seed == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"gamma": 1.0}, "gamma must be at least 0 and below 1"),
        ({"learning_rate": 1e-5}, "must not rise"),
        ({"levels": 9}, "levels must be at most"),
    ],
)
def test_arguments_that_no_run_can_be_made_of(arguments, message):
    with pytest.raises(TrainingError, match=message):
        Args(**arguments)


def test_they_need_no_torch():
    code = "import sys, lw_rl.cli.train; print({'torch', 'stable_baselines3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr

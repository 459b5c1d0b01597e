"""The command `lw-rl` in an empty folder, and a policy's files."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import random_weights

from lw_rl.cli import main
from lw_rl.policies import actor


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run `lw-rl` in an empty folder, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path.parent / "cache"))

    def run(*args):
        return CliRunner().invoke(main, [str(a) for a in args], prog_name="lw-rl")

    return run


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made and not drawn, which takes longest; what they show is tested elsewhere."""

    def write(self, target, **_):
        target.write(b"") if hasattr(target, "write") else Path(target).write_bytes(b"")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", write)


@pytest.fixture(scope="session")
def policy(tmp_path_factory, architecture):
    """The card of a policy that knows nothing, whose file is called "mine"."""
    path = tmp_path_factory.mktemp("policy") / "mine.json"
    return actor.save(path, architecture, random_weights(architecture, scale=0.1), 0.3, {})

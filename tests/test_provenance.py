"""Versions that results depend on."""

from __future__ import annotations

import platform
from importlib.metadata import version

import lw_rl
from lw_rl.provenance import versions


def test_versions_are_those_installed():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["lightweaver"] == version("lightweaver")
    assert found["lw-rl"] == lw_rl.__version__ == version("lw-rl")
    assert set(found) == {"python", "lw-rl", "lightweaver", "numpy", "scipy"}


def test_a_package_that_is_not_installed_has_an_unknown_version(monkeypatch):
    monkeypatch.setattr(
        "lw_rl.provenance.version", lambda package: version(f"no-such-package-{package}")
    )
    assert set(versions().values()) == {platform.python_version(), "unknown"}

"""What importing the package costs, and what it leaves alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

import lw_rl

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_torch_is_not_imported_by_solving():
    code = """
import sys, lw_rl
for name in lw_rl.__all__:
    getattr(lw_rl, name)
ctx = lw_rl.build_context("CaII_K", "FALC")
lw_rl.iterate_ctx_rl(ctx, scheme="anderson", quiet=True, NmaxIter=3)
print(sorted({m.split(".")[0] for m in sys.modules} & {"torch", "stable_baselines3"}))
"""
    assert run(code) == "[]"


def test_import_time_is_below_one_and_a_half_times_that_of_lightweaver():
    # In one process, so that both are measured under the same load: what lw_rl adds to lightweaver,
    # every public name resolved. The best of three, since other work only ever adds time.
    code = """
from time import perf_counter
t0 = perf_counter()
import lightweaver
t1 = perf_counter()
import lw_rl
for name in lw_rl.__all__:
    getattr(lw_rl, name)
print((perf_counter() - t0) / (t1 - t0))
"""
    assert min(float(run(code)) for _ in range(3)) < 1.5


@pytest.mark.parametrize("name", lw_rl.__all__)
def test_every_public_name_is_there(name):
    assert getattr(lw_rl, name) is not None
    assert name in dir(lw_rl)


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="no attribute 'iterate_ctx_se'"):
        lw_rl.iterate_ctx_se  # noqa: B018


def test_environments_are_registered_by_string():
    for name in ("SigmoidSource", "StatEquil"):
        entry = gymnasium.spec(f"lw_rl/{name}-v0").entry_point
        assert isinstance(entry, str) and entry.endswith(f":{name}")


def test_a_script_in_the_root_of_a_checkout_finds_everything():
    """... where it imports these sources, whatever is installed."""
    code = f"""
import sys
sys.meta_path = [f for f in sys.meta_path if "__editable__" not in repr(f)]
sys.path.insert(0, {str(ROOT)!r})
import lw_rl.atoms, lw_rl.atmospheres
print(lw_rl.atmospheres.__file__)
"""
    assert run(code) == str(ROOT / "atmospheres/__init__.py")

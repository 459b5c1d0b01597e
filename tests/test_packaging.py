"""What is in the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What is not part of the source: environments, results, and what earlier builds left.
_LEFT_OUT = shutil.ignore_patterns(".*", "build", "dist", "runs", "*.egg-info", "__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the source, without network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=_LEFT_OUT)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def source_files(folder, pattern):
    return {p.name for p in (ROOT / folder).glob(pattern)}


@pytest.mark.parametrize(
    ("folder", "inside", "pattern"),
    [
        ("atoms", "lw_rl/atoms", "*.py"),
        ("atmospheres", "lw_rl/atmospheres", "*.py"),
        ("atmospheres", "lw_rl/atmospheres", "*.atmos"),
        ("lw_rl", "lw_rl", "*.py"),
        ("lw_rl/cube", "lw_rl/cube", "*.py"),
        ("lw_rl/envs", "lw_rl/envs", "*.py"),
        ("lw_rl/schemes", "lw_rl/schemes", "*.py"),
        ("lw_rl/training", "lw_rl/training", "*.py"),
        ("lw_rl/policies", "lw_rl/policies", "*.*"),
        ("lw_rl/policies/drivers", "lw_rl/policies/drivers", "*.json"),
    ],
)
def test_every_source_file_is_in_the_wheel(wheel, folder, inside, pattern):
    expected = {f"{inside}/{name}" for name in source_files(folder, pattern) - {"__pycache__"}}
    assert expected and expected <= set(wheel.namelist())


def test_the_wheel_has_what_it_must_and_nothing_else(wheel):
    names = wheel.namelist()
    assert "lw_rl/py.typed" in names
    assert {"FALA.atmos", "FALC.atmos", "FALF.atmos", "FALX.atmos"} <= {
        n.rsplit("/", 1)[-1] for n in names
    }
    roots = {n.split("/")[0] for n in names}
    assert {r for r in roots if not r.endswith(".dist-info")} == {"lw_rl"}
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_metadata(wheel):
    (name,) = [n for n in wheel.namelist() if n.endswith("METADATA")]
    metadata = wheel.read(name).decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist")]
    always = [line for line in required if "extra ==" not in line]
    assert not any("torch" in line or "stable" in line for line in always)
    assert any("torch" in line and "train" in line for line in required)
    (entry,) = [n for n in wheel.namelist() if n.endswith("entry_points.txt")]
    assert "lw-rl = lw_rl.cli:main" in wheel.read(entry).decode()


def test_every_policy_is_weights_and_a_card(wheel):
    files = [n for n in wheel.namelist() if n.startswith("lw_rl/policies/")]
    costs = "lw_rl/policies/drivers/costs.json"
    cards = {n.removesuffix(".json") for n in files if n.endswith(".json") and n != costs}
    weights = {n.removesuffix(".safetensors") for n in files if n.endswith(".safetensors")}
    assert cards == weights
    assert not any(n.endswith((".pkl", ".pt", ".pth", ".zip")) for n in files)


def test_the_calibrated_settings_are_in_it(wheel):
    assert "lw_rl/certificate/calibrated.json" in wheel.namelist()


@pytest.mark.slow
def test_the_public_names_are_typed_for_those_who_install_it(wheel, tmp_path):
    """What a user's mypy sees of the wheel: Any is only what the host does not type."""
    pytest.importorskip("mypy")
    wheel.extractall(tmp_path / "site")
    names = (
        "iterate_ctx_rl", "solve", "accelerate", "build_context", "atoms.make", "atoms.CaII_K",
        "atmospheres.load", "atmospheres.from_arrays", "cube.solve",
    )  # fmt: skip
    script = tmp_path / "script.py"
    script.write_text("import lw_rl\n" + "".join(f"reveal_type(lw_rl.{n})\n" for n in names))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--ignore-missing-imports", str(script)], cwd=tmp_path,
        capture_output=True, text=True, env={**os.environ, "MYPYPATH": str(tmp_path / "site")},
    )  # fmt: skip
    revealed = [line for line in done.stdout.splitlines() if line.startswith("script.py")]
    assert len(revealed) == len(names) and all('type is "def (' in line for line in revealed)


def test_the_citation_is_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation

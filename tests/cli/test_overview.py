"""`lw-rl overview`: a block of the README and its figure, from result files."""

from __future__ import annotations

import json
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = [str(EXAMPLES / name) for name in ("gallery_bench.json", "lines_bench.json")]


def test_table_figure_and_readme(command, tmp_path):
    readme = tmp_path / "R.md"
    readme.write_text("before\n<!-- begin overview -->\n<!-- end overview -->\nafter\n")
    done = command("overview", *FILES, "--readme", "R.md", "--figure", "f.png")
    assert done.exit_code == 0, done.output
    text = readme.read_text()
    assert "| two-level line | 8 |" in text and text.endswith("-->\nafter\n")
    assert "of Lightweaver's gallery" in done.stdout
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 60
    assert (tmp_path / "f.png").stat().st_size > 20_000


def test_json(command):
    rows = json.loads(command("overview", *FILES, "--json").stdout)
    assert rows[0]["problem"] == "two-level line" and rows[0]["problems"] == "8"


def test_mistakes_are_one_line(command, tmp_path):
    (tmp_path / "R.md").write_text("nothing")
    done = command("overview", *FILES, "--readme", "R.md")
    assert done.exit_code == 2 and "there is no block 'overview'" in done.stderr
    done = command("overview", *FILES, "--figure", "f.xyz")
    assert done.exit_code == 2 and "xyz" in done.stderr
    cubes = str(EXAMPLES / "cube_bench/cube_bench.json")
    done = command("overview", cubes, "--figure", "f.png")
    assert done.exit_code == 2 and "lw-rl bench --suite gallery" in done.stderr
    assert not (tmp_path / "f.png").exists()

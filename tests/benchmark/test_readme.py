"""The README: its commands are those of .ci/run, its numbers those of a program."""

from __future__ import annotations

from pathlib import Path

import pytest

from lw_rl.benchmark import readme
from lw_rl.errors import ReadmeError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()

SMALL = """\
```python
print(6 * 7)
```
<!-- begin example-output -->
old
<!-- end example-output -->
<!-- begin fal -->
<!-- end fal -->
rest
"""


def test_blocks_are_replaced_and_nothing_else():
    text = readme.renew(SMALL, {"fal": "| a \\1 |\n"})
    assert "begin example-output -->\n```text\n42\n```\n<!-- end" in text
    assert "<!-- begin fal -->\n| a \\1 |\n<!-- end fal -->\nrest" in text
    assert readme.renew(text, {"fal": "| a \\1 |"}) == text, "doing it twice changes nothing"


def test_missing_block_and_failing_example():
    with pytest.raises(ReadmeError, match="begin grid"):
        readme.require_blocks(SMALL, ["grid"])
    with pytest.raises(ReadmeError, match="ZeroDivisionError"):
        readme.run_example(SMALL.replace("6 * 7", "1 / 0"))
    with pytest.raises(ReadmeError, match="no Python code block"):
        readme.example("nothing")


def test_readme_has_its_blocks_and_its_figure():
    readme.require_blocks(TEXT, ["fal", "example-output", "test-command"])
    assert len(readme.example(TEXT).strip().splitlines()) <= 12
    assert (ROOT / "examples/figures/CaII_K_FALC.png").stat().st_size < 200_000


def test_ci_takes_the_test_command_from_the_readme():
    assert "begin test-command" in (ROOT / ".ci/run").read_text()
    command = TEXT.split("<!-- begin test-command -->")[1].split("<!-- end")[0]
    assert ".venv/bin/pytest" in command and command.count("\n") == 4

"""README and site: their commands are those of .ci/run, their numbers those of programs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from lw_rl import errors
from lw_rl.benchmark import readme
from lw_rl.errors import ReadmeError

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text()
DOCS = ROOT / "examples/docs"
PAGES = [p for p in DOCS.rglob("*.md") if not {"gallery", "api"} & {*p.relative_to(DOCS).parts}]

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


def test_readme_is_short_and_has_its_blocks_and_its_figure():
    readme.require_blocks(TEXT, ["overview", "example-output", "test-command", "site-command"])
    assert len(TEXT.splitlines()) <= 130
    assert len(readme.example(TEXT).strip().splitlines()) <= 12
    (figure,) = re.findall(r"!\[.*\]\((.*)\)", TEXT)
    assert (ROOT / figure).stat().st_size < 250_000
    for link in re.findall(r"\]\((?!http)([^)]*)\)", TEXT):
        assert (ROOT / link).exists(), link


@pytest.mark.parametrize("what", ["test", "site"])
def test_ci_takes_its_commands_from_the_readme(what):
    """... by the markers alone."""
    script = (ROOT / ".ci/run").read_text()
    assert "for what in test site" in script and "begin $1-command" in script
    command = TEXT.split(f"<!-- begin {what}-command -->")[1].split("<!-- end")[0]
    program = {"test": ".venv/bin/pytest", "site": ".venv/bin/sphinx-build -W"}[what]
    assert program in command and command.count("\n") == 4


def test_every_table_of_the_site_has_one_place_and_the_command_that_fills_it():
    """The same markers as in the README, in Markdown pages."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text()
        names = re.findall(r"<!-- begin (\S+) -->", text)
        assert not set(names) & found.keys(), f"{page}: {names}"
        found |= {name: str(page.relative_to(ROOT)) for name in names}
        readme.require_blocks(text, names)
        for given in re.findall(r"--readme (\S+)\.md", text):
            assert (ROOT / f"{given}.md").exists() or given.startswith(".."), given
    for suite in ("fal", "prd", "grid", "random", "moving", "photosphere", "gallery", "atoms",
                  "atoms-prd", "atoms-charge"):  # fmt: skip
        page = found[suite]
        assert f"--suite {suite} " in (ROOT / page).read_text().replace("\n", " ")
    assert {"cubes", "learner", "architecture", "entropy", "soak-test"} <= found.keys()


def test_every_error_has_a_line_in_the_guide():
    page = (ROOT / "examples/docs/guide/errors.md").read_text()
    named = {n for n in errors.__all__ if f"`{n}`" in page or f"lw_rl.{n}" in page}
    assert named == set(errors.__all__)


def test_the_gallery_begins_with_one_changed_line():
    """... and scripts without a place of their own come last, by name."""
    key = runpy.run_path(str(DOCS / "gallery_order.py"))["GalleryOrder"]("")
    names = ["plot_zeta.py", "plot_paper.py", "plot_one_line.py", "plot_beta.py"]
    assert sorted(names, key=key) == [names[2], names[1], names[3], names[0]]

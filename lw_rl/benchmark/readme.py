"""The generated blocks of README and pages: tables, and the output of the example.

A block lies between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. The example is the first
Python code block; its output goes into the block ``example-output``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import ReadmeError
from ..files import write_atomically

__all__ = ["example", "renew", "renew_block", "replace_block", "require_blocks", "run_example"]

_EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)
_OUTPUT = "example-output"


def _pattern(name: str) -> re.Pattern[str]:
    name = re.escape(name)
    return re.compile(f"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.DOTALL)


def require_blocks(text: str, names: Iterable[str]) -> None:
    """Check that a text has every block, before anything is computed for it.

    Raises
    ------
    ReadmeError
        If a block is not there.
    """
    for name in names:
        if not _pattern(name).search(text):
            raise ReadmeError(
                f"there is no block {name!r}: write the lines '<!-- begin {name} -->' and "
                f"'<!-- end {name} -->' where it is to go"
            )


def replace_block(text: str, name: str, content: str) -> str:
    """Return the text with new content between the marks of a block.

    Raises
    ------
    ReadmeError
        If the block is not there.
    """
    require_blocks(text, [name])
    return _pattern(name).sub(lambda m: f"{m[1]}{content.rstrip()}\n{m[2]}", text)


def renew_block(path: Path, name: str, content: str) -> None:
    """Put new content between the marks of a block in a file, in one step.

    Raises
    ------
    ReadmeError
        If the block is not there.
    """
    write_atomically(path, replace_block(path.read_text(), name, content).encode())


def example(text: str) -> str:
    """Return the code of the example.

    Raises
    ------
    ReadmeError
        If there is none.
    """
    match = _EXAMPLE.search(text)
    if match is None:
        raise ReadmeError("there is no Python code block to run as the example")
    return match[1]


def run_example(text: str) -> str:
    """Run the example in a fresh interpreter and return what it prints.

    Raises
    ------
    ReadmeError
        If it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", example(text)],
            capture_output=True, text=True, cwd=folder,
        )  # fmt: skip
    if done.returncode:
        raise ReadmeError(f"the example failed: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def renew(text: str, tables: Mapping[str, str]) -> str:
    """Return the text with new tables and, where there is a block for it, new example output.

    Parameters
    ----------
    text : str
        The README, or a page of the site.
    tables : mapping of str to str
        Markdown by block name.

    Raises
    ------
    ReadmeError
        If a block is not there, or the example fails.
    """
    for name, table in tables.items():
        text = replace_block(text, name, table)
    if _pattern(_OUTPUT).search(text):
        text = replace_block(text, _OUTPUT, f"```text\n{run_example(text).rstrip()}\n```")
    return text

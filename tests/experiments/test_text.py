"""How the reports write numbers, and templates that take them from a result."""

from __future__ import annotations

import pytest

from lw_rl.experiments.quartiles import quartiles
from lw_rl.experiments.text import Content, count, error, error_span, flow, rounds, span, table

CONTENT = Content(
    {"a": {"b": [1.0, 0.25], "eps=0.1": 3}, "s": quartiles([1.0, 2.0, 3.0]), "never": None}
)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "none"),
        (1.234e-5, "1.2e-05"),
        (0.0123, "1.2 %"),
        (0.1234, "12.3 %"),
        (11.0, "1,100 %"),
    ],
)
def test_error(value, written):
    assert error(value) == written


def test_numbers_and_ranges():
    s = quartiles([0.01, 0.02, 0.03])
    assert span(s) == "0.02 [0.015, 0.025]"
    assert error_span(s) == "2 % [1.5 %, 2.5 %]"
    assert span(quartiles([])) == "none"
    assert (rounds(None), rounds(1234.5)) == ("never", "1,234")
    assert (count(None), count(7)) == ("-", "7")


def test_a_template_is_filled_by_paths():
    template = """{a/b/0:.1f} of {a/b:/.2f},
        {a/b/1:.0%}, {a/eps=0.1}, {s:span}, {never:rounds}"""
    assert CONTENT.write(template) == "1.0 of 1.00 / 0.25, 25 %, 3, 2 [1.5, 2.5], never"
    assert CONTENT["a/b/1"] == 0.25
    assert "a/b" in CONTENT and "a/c" not in CONTENT


def test_a_path_that_leads_nowhere_is_an_error():
    with pytest.raises(KeyError, match="c"):
        CONTENT.write("{a/c}")


def test_table_and_flow():
    made = table(("x", "y"), [("1", "2")])
    assert made == "| x | y |\n|---|---|\n| 1 | 2 |"
    long = "word " * 40
    text = flow(f"# {long}\n\n{made}\n\n{long}")
    heading, kept, paragraph = text.split("\n\n")
    assert heading == f"# {long}" and kept == made
    assert max(map(len, paragraph.splitlines())) <= 100 < len(long)

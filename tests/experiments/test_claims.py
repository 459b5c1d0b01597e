"""Claims and their one renderer."""

from __future__ import annotations

import pytest

from lw_rl.experiments.claims import (
    Claim,
    Section,
    claims_table,
    content,
    listed,
    render,
    rows,
    verdicts,
)

RESULT = {
    "labels": {"a": "first"},
    "facts": {"known": 3.0},
    "summary": {"runs": {"a": {"n": 1}, "b": {"n": 2}}},
    "runs": "raw",
}
LARGE = Claim("It is large.", "{known:.1f}", lambda c: c["known"] > 5.0)
ODD = Claim("It is {known:.0f}.", lambda c: str(c["known"]), lambda c: True)
OPEN = Claim("Something.", "{runs/a/n}")
SECTIONS = (
    Section("Title", None, ("A first line of {known:.0f}.", LARGE, ODD)),
    Section("More", "picture", (OPEN, lambda c: "", rows("runs", {"who": "{label}", "n": "{n}"}))),
)


def test_a_report_is_rendered_from_its_claims():
    assert render(SECTIONS, RESULT, {"picture": "p.png"}) == (
        "# Title\n\n"
        "A first line of 3.\n\n"
        "| claim | found | holds |\n|---|---|---|\n"
        "| It is large. | 3.0 | no |\n| It is 3. | 3.0 | yes |\n\n"
        "## More\n\n"
        "![More](p.png)\n\n"
        "| claim | found | holds |\n|---|---|---|\n| Something. | 1 | - |\n\n"
        "| who | n |\n|---|---|\n| first | 1 |\n| b | 2 |\n"
    )


def test_every_claim_is_plain_data():
    assert verdicts(SECTIONS, RESULT) == [
        {"claim": "It is large.", "found": "3.0", "holds": False},
        {"claim": "It is 3.", "found": "3.0", "holds": True},
        {"claim": "Something.", "found": "1", "holds": None},
    ]


def test_verdicts_follow_the_result():
    other = {**RESULT, "facts": {"known": 7.0}}
    assert verdicts(SECTIONS, other)[0] == {"claim": "It is large.", "found": "7.0", "holds": True}


@pytest.mark.parametrize("needs", ["runs/c", "elsewhere/c"])
def test_what_was_not_measured_is_left_out(needs):
    claim = Claim("It is there.", "{runs/c/n}", lambda c: c["runs/c/n"] > 0, needs)
    assert claim.found(content(RESULT)) == ("It is there.", "left out", None)
    assert rows(needs, {"n": "{n}"})(content(RESULT)) == ""


def test_columns_may_have_other_headings_or_no_verdicts():
    made = claims_table([LARGE], content(RESULT), ("what", "value"))
    assert made == "| what | value |\n|---|---|\n| It is large. | 3.0 |"
    assert rows(lambda c: {"a": {"n": 1}}, {"of {known:.0f}": "{name}{n}"}, {})(
        content(RESULT)
    ).startswith("| of 3 |")


def test_entries_are_listed_with_their_labels():
    assert listed("runs", "{n}")(content(RESULT)) == "first 1; b 2"

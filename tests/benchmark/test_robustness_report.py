"""The tally of a soak: what is counted, how it is written, read again and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from lw_rl.benchmark.robustness_records import ProblemRecord, SolveRecord
from lw_rl.benchmark.robustness_report import (
    FORMAT,
    LEGEND,
    Counts,
    SoakFileError,
    Tally,
    load,
    markdown,
    tables,
)

EXAMPLES = Path(__file__).parents[2] / "examples"

GOOD = {
    "entry": "depthwise", "outcome": "converged", "Nformal": 12, "budget": 20.6, "estimate": 8e-4,
    "method": "policy", "bound": 2e-3, "error": 3e-4, "physical": True,
}  # fmt: skip


def solve(**changes):
    return SolveRecord(**{**GOOD, **changes})


def test_what_is_wrong_is_counted():
    counts = Counts()
    assert counts.add(solve(), 1e-3) == []
    assert counts.add(solve(error=5e-3), 1e-3) == ["false convergence", "error above bound"]
    assert counts.add(solve(Nformal=21), 1e-3) == ["over budget"]
    assert counts.add(solve(physical=False), 1e-3) == ["unphysical"]
    failed = solve(outcome="ValueError", message="ValueError: x")
    assert counts.add(failed, 1e-3) == ["raised"]
    assert (counts.solves, counts.converged, counts.judged) == (5, 4, 4)
    assert (counts.false_convergence, counts.covered, counts.within_5x) == (1, 3, 4)
    assert counts.over_budget == 1
    assert sum(counts.ratios) == 4
    counts.add(solve(other_fixed_point=True), 1e-3)
    assert (counts.other_fixed_point, counts.false_convergence) == (1, 1)


def test_without_a_reference_nothing_is_judged():
    counts = Counts()
    assert counts.add(solve(error=None), 1e-3) == []
    assert (counts.converged, counts.judged, counts.compared) == (1, 0, 1)


def test_counts_add_up():
    a, b = Counts(), Counts()
    a.add(solve(), 1e-3)
    b.add(solve(error=5e-3), 1e-3)
    both = a + b
    assert (both.solves, both.false_convergence, both.covered) == (2, 1, 1)
    assert both.outcomes == {"converged": 2} and sum(both.ratios) == 2


def test_offenders_are_listed_by_name():
    tally = Tally({"popsTol": 1e-3})
    tally.add(ProblemRecord("one", [solve(), solve(Nformal=30, budget=20.0)], True, 2.0))
    tally.add(ProblemRecord("two", [solve(error=None)], False, 3.0))
    assert (tally.done, tally.no_reference, tally.seconds) == (2, 1, 5.0)
    (offender,) = tally.offenders
    assert offender["problem"] == "one" and offender["wrong"] == ["over budget"]
    assert offender["budget"] == 20.0 and "message" not in offender


def test_a_tally_is_read_as_it_was_written(tmp_path):
    arguments = {"seed": 1, "popsTol": 1e-3}
    tally = Tally(arguments, command="lw-rl soak")
    record = ProblemRecord("p", [solve(budget=float("inf"), error=5e-3)], True)
    tally.add(record)
    tally.save(tmp_path / "soak.json", {"numpy": "2"})
    fields = json.loads((tmp_path / "soak.json").read_bytes())
    assert fields["format"] == FORMAT == 2 and fields["versions"] == {"numpy": "2"}
    # JSON has no infinity.
    assert fields["offenders"][0]["budget"] is None
    again = load(tmp_path / "soak.json", arguments)
    assert again.entries == tally.entries and again.as_dict() == tally.as_dict()


def test_result_files_that_are_no_continuation_are_refused(tmp_path):
    out = tmp_path / "soak.json"
    tally = Tally({"seed": 1, "popsTol": 1e-3})
    tally.save(out, {})
    with pytest.raises(SoakFileError, match="of another soak"):
        load(out, {"seed": 2, "popsTol": 1e-3})
    for written, named in ((1, "format 1"), (3, "format 3")):
        out.write_text(json.dumps({**tally.as_dict(), "format": written}))
        with pytest.raises(SoakFileError, match=f"{named}, this lw_rl has format 2"):
            load(out, tally.arguments)
    # The first format did not say so.
    out.write_text(json.dumps({"arguments": {}, "done": 3, "entries": {}}))
    with pytest.raises(SoakFileError, match="format 1"):
        load(out, {})
    for text in ("{}", "[]", "no JSON", '{"format": 2, "entries": {"mali": {"dear": 1}}}'):
        out.write_text(text)
        with pytest.raises(SoakFileError, match="not the result file"):
            load(out, {"seed": 2})
    assert load(tmp_path / "none.json", {"seed": 2}).done == 0


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("soak_*.json")), ids=lambda p: p.stem)
def test_the_shipped_result_files_are_read_and_rendered(path):
    arguments = json.loads(path.read_bytes())["arguments"]
    tally = load(path, arguments)
    lines = markdown(tally).splitlines()
    assert lines[0] == (
        "| scheme | stops | false convergence | other fixed point | estimate covers error | "
        "within 5x | bound covers error | over budget |"
    )
    mali = "mali_scattering" if arguments["family"] == "atoms" else "mali"
    assert any(line.startswith(f"| {mali} | ") for line in lines)
    assert f"{tally.done:,} problems" in lines[-1] and tally.command in lines[-1]


def test_adversarial_policies_share_a_row_in_markdown():
    tally = Tally({"popsTol": 1e-3})
    names = ["depthwise", "adversarial ones", "adversarial zeros"]
    tally.add(ProblemRecord("p", [solve(entry=name) for name in names], True))
    rows = [line.split(" | ")[:2] for line in markdown(tally).splitlines()[2:4]]
    assert rows == [["| depthwise", "1"], ["| depthwise, adversarial policies", "2"]]


def test_the_table_has_a_row_per_entry():
    tally = Tally({"popsTol": 1e-3})
    tally.add(ProblemRecord("p", [solve(), solve(entry="adversarial ones", Nformal=30)], True))
    console = Console(width=60)
    with console.capture() as capture:
        console.print(*tables(tally))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert lines[0] == "1 problems, 0 without a reference"
    ends, held = (line.split() for line in lines if line.startswith("adversarial ones"))
    assert ends == ["adversarial", "ones", "1", "1", "0", "0", "0"]
    assert held[2:4] == ["100.0", "%"] and held[-3:] == ["1", "of", "1"]
    assert max(map(len, lines)) <= 60 and "…" not in "".join(lines)
    assert all(head in LEGEND for head in ("false", "covers error", "within 5x", "over budget"))


def test_all_but_one_is_not_a_hundred_per_cent():
    counts = Counts(judged=4060, covered=4060, within_5x=2030, bounded=4060, bound_covered=4059)
    text = markdown(Tally({}, entries={"mali": counts}))
    assert (
        "| mali | 4,060 | 0 | 0 | 100.0 % of 4,060 | 50.0 % of 4,060 | 99.9 % of 4,060 | - |"
        in text.splitlines()
    )

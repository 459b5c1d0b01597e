"""The profile of a solve as a table, a figure and JSON."""

import json

from rich.console import Console

from lw_rl.benchmark.profile import PARTS, Profile
from lw_rl.benchmark.profile_report import profile_figure, profile_json, profile_table

PROFILE = Profile(
    problem="CaII_K FALC",
    scheme="default call",
    Nspace=82,
    formal_solution=1e-3,
    context=5e-3,
    total=1e-3 * len(PARTS),
    seconds={part: 1e-3 for part in PARTS},
    calls={"operators built": 3},
)


def test_the_table_is_in_units_of_a_formal_solution():
    console = Console(width=200, record=True, file=open("/dev/null", "w"))
    console.print(profile_table([PROFILE]))
    (row,) = (line.split() for line in console.export_text().splitlines() if "FALC" in line)
    assert row[-3:] == [f"{len(PARTS)}.00", "5.00", "3"] and row.count("1.00") == len(PARTS) + 1


def test_bars_are_stacked():
    axes = profile_figure([PROFILE, PROFILE]).axes[0]
    ends = [bar.get_x() + bar.get_width() for container in axes.containers for bar in container]
    assert len(axes.containers) == len(PARTS) and max(ends) == len(PARTS)
    assert [t.get_text() for t in axes.get_legend().get_texts()] == list(PARTS)


def test_json_has_both_units():
    (entry,) = json.loads(json.dumps(profile_json([PROFILE])))
    assert entry["total_in_formal_solutions"] == 6.0 and entry["total"] == 6e-3
    assert entry["in_formal_solutions"]["operator"] == 1.0

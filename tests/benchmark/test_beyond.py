"""What is beyond one solve, measured on what is small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lw_rl.benchmark import beyond
from lw_rl.benchmark.beyond import refined, responses, sequence, time_series
from lw_rl.benchmark.readme import replace_block


def test_responses_are_cheap_and_right():
    pytest.importorskip("xarray")
    found = responses("CaII_K", "temperature", every=20)
    assert found["formal_solutions"] == 2
    assert found["Ca II K"]["smooth"] < 1e-2
    assert found["Ca II K"]["outside"] < 1e-2
    assert found["Ca II K"]["sum"] < 1e-2
    assert found["estimate"] < 1e-2
    assert found["differences_formal_solutions"] > 30 * found["formal_solutions"]


def test_where_sides_do_not_agree_steps_are_shorter():
    # A kink at a two-hundredth of the step, one at a tenth and a bit, and nothing.
    kinks = np.array([[0.005, 0.15, np.inf], [np.inf, np.inf, np.inf]])
    asked = []

    def make(step, depths):
        asked.append((step.copy(), depths))
        up = np.where(step > kinks, 2.0, 1.0)
        return np.array([up, np.ones_like(up)])

    step, size = np.ones(3), np.array([1.0, np.inf])
    sides = make(step, [0, 1, 2])
    beyond._closer(make, sides, step, size, [0, 1, 2])
    assert [depths for _, depths in asked] == [[0, 1, 2], [0, 1], [0]]
    assert [float(s[0]) for s, _ in asked] == [1.0, 0.1, 0.01]
    np.testing.assert_array_equal(sides[0], [[2.0, 1.0, 1.0], [1.0, 1.0, 1.0]])


def test_differences_that_were_made_are_not_made_again(tmp_path):
    file, counted = tmp_path / "kept.npz", []

    def make():
        counted.append(1)
        return np.arange(3.0)

    for _ in range(2):
        kept = beyond._Kept(file, lambda: counted.append(0))
        np.testing.assert_array_equal(kept.made("5 0.1", make), np.arange(3.0))
    assert counted == [1, 0, 0]
    kept.done()
    assert not file.exists()


def test_refined_populations_take_two_more_at_most():
    """From LTE the radiation field is known before the first formal solution."""
    found = refined("CaII_K")
    for name in ("3 %", "30 %", "ten", "upper"):
        assert found[name]["formal_solutions"] <= found["LTE"] + 2
        assert found[name]["error"] < 1e-3


def test_a_sequence_counts_every_member():
    found = sequence("CaII_K", 2)
    assert 1.0 <= found["in place"]["mean"] <= found["in place"]["most"]


@pytest.mark.slow
def test_steps_in_time_are_the_hosts():
    found = time_series(steps=2, finer=2)
    assert found["time_step"]["against host, tight"] < 1e-3
    assert found["time_step"]["formal_solutions"] < found["host"]["formal_solutions"]
    assert found["time_step"]["most_of_a_step"] <= 4


def test_a_result_that_was_begun_is_gone_on_with(tmp_path, monkeypatch):
    file, made = tmp_path / "result.json", []

    def measured(*arguments, **keywords):
        made.append(arguments)
        if len(made) == 4:
            raise KeyboardInterrupt
        return {"counted": len(made)}

    for name in ("refined", "sequence", "time_series", "responses"):
        monkeypatch.setattr(beyond, name, measured)
    with pytest.raises(KeyboardInterrupt):
        beyond.main(str(file), quiet=True)
    beyond.main(str(file), quiet=True)
    found = json.loads(file.read_text())
    assert (
        len(made) == 1 + sum(len(found[kind]) for kind in ("refined", "sequence", "responses")) + 1
    )
    assert found["refined"]["CaII_K"] == {"counted": 1}
    assert found["responses"]["MgII vlos"] == {"counted": len(made)}


def test_the_guide_has_the_tables_of_the_result():
    root = Path(__file__).parents[2] / "examples"
    found = json.loads((root / "beyond_result.json").read_text())
    page = (root / "docs" / "guide" / "beyond_one_solve.md").read_text()
    assert replace_block(page, "beyond", beyond.markdown(found)) == page
    for name, r in found["responses"].items():
        assert r["differences_formal_solutions"] > 30 * r["formal_solutions"]
        for line in beyond.LINES[name.split()[0]]:
            assert r[line]["smooth"] < 1e-2
            assert r[line]["outside"] < 1e-2
            assert r[line]["sum"] < 1e-2
    for r in found["refined"].values():
        assert all(r[k]["formal_solutions"] <= r["LTE"] + 1 for k in r if k != "LTE")
    assert found["time_series"]["H"]["time_step"]["most_of_a_step"] <= 4

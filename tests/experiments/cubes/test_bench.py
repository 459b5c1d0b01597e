"""The parts of `lw-rl cube-bench`: what is measured again, and what is kept."""

from __future__ import annotations

import json

import pytest

from lw_rl.experiments.cubes import bench
from lw_rl.experiments.cubes.bench import Plan, conditions, kept, load, run


def test_a_part_is_put_beside_those_that_there_are(tmp_path):
    """On a cube of four columns, and not of 64 as the command has it at least."""
    file = tmp_path / "cube_bench.json"
    file.write_text(json.dumps({"kills": {"different": []}}))
    seen = []
    run("start", Plan(side=2), tmp_path, "lw-rl cube-bench", seen.append)
    document = load(file)
    assert document["kills"] == {"different": []} and seen == ["start"]
    found = document["start"]
    assert found["command"] == "lw-rl cube-bench"
    assert found["smooth"]["neighbour"]["columns"] == found["shocks"]["policy"]["columns"] == 3
    assert kept(document, "start", Plan(side=2)) and not kept(document, "start", Plan(side=3))
    # What a part does not depend on is no reason to measure it again.
    assert kept(document, "start", Plan(side=2, kills=3))
    assert [p.name for p in tmp_path.iterdir()] == ["cube_bench.json"]


def test_what_an_interrupted_part_left_is_removed(tmp_path, monkeypatch):
    def measured(plan, work, notify):
        assert not work.exists()
        work.mkdir()
        return {"found": plan.seed}

    monkeypatch.setattr(bench, "PARTS", {"truth": (measured, ("seed",))})
    (tmp_path / "work_truth").mkdir()
    run("truth", Plan(seed=3), tmp_path, "command", lambda text: None)
    assert load(tmp_path / "cube_bench.json")["truth"]["found"] == 3
    assert not (tmp_path / "work_truth").exists()


def test_there_is_nothing_in_a_file_that_is_not_there(tmp_path):
    assert load(tmp_path / "none.json") == {} and not kept({}, "truth", Plan())


@pytest.mark.parametrize("part", bench.PARTS)
def test_conditions_are_fields_of_the_plan_versions_and_policy(part):
    found = conditions(part, Plan(line="MgII_k", start="policy"))
    assert "lightweaver" in found["versions"] and found["policy"].startswith("default ")
    assert found.get("line", "MgII_k") == "MgII_k" and found.get("start", "policy") == "policy"
    assert json.loads(json.dumps(found)) == found


def test_the_plan_gives_settings():
    assert Plan().settings == {"line": "CaII_K"}
    assert Plan(start="policy").settings == {"line": "CaII_K", "start": "policy"}

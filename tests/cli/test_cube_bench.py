"""`lw-rl cube-bench`: which parts it measures, and what it makes of the result file."""

from __future__ import annotations

import json

import pytest
from bench_document import BENCH

from lw_rl.experiments.cubes import bench


@pytest.fixture
def stub(monkeypatch):
    """Parts of the bench that measure nothing, and a list of those that were run."""
    ran = []

    def part(name, depends):
        def measured(plan, work, notify):
            ran.append(name)
            if name == "kills" and len(ran) == 2:
                raise KeyboardInterrupt
            return BENCH[name]

        return measured, depends

    parts = {name: part(name, depends) for name, (_, depends) in bench.PARTS.items()}
    monkeypatch.setattr(bench, "PARTS", parts)
    return ran


def test_bench_keeps_what_was_measured_before(command, stub, tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cube_bench.json").write_text(json.dumps({"kills": {"different": []}}))
    words = ("cube-bench", "--part", "start", "--side", "8", "--out", "b")
    done = command(*words)
    assert done.exit_code == 0, done.output
    assert "from the neighbour's departure coefficients" in " ".join(done.output.split())
    document = json.loads((tmp_path / "b" / "cube_bench.json").read_text())
    assert document["kills"] == {"different": []}
    assert document["start"]["command"] == "lw-rl cube-bench --part start --side 8 --out b"
    assert (tmp_path / "b" / "cube_bench.png").read_bytes()[:4] == b"\x89PNG"


def test_bench_goes_on_with_the_parts_that_are_missing(command, stub):
    words = ("cube-bench", "--part", "truth", "--part", "kills", "--out", "b", "--side", "8")
    assert command(*words).exit_code != 0 and stub == ["truth", "kills"]
    assert command(*words).exit_code == 0 and stub == ["truth", "kills", "kills"]
    assert command(*words).exit_code == 0 and len(stub) == 3
    # What a part does not depend on is no reason to measure it again.
    assert command(*words, "--kills", "3").exit_code == 0 and stub[3:] == ["kills"]
    assert command(*words, "--kills", "3", "--again").exit_code == 0 and len(stub) == 6


def test_bench_measures_again_with_another_policy(command, stub, monkeypatch):
    words = ("cube-bench", "--part", "truth", "--out", "b")
    command(*words)
    monkeypatch.setattr(bench, "policy_id", lambda policy: "another")
    command(*words)
    assert stub == ["truth", "truth"]


def test_the_readme_is_written_from_the_result_file(command, tmp_path, stub):
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- begin cubes -->\nold\n<!-- end cubes -->\nafter\n")
    stub.append("so that kills does not stop it")
    done = command("cube-bench", "--out", "b", "--readme", "README.md")
    assert done.exit_code == 0, done.output
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    for said in (
        "- FALC.hdf5: the true error is not above the estimate in 24 of 25 columns",
        "- 64 columns on 2 workers: 50.0 columns/s",
        "1000 bytes",
        "4 kills on 64 columns (worker 3, client 1): the output is different in intensity.",
        "version 1 refused at 3.00 to 3.10 formal solutions on held-out columns",
        "Measured by `lw-rl cube-bench --out b --readme README.md`.",
    ):
        assert said in text, text
    assert command("cube-bench", "--out", "b", "--readme", "b/cube_bench.json").exit_code == 2


@pytest.mark.slow
def test_the_whole_measurement_small(command, tmp_path):
    done = command("cube-bench", "--part", "rate", "--side", "8", "--sample", "8", "--out", "b")
    assert done.exit_code == 0, done.output
    rate = json.loads((tmp_path / "b" / "cube_bench.json").read_text())["rate"]
    assert rate["plain"]["worst_true_error"] <= 1e-3 and rate["large"]["failed"] == 0
    assert rate["plain"]["policy_worst_true_error"] <= 1e-3
    assert rate["large"]["columns"] == 64 and rate["small"]["columns"] == 16
    assert rate["times_plain_pool"] > 0 and rate["memory_growth"] > 0
    # One round of three is in the middle, for each of the three by itself.
    for name in ("plain", "large", "one_worker"):
        rates = sorted(turn[name] for turn in rate["rounds"])
        assert len(rates) == 3 and rate[name]["columns_per_second"] == rates[1]

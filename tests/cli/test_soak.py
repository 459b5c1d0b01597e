"""`lw-rl soak`: the same counts however often it is interrupted, and a table for the README."""

from __future__ import annotations

import json

import pytest


def test_a_soak_continues_where_it_ended_with_any_number_of_processes(command, tmp_path):
    few = ("--no-adversarial-policies", "--quiet", "--out")
    for out, runs in (("whole.json", [("6", "1")]), ("parts.json", [("2", "1"), ("6", "2")])):
        for n, workers in runs:
            done = command("soak", "--n", n, "--workers", workers, *few, out)
            assert done.exit_code == 0 and done.output == "", done.output
    a, b = (json.loads((tmp_path / f"{name}.json").read_bytes()) for name in ("whole", "parts"))
    for fields in (a, b):
        del fields["seconds"]
    assert a == b
    assert a["command"] == "lw-rl soak --n 6 --no-adversarial-policies"
    # One that is finished makes a README's table, and nothing else.
    readme = tmp_path / "README.md"
    readme.write_text("<!-- begin soak-hostile -->\n<!-- end soak-hostile -->\n")
    done = command("soak", "--n", "6", *few, "whole.json", "--readme", readme)
    assert done.exit_code == 0, done.output
    again = json.loads((tmp_path / "whole.json").read_bytes())
    assert again == {**a, "seconds": pytest.approx(0, abs=100)}
    text = readme.read_text()
    assert "| mali | " in text and "6 problems" in text
    assert "false convergence | other fixed point | estimate covers error" in text


def test_another_seed_has_a_block_of_its_own(command, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("<!-- begin soak-hostile-9 -->\n<!-- end soak-hostile-9 -->\n")
    done = command("soak", "--n", "1", "--seed", "9", "--readme", readme)
    assert done.exit_code == 0, done.output
    assert "--seed 9`" in readme.read_text()
    assert "1 problems" in done.stdout and "result file: soak.json" in done.stdout


def test_a_missing_block_is_named_before_anything_is_solved(command, tmp_path):
    (tmp_path / "README.md").write_text("no block\n")
    done = command("soak", "--readme", "README.md")
    assert done.exit_code == 2 and "begin soak-hostile" in done.stderr
    assert not (tmp_path / "soak.json").exists()


def test_the_json_is_the_tally(command):
    done = command("soak", "--n", "1", "--family", "test", "--json", "--out", "t.json")
    fields = json.loads(done.stdout)
    assert fields["done"] == 1 and fields["arguments"]["family"] == "test"
    assert sorted(fields["entries"]) == ["adversarial zeros", "depthwise", "mali"]


def test_the_old_spelling_of_an_option(command, tmp_path):
    words = ("soak", "--n", "1", "--family", "test", "--scheme", "mali", "--quiet")
    with pytest.warns(DeprecationWarning, match="--no-adversarial-policies"):
        assert command(*words, "--no-hostile-policies").exit_code == 0
    fields = json.loads((tmp_path / "soak.json").read_bytes())
    assert fields["arguments"]["adversarial"] == []
    assert fields["command"].endswith("--scheme mali --no-adversarial-policies")
    assert "hostile-policies" not in command("soak", "--help").output


def test_a_result_file_of_another_format_is_refused(command, tmp_path):
    old = {"arguments": {}, "done": 200, "entries": {"mali": {"dear": 0}}}
    (tmp_path / "soak.json").write_text(json.dumps(old))
    done = command("soak", "--n", "201")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1
    assert "soak.json is a result file of format 1, this lw_rl has format 2" in done.stderr
    assert json.loads((tmp_path / "soak.json").read_text()) == old


def test_unknown_schemes_are_refused(command, tmp_path):
    done = command("soak", "--scheme", "sor")
    assert done.exit_code == 2 and "unknown scheme 'sor'" in done.stderr
    assert list(tmp_path.iterdir()) == []

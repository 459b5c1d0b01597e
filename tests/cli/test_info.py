"""`lw-rl info`: what there is."""

from __future__ import annotations

import json

from lw_rl import atmospheres, atoms, problems, schemes
from lw_rl.cli.info import card_lines
from lw_rl.policies import actor


def test_info(command):
    done = command("info")
    assert done.exit_code == 0
    for name in (*atoms.known(), *atmospheres.known(), *schemes.known(), *problems.known()):
        assert name in done.stdout
    fields = json.loads(command("info", "--json").stdout)
    assert fields["atoms"] == atoms.known()
    assert set(fields["policies"]) == set(actor.known())
    assert "policy default" not in command("info", "--quiet").stdout


def test_the_card_is_for_people(command):
    said = command("info").stdout
    assert "{" not in said and "channels" not in said, "no raw JSON"
    assert "formal solutions on unseen problems: mean" in " ".join(said.split())
    assert all(len(line.rstrip()) <= 80 for line in said.splitlines())


def test_a_card_that_lacks_entries():
    assert card_lines({}) == []
    assert card_lines({"seed": 3, "validation": {"mean_1e-03": 2.5}}) == [
        ("to 1e-3", "formal solutions on unseen problems: mean 2.5"),
        ("seed", "3"),
    ]

"""`lw-rl info`: what there is."""

from __future__ import annotations

import json

from lw_rl import atmospheres, atoms, problems, schemes
from lw_rl.policies import actor


def test_info(command):
    done = command("info")
    assert done.exit_code == 0
    for name in (*atoms.known(), *atmospheres.known(), *schemes.known(), *problems.known()):
        assert name in done.stdout
    fields = json.loads(command("info", "--json").stdout)
    assert fields["atoms"] == atoms.known()
    assert set(fields["policies"]) == set(actor.known())
    assert len(command("info", "--quiet").stdout.splitlines()) == 5

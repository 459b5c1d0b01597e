"""A study of the smallest kind, run once."""

from __future__ import annotations

import pytest

from lw_rl.problems import shipped_problem


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Its result, and its folder."""
    pytest.importorskip("stable_baselines3")
    from lw_rl.experiments.drive import study
    from lw_rl.experiments.drive.problems import Amounts

    def few(amounts, unseen):
        first = 26 if unseen else 20
        lines = [shipped_problem("CaII_K", "FALC", N) for N in range(first, first + 3)]
        return {"coarse": lines[:2], "fine": lines[2:]}

    out = tmp_path_factory.mktemp("drive")
    none = Amounts(0, 0, 0, 0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "problems", few)
        result = study.run(study.Settings(none, none, 20, 2), out, "lw-rl study drive")
        again = study.run(study.Settings(none, none, 20, 2), out, "lw-rl study drive")
    return result, again, out

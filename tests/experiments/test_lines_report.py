"""The table of the study of policies on atoms with many levels."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from lw_rl.experiments import lines_report


def test_failures_are_counted_and_do_not_count():
    solve = {"problem": "CaII FALC 82", "row": "nonlocal", "seed": 0, "policy": ""}
    found = [
        {**solve, "to": 4, "stop": 5, "iterations": 20.0, "stop_error": 1e-4},
        {
            **solve,
            "problem": "H FALC 82",
            "to": None,
            "stop": None,
            "iterations": 900.0,
            "stop_error": 0.5,
        },
    ]
    text = lines_report.markdown({"study": "lines", "solves": found, "seeds": [], "all": 2})
    assert "| coupled operator alone | 4.0 (1) | 5.0 (1) | 20.0 (1) |" in text
    assert "| MALI, scattering solved | - | - | - |" in text


def test_a_seed_that_has_not_solved_all_problems_of_a_kind_is_left_out():
    row = {"row": "policy beside it, always asked", "policy": "always", "stop_error": 1e-4}
    found = [
        {**row, "problem": f"{atom} FALC 82", "seed": k, "to": k, "stop": k, "iterations": 9.0,
         "asked": 2, "answered": 2}
        for atom in ("H", "CaII") for k in (1, 2, 3, 4)
    ]  # fmt: skip
    text = lines_report.markdown(
        {"study": "lines", "solves": found[:-1], "seeds": [1, 2, 3, 4], "all": 9}
    )
    assert "4 seeds | 2.0 [1.5, 2.5; 3] |" in text and "2 of 9 solves are still to be made" in text

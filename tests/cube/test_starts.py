"""Where the next column of a block begins."""

from __future__ import annotations

import pytest

from lw_rl.cube.starts import StartChoice


def run(choice, costs, columns):
    """Return where each column began; costs say what a column takes from either start."""
    began = []
    for k in range(columns):
        begin = choice.next(neighbour=k > 0)
        began.append(begin)
        choice.note(begin, costs(k)[begin])
    return began


def test_without_a_neighbour_there_is_no_choice():
    for start in ("policy", "neighbour", "measured"):
        assert StartChoice(start).next(neighbour=False) == "policy"


@pytest.mark.parametrize("start", ["policy", "neighbour"])
def test_what_is_asked_for_is_done(start):
    assert run(StartChoice(start), lambda k: {"policy": 9, "neighbour": 9}, 40)[1:] == [start] * 39


@pytest.mark.parametrize("cheaper", ["policy", "neighbour"])
def test_the_cheaper_start_is_taken_and_the_other_tried_now_and_then(cheaper):
    costs = {"policy": 6, "neighbour": 6, cheaper: 3}
    began = run(StartChoice("measured"), lambda k: costs, 64)
    assert set(began[:5]) == {"policy", "neighbour"}
    late = began[5:]
    assert late.count(cheaper) >= len(late) - 4 and set(late) == {"policy", "neighbour"}


def test_of_equal_starts_the_neighbour_is_taken_which_takes_less_time():
    began = run(StartChoice("measured"), lambda k: {"policy": 3, "neighbour": 3}, 64)
    assert began[5:].count("neighbour") > 50


def test_it_follows_when_columns_change():
    def costs(k):
        return {"policy": 4, "neighbour": 3 if k < 40 else 9}

    began = run(StartChoice("measured"), costs, 160)
    assert began[20:40].count("neighbour") >= 18
    assert began[-40:].count("policy") >= 36

"""Problems of the study: those of the test are not those of training."""

from __future__ import annotations

from lw_rl.experiments.drive.problems import GROUPS, amounts, group_of, problems


def test_groups_do_not_overlap():
    few = amounts(40)
    train, unseen = problems(few, False), problems(few, True)
    names = [{p.name for members in half.values() for p in members} for half in (train, unseen)]
    assert not names[0] & names[1]
    assert sum(map(len, train.values())) == len(names[0]) == 40
    assert set(group_of(train).values()) == set(GROUPS)


def test_even_one_problem_is_divided():
    assert sum(vars(amounts(1)).values()) >= 1

"""What the adapter hands out, without a context."""

import numpy as np
import pytest

from lw_rl.host.state import Atom, Block, Continuum, Evaluation, Line


def evaluation(r):
    r = np.asarray(r, dtype=float)
    valid = bool(np.all(np.isfinite(r)))
    return Evaluation(np.arange(float(r.size)), r, (Block(0, r.size, (r.size,)),), valid)


def test_a_block_is_a_slice_of_the_unknown():
    y = np.arange(10.0)
    first, second = Block(0, 4, (4,)), Block(4, 10, (2, 3))
    np.testing.assert_array_equal(np.concatenate([y[first.span], y[second.span]]), y)
    assert y[second.span].reshape(second.shape).shape == (2, 3)
    # It names an atom where operators are kept.
    assert {first: 1, Block(0, 4, (4,)): 2} == {first: 2}


def test_the_plain_update_is_one_residual_further():
    e = evaluation([0.5, -1.0, 0.25])
    np.testing.assert_array_equal(e.y_plain, [0.5, 0.0, 2.25])


def test_the_residual_norm_is_the_largest_absolute_value():
    assert evaluation([0.1, -0.7, 0.2]).residual_norm == 0.7
    assert evaluation([0.1, 0.9, -0.7]).residual_norm == 0.9
    assert evaluation([0.1, np.nan, 0.2]).residual_norm == np.inf


def test_evaluations_and_blocks_do_not_change():
    with pytest.raises(AttributeError):
        evaluation([0.0]).valid = False
    with pytest.raises(AttributeError):
        Block(0, 1, (1,)).start = 3


def test_the_physics_of_a_line_is_found_when_it_is_asked_for():
    made = []
    line = Line(0, 1, lambda: made.append(1))
    atom = Atom("Ca", 3, (line, Continuum(1, 2)), None)
    assert [(t.lower, t.upper) for t in atom.transitions] == [(0, 1), (1, 2)]
    assert not made
    line.physics()
    assert made

"""What light in every geometry has in common: the tie to the host's, and the rows of rates."""

import numpy as np
from multilevel_helpers import Evaluated, problem

from lw_rl.operator.coupled_light import Rows, Tie


def test_a_tie_makes_the_hosts_mean_intensity():
    host = np.array([[1.0, 3.0, 1e-6, 5.0]])
    formal = np.array([[2.0, 2.5, 1.0, 1.0]])
    tie = Tie.between(host, formal)
    # But where the host has less than the least ratio.
    np.testing.assert_allclose((tie.ratio * formal + tie.outside)[0, [0, 1, 3]], host[0, [0, 1, 3]])
    assert tie.ratio.max() <= 2.0 and tie.outside[0, 3] == 3.0
    np.testing.assert_array_equal(tie.at(np.array([3])).outside, [[3.0]])


def test_a_line_has_one_row_and_a_continuum_two():
    transfer = Evaluated(problem("hydrogen")).equations.transfer
    rows = Rows.of(transfer)
    lines = int(rows.single.sum())
    assert 0 < lines < len(transfer.lower)
    assert rows.Nrow == lines + 2 * (len(transfer.lower) - lines)

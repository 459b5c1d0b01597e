"""Blocks of columns: every column in one of them."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.cube.window import Window, block_shape, windows


def test_a_window_as_an_index():
    cube = np.arange(24).reshape(2, 3, 4)
    window = Window(1, 0, 2, 1, 4)
    assert window.shape == (2, 3)
    np.testing.assert_array_equal(cube[window.slices], cube[1:2, 0:2, 1:4])


def test_blocks_cover_every_column_once():
    shape = (2, 5, 4)
    seen = np.zeros(shape, int)
    for window in windows(shape, (2, 3)):
        seen[window.slices] += 1
    assert np.all(seen == 1)


@pytest.mark.parametrize(
    ("shape", "block"),
    [((1, 5, 5), (2, 2)), ((1, 64, 64), (8, 8)), ((3, 16, 12), (2, 2)), ((1, 1, 9), (1, 2)),
     ((1, 4000, 2), (11, 2)),
     ((1, 3162, 3162), (16, 16))],
)  # fmt: skip
def test_the_block_that_a_cube_gets(shape, block):
    assert block_shape(shape) == block
    # Where a column takes seconds, the first block is back within a minute.
    assert block_shape(shape, quick=False) == tuple(min(side, 4) for side in block)

"""The types of arrays: what a function that is given one may rely on."""

from typing import get_args

import numpy as np

from lw_rl.arrays import Array, Integers, Single


def element(kind):
    return get_args(get_args(kind)[1])[0]


def test_elements_are_of_one_kind():
    assert element(Array) is np.float64
    assert element(Single) is np.float32
    assert element(Integers) is np.intp

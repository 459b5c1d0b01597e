"""Columns with the states visited on them, which tests of fine-tuning share."""

from __future__ import annotations

from functools import cache

from cube_helpers import small_cube

from lw_rl.cube.column import Workshop
from lw_rl.cube.recorder import VisitedStates
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.window import Window
from lw_rl.policies import make_policy


@cache
def nine_columns() -> list[VisitedStates]:
    """Nine columns solved by the shipped policy. Not to be changed."""
    columns = Source(small_cube(3, 3)).read(Window(0, 0, 3, 0, 3))
    shop, policy = Workshop(CubeSettings()), make_policy("default")
    return [shop.solve(columns.column(k), policy, record=True).visited for k in range(9)]

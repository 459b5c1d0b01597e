"""How far a cube is."""

from __future__ import annotations

import math

import numpy as np

from lw_rl.cube.layout import fields
from lw_rl.cube.progress import Progress, progress_of
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.store import Output


def test_formal_solutions_are_counted_for_each_column_that_converged():
    assert Progress(columns=10, failed=2, Nformal=24).mean_Nformal == 3.0
    assert math.isnan(Progress(columns=2, failed=2).mean_Nformal)


def test_rate_and_time_left_are_those_of_this_run():
    assert math.isnan(Progress(columns=8, already=8, total=20, seconds=3.0).left)
    progress = Progress(columns=12, already=8, total=20, seconds=2.0)
    assert progress.rate == 2.0 and progress.left == 4.0


def test_progress_of_an_output_that_nobody_works_on(cube, tmp_path):
    output = Output(tmp_path / "out.zarr", Source(cube), CubeSettings(), np.arange(7.0), (2, 3))
    sizes = {"mu": 1, "wavelength": 7, "level": 2, "depth": cube.sizes["depth"]}
    values = {
        name: np.full((6, *[sizes[d] for d in f.dims]), "" if f.dtype == "str" else 1)
        for name, f in fields(output.settings).items()
    }
    values["outcome"][4] = 3
    output.commit(output.windows[0], values)
    assert progress_of(output) == Progress(columns=6, total=12, failed=1, already=6, Nformal=5)
    output.close()

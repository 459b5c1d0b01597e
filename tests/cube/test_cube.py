"""The package: its public names, what importing it costs, and what it says without the extra."""

from __future__ import annotations

import subprocess
import sys

import pytest

import lw_rl.cube
from lw_rl.cube.settings import CubeSettings


def python(code):
    return subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-c", code], capture_output=True, text=True
    )


def test_the_package_imports_nothing_of_dask():
    done = python(
        "import sys, lw_rl, lw_rl.cube; dir(lw_rl.cube)\n"
        "print({'dask', 'distributed', 'xarray', 'zarr', 'h5netcdf'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_workers_import_no_torch():
    code = "import sys, lw_rl.cube.block, lw_rl.cube.engine; print('torch' in sys.modules)"
    done = python(code)
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.parametrize("name", lw_rl.cube.__all__)
def test_every_public_name_is_there(name):
    assert getattr(lw_rl.cube, name) is not None and name in dir(lw_rl.cube)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'sovle'"):
        lw_rl.cube.sovle  # noqa: B018


def test_the_name_of_release_0_1_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match="lw_rl.cube.Settings is called CubeSettings"):
        assert lw_rl.cube.Settings is CubeSettings


def test_a_missing_package_is_named():
    done = python(
        "import sys; sys.modules['zarr'] = None; sys.modules['distributed'] = None\n"
        "from lw_rl import cube\n"
        "try: cube.solve\n"
        "except ImportError as err: print(type(err).__name__, err)"
    )
    assert done.stdout.startswith("MissingExtraError cubes need distributed, zarr"), done.stderr
    assert "pip install 'dask>=" in done.stdout

"""The output: what it holds, when a block counts, what is refused before any work."""

from __future__ import annotations

import errno
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
import zarr
from cube_helpers import DEPTHS, small_cube

from lw_rl.cube.column import OUTCOMES
from lw_rl.cube.layout import fields
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.source import Source
from lw_rl.cube.store import Output, open_output
from lw_rl.cube.window import Window
from lw_rl.errors import CubeOutputError, CubeSettingsError

WAVELENGTH = np.linspace(393.0, 394.0, 7)


@pytest.fixture(scope="module")
def source():
    return Source(small_cube(5, 4, nt=2))


@pytest.fixture
def make(tmp_path, source):
    """Open the output, closing the one before."""
    opened = []

    def open_it(settings=None, block=(2, 2), path=None, data=None, **kwargs):
        while opened:
            opened.pop().close()
        output = Output(
            path or tmp_path / "out.zarr", data or source, settings or CubeSettings(), WAVELENGTH,
            block, **kwargs,
        )  # fmt: skip
        opened.append(output)
        return output

    yield open_it
    while opened:
        opened.pop().close()


def values(output, window, number=1.0):
    """Arrays for a block, all of them equal to a number."""
    sizes = {"mu": 1, "wavelength": 7, "level": 2, "depth": DEPTHS}
    n = window.shape[0] * window.shape[1]
    return {
        name: np.full((n, *[sizes[d] for d in f.dims]), "why" if f.dtype == "str" else number)
        for name, f in fields(output.settings).items()
    }


def test_the_output_opens_in_xarray_with_names_units_and_provenance(make, tmp_path):
    output = make(
        CubeSettings(tau_one=True, keep="populations"), attrs={"policy_card": {"name": "p"}}
    )
    output.commit(output.windows[0], values(output, output.windows[0]))
    ds = xr.open_zarr(tmp_path / "out.zarr")
    assert ds.intensity.dims == ("t", "x", "y", "mu", "wavelength")
    assert ds.tau_one.dims == ds.intensity.dims and ds.tau_one.units == "m"
    assert ds.populations.dims == ("t", "x", "y", "level", "depth")
    assert ds.populations.units == "m-3" and ds.intensity.units == "J s-1 m-2 sr-1 Hz-1"
    assert ds.wavelength.units == "nm" and ds.x.units == "m"
    np.testing.assert_array_equal(ds.wavelength, WAVELENGTH)
    assert ds.outcome.flag_meanings.split() == list(OUTCOMES)
    assert json.loads(ds.attrs["settings"])["line"] == "CaII_K"
    assert json.loads(ds.attrs["policy_card"]) == {"name": "p"}
    assert "lightweaver" in json.loads(ds.attrs["versions"])
    done = ds.outcome.values > 0
    assert done.sum() == 4 and done[0, :2, :2].all()
    assert np.all(np.isfinite(ds.intensity.values) == done[..., None, None])
    ds.to_netcdf(tmp_path / "out.nc", engine="h5netcdf")


def test_a_block_counts_when_its_outcomes_are_there_and_not_before(make, monkeypatch):
    output = make()
    first, second = output.windows[:2]
    output.commit(first, values(output, first))
    names = list(fields(output.settings))
    assert names[-1] == "outcome"
    # Interrupted before the last array: everything of the block is there but its outcomes.
    whole = values(output, second)
    with pytest.raises(KeyError):
        output.commit(second, {k: v for k, v in whole.items() if k != "outcome"})
    assert np.isfinite(open_output(output.path).intensity.values[second.slices]).all()
    again = make()
    assert second in again.pending() and first not in again.pending()
    assert again.totals() == (4, 0, 4)
    again.commit(second, whole)
    assert len(make().pending()) == len(output.windows) - 2


def test_edges_of_the_cube(make):
    output = make(block=(3, 3))
    for window in output.windows:
        output.commit(window, values(output, window, number=1 + window.t))
    ds = output.dataset()
    assert np.all(ds.formal_solutions.values[0] == 1) and np.all(ds.formal_solutions.values[1] == 2)
    assert output.pending() == []


def test_it_goes_on_with_the_block_that_it_has(make):
    make(block=(2, 3))
    assert make(block=None).block == (2, 3)
    with pytest.raises(CubeSettingsError, match=r"block was \(2, 3\), is \(1, 1\)"):
        make(block=(1, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (CubeSettings(popsTol=1e-4), "popsTol was 0.001, is 0.0001"),
        (CubeSettings(line="MgII_k"), "line was 'CaII_K', is 'MgII_k'"),
        (CubeSettings(policy="other"), "policy was 'default', is 'other'"),
        (CubeSettings(mus=(1.0, 0.5)), r"mus was \[1.0\], is \[1.0, 0.5\]"),
    ],
)
def test_other_settings_are_refused_with_the_difference(make, settings, message):
    make()
    with pytest.raises(CubeSettingsError, match=message):
        make(settings)


def test_another_cube_is_refused(make):
    make()
    with pytest.raises(CubeSettingsError, match="input was"):
        make(data=Source(small_cube(5, 4, nt=2, seed=9)))


def test_a_folder_of_something_else_is_left_alone(make, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(CubeOutputError, match="is not the output of a cube"):
        make(path=tmp_path / "mine")
    xr.Dataset({"a": ("x", [1.0])}).to_zarr(tmp_path / "other.zarr", zarr_format=3)
    with pytest.raises(CubeOutputError, match="is not the output of a cube"):
        make(path=tmp_path / "other.zarr")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_a_place_that_cannot_be_written(make, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CubeOutputError, match="cannot be written"):
        make(path=tmp_path / "file" / "out.zarr")
    with pytest.raises(CubeOutputError, match="is not the output of a cube"):
        make(path=tmp_path / "file")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_disk_that_is_read_only_or_full_is_named_before_any_work(make, monkeypatch, number):
    def refused(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zarr, "open_group", refused)
    with pytest.raises(CubeOutputError, match=f"cannot be written: .*{os.strerror(number)}"):
        make()


def test_a_disk_that_is_too_small(make, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(CubeOutputError, match=r"needs up to 1.* GB, its disk has 1e-06 GB left"):
        make()


def test_a_disk_that_fills_up(make, monkeypatch):
    output = make()
    output.commit(output.windows[0], values(output, output.windows[0]))

    def full(array, index, value):
        if array.name == "/error_estimate":
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zarr.Array, "__setitem__", full)
    window = output.windows[1]
    with pytest.raises(CubeOutputError, match="No space left .* the same command goes on"):
        output.commit(window, values(output, window))
    assert make().totals()[0] == 4


def test_two_runs_do_not_write_one_output(make, source, tmp_path):
    make()
    with pytest.raises(CubeOutputError, match="is being written by another run"):
        Output(tmp_path / "out.zarr", source, CubeSettings(), WAVELENGTH)
    make()


def test_an_empty_folder_is_taken(make, tmp_path):
    (tmp_path / "out.zarr").mkdir()
    assert make().pending()


def test_attributes_come_back(make):
    output = make()
    assert output.attribute("learning") is None
    output.set_attribute("learning", [{"version": 1}])
    assert make().attribute("learning") == [{"version": 1}]
    assert json.loads(output.dataset().attrs["learning"]) == [{"version": 1}]


def test_an_output_that_is_not_there(tmp_path):
    with pytest.raises(CubeOutputError, match="cannot be opened"):
        open_output(tmp_path / "none.zarr")


def test_bytes_of_a_column(make):
    output = make()
    # Intensity and departure coefficients in single precision, and some numbers.
    assert 4 * (7 + 2 * DEPTHS) < output.bytes_per_column < 4 * (7 + 2 * DEPTHS) + 64
    assert Output.columns([Window(0, 0, 2, 0, 3)]) == 6

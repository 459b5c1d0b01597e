"""The layout of an output: its arrays, and one that is made whole or not at all."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import xarray as xr
import zarr

from lw_rl.cube.column import FINISHERS, OUTCOMES
from lw_rl.cube.layout import create, fields
from lw_rl.cube.settings import CubeSettings
from lw_rl.cube.store import open_output

SIZES = {"t": 1, "x": 3, "y": 2, "mu": 1, "wavelength": 7, "level": 2, "depth": 5}


def make(path, settings=None):
    coordinates = {"wavelength": xr.Variable(("wavelength",), np.arange(7.0), {"units": "nm"})}
    attrs = {"title": "a cube", "line_centre_nm": 393.5, "policy_card": {"name": "p"}}
    create(path, settings or CubeSettings(), SIZES, (2, 2), coordinates, attrs)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (CubeSettings(), {"departure"}),
        (CubeSettings(keep="populations", tau_one=True), {"populations", "tau_one"}),
        (CubeSettings(keep="none"), set()),
    ],
)
def test_the_settings_say_which_arrays_there_are(settings, names):
    found = fields(settings)
    assert {"departure", "populations", "tau_one"} & found.keys() == names
    # The array whose chunk says that a block is there is the last to be written.
    assert list(found)[-1] == "outcome"
    assert all(f.attrs["long_name"] for f in found.values())


def test_codes_and_their_meanings_are_in_the_same_order():
    found = fields(CubeSettings())
    for name, meanings in (("outcome", OUTCOMES), ("finisher", FINISHERS)):
        assert found[name].attrs["flag_meanings"].split() == list(meanings)
        assert found[name].attrs["flag_values"] == list(range(len(meanings)))


def test_codes_of_earlier_outputs_keep_their_meaning():
    assert OUTCOMES[:8] == (
        "pending", "converged", "invalid_atmosphere", "max_iterations", "diverged", "nonfinite",
        "error", "worker_lost",
    )  # fmt: skip


def test_an_empty_output_has_one_chunk_for_each_block(tmp_path):
    make(tmp_path / "out.zarr")
    ds = open_output(tmp_path / "out.zarr")
    assert ds.intensity.encoding["chunks"] == (1, 2, 2, 1, 7)
    assert np.isnan(ds.intensity).all() and not ds.outcome.any()
    assert ds.attrs["title"] == "a cube" and ds.attrs["line_centre_nm"] == 393.5
    assert json.loads(ds.attrs["policy_card"]) == {"name": "p"}
    np.testing.assert_array_equal(ds.wavelength, np.arange(7.0))
    # Consolidated metadata: xarray does not look for the arrays one after another.
    assert zarr.open_consolidated(tmp_path / "out.zarr")["outcome"].shape == (1, 3, 2)


def test_an_interrupted_creation_leaves_nothing_in_its_place(tmp_path, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
    make(tmp_path / "out.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["out.zarr"]
    assert not open_output(tmp_path / "out.zarr").outcome.any()

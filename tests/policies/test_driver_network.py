"""A driver's two files: read back as they were, refused where they are not."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import numpy as np
import pytest

from lw_rl.errors import OutOfRangeError, PolicyFileError, SchemaError
from lw_rl.policies.drive import DIALS, NAMES, Kind, Situation
from lw_rl.policies.driver_network import NetworkDriver, load_driver, save_driver

SITUATION = Situation(Kind(True, 1, False, False, False, 82, 82, 50, 5))


def driver(bound=100.0):
    rng = np.random.default_rng(0)
    sizes = [len(NAMES), 32, 32, len(DIALS)]
    layers = [
        (
            rng.standard_normal((n, m)).astype(np.float32) / np.float32(m),
            np.zeros(n, dtype=np.float32),
        )
        for m, n in pairwise(sizes)
    ]
    high = np.full(len(NAMES), bound, dtype=np.float32)
    return NetworkDriver(layers, -high, high, {"seed": 3})


@pytest.fixture
def saved(tmp_path):
    return save_driver(tmp_path / "d", driver()).with_suffix("")


def test_it_is_read_back_as_it_was(saved):
    found = load_driver(saved)
    assert found.card["seed"] == 3 and found.card["name"] == "d"
    assert found.decide(SITUATION) == driver().decide(SITUATION)
    assert saved.with_suffix(".safetensors").stat().st_size < 20_000


def test_it_decides_in_microseconds():
    d = driver()
    start = time.process_time()
    for _ in range(100):
        d.decide(SITUATION)
    assert (time.process_time() - start) / 100 < 5e-3


def test_outside_of_its_range_it_says_so():
    with pytest.raises(OutOfRangeError, match="'many_levels'|'one_line'"):
        driver(1e-6).decide(SITUATION)


def test_a_tampered_file_is_refused(saved):
    weights = saved.with_suffix(".safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(PolicyFileError, match="SHA-256"):
        load_driver(saved)


def test_another_schema_is_refused(saved):
    card = saved.with_suffix(".json")
    card.write_text(json.dumps({**json.loads(card.read_text()), "schema": 99}))
    with pytest.raises(SchemaError, match="99"):
        load_driver(saved)


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000])
def test_what_is_no_card_is_refused(saved, text):
    saved.with_suffix(".json").write_text(text)
    with pytest.raises(PolicyFileError, match="not one"):
        load_driver(saved)


def test_a_missing_or_huge_file_is_refused(saved, tmp_path):
    with pytest.raises(PolicyFileError, match="cannot read"):
        load_driver(tmp_path / "none")
    saved.with_suffix(".safetensors").write_bytes(bytes(2**20 + 1))
    with pytest.raises(PolicyFileError, match="more than"):
        load_driver(saved)


def test_weights_that_are_not_finite_or_do_not_fit_are_not_written(tmp_path):
    bad = driver()
    bad.layers[0][0][0, 0] = np.nan
    with pytest.raises(PolicyFileError, match="not finite"):
        save_driver(tmp_path / "bad", bad)
    bad = driver()
    with pytest.raises(PolicyFileError, match="do not lead from"):
        save_driver(tmp_path / "bad", NetworkDriver(bad.layers[1:], bad.low, bad.high))

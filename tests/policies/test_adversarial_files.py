"""Weight files and cards that someone tampered with: refused by name, in bounded time and memory.

=================================================== ==========================================
safeguard (where)                                   test
=================================================== ==========================================
the card's digest covers the weights (actor.parse)  test_mutated_weights_are_refused[...]
names, shapes, types and values are checked         the same with ``signed=True``: the digest is
(actor._check_tensors)                              made to fit, as an attacker would
nothing is unpickled (safetensors)                  test_a_pickle_is_not_run
sizes are checked before reading (actor.load)       test_a_bomb_is_refused_unread
=================================================== ==========================================
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import resource
import tracemalloc
import zipfile

import numpy as np
import pytest
from conftest import random_weights
from safetensors.numpy import save as save_tensors

from lw_rl.errors import LwRlError, PolicyFileError
from lw_rl.policies import actor
from lw_rl.policies.network import Architecture
from lw_rl.policies.observation import NCHANNELS

ARCHITECTURE = Architecture(channels=NCHANNELS, width=4, levels=2)


@pytest.fixture(scope="module")
def policy_bytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "p"
    card = actor.save(path, ARCHITECTURE, random_weights(ARCHITECTURE), 1.0, {})
    return card.with_suffix(".safetensors").read_bytes(), card.read_bytes()


def signed(weights: bytes, card: bytes) -> bytes:
    fields = json.loads(card)
    fields["sha256"] = hashlib.sha256(weights).hexdigest()
    return json.dumps(fields).encode()


def header(weights: bytes) -> tuple[dict, bytes]:
    size = int.from_bytes(weights[:8], "little")
    return json.loads(weights[8 : 8 + size]), weights[8 + size :]


def with_header(fields, data: bytes) -> bytes:
    text = json.dumps(fields).encode()
    return len(text).to_bytes(8, "little") + text + data


def truncated(rng, weights):
    return weights[: int(rng.integers(0, len(weights)))]


def flipped_in_the_header(rng, weights):
    size = int.from_bytes(weights[:8], "little")
    data = bytearray(weights)
    for _ in range(int(rng.integers(1, 8))):
        data[int(rng.integers(0, 8 + size))] ^= 1 << int(rng.integers(0, 8))
    return bytes(data)


def not_finite(rng, weights):
    data = bytearray(weights)
    size = int.from_bytes(weights[:8], "little")
    at = 8 + size + 4 * int(rng.integers(0, (len(data) - 8 - size) // 4))
    data[at : at + 4] = np.float32(rng.choice([np.nan, np.inf, -np.inf])).tobytes()
    return bytes(data)


def wrong_type(rng, weights):
    fields, data = header(weights)
    names = [k for k in fields if k != "__metadata__"]
    fields[str(rng.choice(names))]["dtype"] = str(rng.choice(["F64", "I32", "F16", "X", "BOOL"]))
    return with_header(fields, data)


def wrong_shape(rng, weights):
    fields, data = header(weights)
    name = str(rng.choice([k for k in fields if k != "__metadata__"]))
    choices = [[1], [2**62, 4], [-1, 3], [], [3, 3, 3], [*fields[name]["shape"][::-1], 1]]
    fields[name]["shape"] = choices[int(rng.integers(0, len(choices)))]
    return with_header(fields, data)


def wrong_offsets(rng, weights):
    fields, data = header(weights)
    name = str(rng.choice([k for k in fields if k != "__metadata__"]))
    fields[name]["data_offsets"] = [int(v) for v in rng.integers(0, 2**40, 2)]
    return with_header(fields, data)


def wrong_names(rng, weights):
    fields, data = header(weights)
    name = str(rng.choice([k for k in fields if k != "__metadata__"]))
    tricks = ["../../etc/passwd", "/tmp/x", "C:\\x", "a" * 10_000, "\0", "__class__", "${HOME}"]
    fields[str(rng.choice(tricks))] = fields.pop(name)
    return with_header(fields, data)


def one_missing(rng, weights):
    shapes = ARCHITECTURE.shapes()
    kept = [k for k in shapes if k != str(rng.choice(list(shapes)))]
    return save_tensors({k: np.zeros(shapes[k], np.float32) for k in kept[:-1]})


def garbage(rng, weights):
    return rng.bytes(int(rng.integers(0, 4096)))


def huge_header(rng, weights):
    return int(rng.integers(2**20, 2**63)).to_bytes(8, "little") + weights[8:]


MUTATIONS = [
    truncated, flipped_in_the_header, not_finite, wrong_type, wrong_shape, wrong_offsets,
    wrong_names, one_missing, garbage, huge_header,
]  # fmt: skip


@pytest.mark.parametrize("mutate", MUTATIONS, ids=lambda m: m.__name__)
def test_mutated_weights_are_refused(mutate, policy_bytes):
    """Fifty of each kind, five hundred in all, with the digest as it was and made to fit."""
    weights, card = policy_bytes
    refused = unchanged = 0
    tracemalloc.start()
    for seed in range(50):
        mutated = mutate(np.random.default_rng(seed), weights)
        if mutated == weights:
            unchanged += 1
            continue
        with pytest.raises(PolicyFileError):
            actor.parse(mutated, card, "mutated")
        try:
            loaded = actor.parse(mutated, signed(mutated, card), "mutated")
        except PolicyFileError:
            refused += 1
            continue
        # A flipped bit may leave a header that says the same in other words: then so do the arrays.
        original = actor.parse(weights, card, "original")
        for name, array in original.network.weights.items():
            assert loaded.network.weights[name].shape == array.shape
            assert np.all(np.isfinite(loaded.network.weights[name]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert unchanged == 0
    assert refused >= 49 if mutate is not flipped_in_the_header else refused >= 40


@pytest.mark.parametrize("seed", range(60))
def test_mutated_cards_are_refused_or_mean_the_same(seed, policy_bytes):
    weights, card = policy_bytes
    rng = np.random.default_rng(seed)
    data = bytearray(card)
    for _ in range(int(rng.integers(1, 6))):
        data[int(rng.integers(0, len(data)))] = int(rng.integers(0, 256))
    try:
        loaded = actor.parse(weights, bytes(data), "mutated")
    except LwRlError:
        return
    assert loaded.network.architecture == ARCHITECTURE


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["LW_RL_EVIL"],)


def test_a_pickle_is_not_run(tmp_path, policy_bytes, monkeypatch):
    folder = tmp_path / "executed"
    monkeypatch.setenv("LW_RL_EVIL", str(folder))
    data = pickle.dumps(Evil())
    (tmp_path / "p.safetensors").write_bytes(data)
    (tmp_path / "p.json").write_bytes(signed(data, policy_bytes[1]))
    with pytest.raises(PolicyFileError):
        actor.load(tmp_path / "p.safetensors")
    (tmp_path / "p.json").write_bytes(data)
    with pytest.raises(PolicyFileError):
        actor.load(tmp_path / "p.json")
    assert not folder.exists()


def test_a_bomb_is_refused_unread(tmp_path, policy_bytes):
    """Compressed files are not policies, and a sparse terabyte is not read."""
    weights = tmp_path / "p.safetensors"
    with zipfile.ZipFile(weights, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../evil", b"\0" * 10_000_000)
    (tmp_path / "p.json").write_bytes(signed(weights.read_bytes(), policy_bytes[1]))
    with pytest.raises(PolicyFileError):
        actor.load(weights)
    weights.write_bytes(gzip.compress(b"\0" * 10_000_000))
    (tmp_path / "p.json").write_bytes(signed(weights.read_bytes(), policy_bytes[1]))
    with pytest.raises(PolicyFileError):
        actor.load(weights)
    with weights.open("wb") as file:
        file.truncate(2**40)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PolicyFileError, match="bytes, more than"):
        actor.load(weights)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000

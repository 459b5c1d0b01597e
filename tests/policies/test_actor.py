"""Policy files: what is saved is loaded, and whatever else is in a file is refused unexecuted."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct

import numpy as np
import pytest
from conftest import random_weights
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_tensors

from lw_rl.errors import LwRlError, PolicyFileError, SchemaError, UnknownNameError
from lw_rl.policies import actor
from lw_rl.policies.network import Architecture
from lw_rl.policies.observation import NCHANNELS, SCHEMA


@pytest.fixture
def saved(tmp_path, architecture):
    """The card's path of a policy on disk."""
    return actor.save(tmp_path / "p", architecture, random_weights(architecture), 2.5, {"by": "me"})


@pytest.fixture(scope="module")
def contents(tmp_path_factory, architecture):
    """Bytes of the two files of a policy."""
    path = tmp_path_factory.mktemp("policy") / "p"
    card = actor.save(path, architecture, random_weights(architecture), 2.5, {})
    return path.with_suffix(".safetensors").read_bytes(), card.read_bytes()


def observation(Npoints: int = 96) -> np.ndarray:
    x = np.random.default_rng(1).standard_normal((NCHANNELS, Npoints)).astype(np.float32)
    x[1] = -0.5
    return x


def rewrite(path, weights: bytes | None = None, **fields) -> None:
    """Change a policy's files, with the digest made to fit: an attacker can do that too."""
    card = json.loads(path.read_text())
    if weights is not None:
        path.with_suffix(".safetensors").write_bytes(weights)
        card["sha256"] = hashlib.sha256(weights).hexdigest()
    card.update(fields)
    path.write_text(json.dumps({k: v for k, v in card.items() if v is not ...}))


def safetensors(header: dict | bytes, data: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


# ---- the round trip -----


def test_what_is_saved_acts_the_same_when_loaded(saved, architecture):
    weights = random_weights(architecture)
    before = actor.Actor(actor.Network(architecture, weights), 2.5)
    for path in (saved, saved.with_suffix(".safetensors"), saved.with_suffix("")):
        loaded = actor.load(path)
        for N in (32, 96):
            np.testing.assert_array_equal(
                loaded.predict(observation(N))[0], before.predict(observation(N))[0]
            )
    assert loaded.gain == 2.5
    assert loaded.name == "p"
    assert loaded.card["by"] == "me"
    assert loaded.card["schema"] == SCHEMA


def test_saving_is_reproducible(saved, tmp_path, architecture):
    again = actor.save(
        tmp_path / "q" / "p", architecture, random_weights(architecture), 2.5, {"by": "me"}
    )
    for suffix in (".json", ".safetensors"):
        assert again.with_suffix(suffix).read_bytes() == saved.with_suffix(suffix).read_bytes()


def test_saving_leaves_nothing_beside_the_files(saved):
    assert sorted(p.name for p in saved.parent.iterdir()) == ["p.json", "p.safetensors"]


def test_a_card_cannot_overrule_what_is_measured(tmp_path, architecture):
    card = {"schema": 99, "sha256": "0", "gain": 1e9, "architecture": None}
    path = actor.save(tmp_path / "p", architecture, random_weights(architecture), 2.5, card)
    assert actor.load(path).gain == 2.5


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "f"
    actor.write_atomically(target, b"old")

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        actor.write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_broken_weights_are_not_saved(tmp_path, architecture):
    weights = random_weights(architecture)
    weights["stem.bias"][0] = np.nan
    with pytest.raises(PolicyFileError, match=r"stem\.bias.*not finite"):
        actor.save(tmp_path / "p", architecture, weights, 1.0, {})
    assert not list(tmp_path.iterdir())


def test_actions_are_in_range_and_scale_with_the_estimate(untrained, architecture):
    x = observation()
    action, state = untrained.predict(x)
    assert action.shape == (96,)
    assert state is None
    assert np.all(np.abs(action) <= 1.0)
    assert np.std(action) > 0.0
    # The proposal is a multiple of the largest estimate, and so is the scale, so that the action
    # does not depend on it beyond what the network sees.
    weights = {k: v.copy() for k, v in untrained.network.weights.items()}
    stem = weights["stem.weight"].reshape(6, NCHANNELS, -1)
    stem[:, 1] = 0.0
    blind = actor.Actor(actor.Network(architecture, weights), 0.3)
    tiny = x.copy()
    tiny[1] = -3.0
    np.testing.assert_allclose(blind.predict(tiny)[0], blind.predict(x)[0], rtol=1e-5, atol=1e-7)
    assert not np.allclose(untrained.predict(tiny)[0], action, rtol=1e-5), "this one looks"


# ---- names -----


def test_unknown_policies_list_the_known():
    with pytest.raises(UnknownNameError, match="unknown policy 'nobody'") as info:
        actor.load_shipped("nobody")
    assert info.value.known == actor.known()


@pytest.mark.parametrize("name", ["../../etc/passwd", "default/../default", ""])
def test_shipped_names_are_not_paths(name):
    with pytest.raises(UnknownNameError):
        actor.load_shipped(name)


def test_the_shipped_policy_loads_once():
    assert actor.load_shipped("default") is actor.load_shipped("default")


# ---- files that are not policies -----


def refused(path, says: str, kind: type[Exception] = PolicyFileError) -> None:
    with pytest.raises(kind, match=says) as info:
        actor.load(path)
    assert isinstance(info.value, LwRlError)


def test_missing_files(tmp_path, saved):
    refused(tmp_path / "nothing", "cannot read")
    saved.with_suffix(".safetensors").unlink()
    refused(saved, r"cannot read .*p\.safetensors")


def test_a_folder_is_not_a_policy(tmp_path):
    (tmp_path / "d.safetensors").mkdir()
    refused(tmp_path / "d", "cannot read")


def test_large_files_are_refused_unread(saved):
    with open(saved.with_suffix(".safetensors"), "r+b") as file:
        file.truncate(65 * 2**20)  # sparse: takes no disk
    refused(saved, "has 68157440 bytes, more than")


def test_a_device_that_never_ends(tmp_path, saved):
    """A size of zero does not mean that reading ends."""
    if not os.path.exists("/dev/zero"):
        pytest.skip("no /dev/zero here")
    weights = saved.with_suffix(".safetensors")
    weights.unlink()
    weights.symlink_to("/dev/zero")
    refused(saved, "not a regular file")


@pytest.mark.parametrize(
    "text", ["", "{", "not json", "[" * 100_000, "NaN", "\x00", "[]", "3", "null"]
)
def test_cards_that_are_not_json_objects(saved, text):
    saved.write_text(text)
    refused(saved, "is not JSON|is not a JSON object")


def test_cards_that_are_not_text(saved):
    saved.write_bytes(b"\xff\xfe\xfa" * 10)
    refused(saved, "is not JSON")


@pytest.mark.parametrize("field", ["schema", "architecture", "sha256", "gain"])
def test_cards_that_lack_a_field(saved, field):
    rewrite(saved, **{field: ...})
    refused(saved, f"lacks {field}")


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, "1", None, [], {}])
def test_another_schema(saved, schema):
    rewrite(saved, schema=schema)
    refused(saved, f"this lw_rl has schema {SCHEMA}", SchemaError)


@pytest.mark.parametrize(
    "sizes",
    [
        None,
        [],
        3,
        {},
        {"channels": NCHANNELS, "width": 8, "levels": 4, "more": 1},
        {"channels": NCHANNELS, "width": "8", "levels": 4},
        {"channels": NCHANNELS, "width": 10**9, "levels": 4},
        {"channels": NCHANNELS, "width": 8, "levels": -1},
        {"channels": NCHANNELS, "width": 8, "levels": 5},
        {"channels": NCHANNELS + 1, "width": 8, "levels": 4},
        {"channels": NCHANNELS, "width": 9, "levels": 4},
    ],
)
def test_architectures_that_do_not_fit(saved, sizes):
    rewrite(saved, architecture=sizes)
    refused(saved, "is not valid|does not fit|expected|lacks|not those of its architecture")


@pytest.mark.parametrize(
    "gain",
    ["much", None, [1.0], float("nan"), float("inf"), True, "2", 10**400],
    ids=lambda gain: str(gain)[:8],
)
def test_gains_that_are_not_numbers(saved, gain):
    rewrite(saved, gain=gain)
    refused(saved, "gain|is not valid")


@pytest.mark.parametrize("sha256", ["", "0" * 64, None, 7, []])
def test_digests_that_do_not_fit(saved, sha256):
    rewrite(saved, sha256=sha256)
    refused(saved, "truncated or was changed")


@given(cut=st.integers(0, 10**6))
@settings(max_examples=40)
def test_truncated_weights(contents, cut):
    weights, card = contents
    with pytest.raises(PolicyFileError, match="truncated or was changed"):
        actor.parse(weights[: cut % len(weights)], card, "p")


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=40)
def test_flipped_bits_in_the_weights(contents, position, bit):
    weights, card = contents
    changed = bytearray(weights)
    changed[position % len(changed)] ^= 1 << bit
    with pytest.raises(PolicyFileError, match="truncated or was changed"):
        actor.parse(bytes(changed), card, "p")


@given(position=st.integers(0, 2**62), bit=st.integers(0, 7))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@example(position=0, bit=7)
@example(position=7, bit=7)
def test_flipped_bits_with_a_digest_that_fits(contents, position, bit):
    """The digest only guards against accidents: every check behind it must hold on its own.

    Half of the flips hit the header. A flip in the numbers may give another valid policy.
    """
    weights, card = contents
    header = 8 + struct.unpack("<Q", weights[:8])[0]
    changed = bytearray(weights)
    changed[position % (header if position % 2 else len(weights))] ^= 1 << bit
    fields = json.loads(card)
    fields["sha256"] = hashlib.sha256(changed).hexdigest()
    try:
        policy = actor.parse(bytes(changed), json.dumps(fields).encode(), "p")
    except PolicyFileError:
        return
    assert {
        k: v.shape for k, v in policy.network.weights.items()
    } == policy.network.architecture.shapes()
    assert all(np.all(np.isfinite(v)) for v in policy.network.weights.values())


@given(position=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=150)
def test_flipped_bits_in_the_card(contents, position, bit):
    weights, card = contents
    changed = bytearray(card)
    changed[position % len(changed)] ^= 1 << bit
    try:
        policy = actor.parse(weights, bytes(changed), "p")
    except PolicyFileError:
        return
    assert np.isfinite(policy.gain)


@given(weights=st.binary(max_size=200))
@settings(max_examples=100)
def test_any_bytes_as_weights(contents, weights):
    fields = json.loads(contents[1])
    fields["sha256"] = hashlib.sha256(weights).hexdigest()
    with pytest.raises(PolicyFileError):
        actor.parse(weights, json.dumps(fields).encode(), "p")


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint8, np.bool_])
def test_wrong_dtype(saved, architecture, dtype):
    tensors = random_weights(architecture)
    tensors["down1.weight"] = tensors["down1.weight"].astype(dtype)
    rewrite(saved, save_tensors(tensors))
    refused(saved, r"down1\.weight .* is .*expected float32")


@pytest.mark.parametrize("shape", [(24, 7), (8, 24), (192,), (1, 24, 8), (0, 8)])
def test_wrong_shape(saved, architecture, shape):
    tensors = random_weights(architecture)
    tensors["down1.weight"] = np.zeros(shape, np.float32)
    rewrite(saved, save_tensors(tensors))
    refused(saved, r"down1\.weight .*expected float32\[24, 8\]")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(saved, architecture, value):
    tensors = random_weights(architecture)
    tensors["head.bias"][1] = value
    rewrite(saved, save_tensors(tensors))
    refused(saved, r"head\.bias .*not finite")


def test_missing_tensor(saved, architecture):
    tensors = random_weights(architecture)
    del tensors["mean.bias"]
    rewrite(saved, save_tensors(tensors))
    refused(saved, r"\['mean\.bias'\] are missing or superfluous")


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "/etc/passwd", "a\x00b", "__class__", "x" * 9999]
)
def test_path_tricks_in_names(saved, architecture, name, tmp_path):
    files = sorted(p.name for p in tmp_path.iterdir())
    tensors = {**random_weights(architecture), name: np.zeros(3, np.float32)}
    rewrite(saved, save_tensors(tensors))
    refused(saved, "missing or superfluous")
    assert sorted(p.name for p in tmp_path.iterdir()) == files, "nothing was written"


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b"\xff" * 30,
        b'{"a": ' + b"[" * 50_000,
        {"stem.weight": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}},
        {"stem.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 2**63]}},
        {"stem.weight": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
        {"stem.weight": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"stem.weight": {"dtype": "O", "shape": [1], "data_offsets": [0, 4]}},
        {"stem.weight": {"dtype": "F32", "shape": [1]}},
        {"stem.weight": None},
        {"__metadata__": 3},
        {
            "stem.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "stem.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        },
    ],
)
def test_headers_that_lie(saved, header):
    rewrite(saved, safetensors(header, b"\0" * 4))
    refused(saved, "cannot be read|missing or superfluous")


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**12, 2**31, 100_000_001])
def test_a_huge_header_length(saved, length):
    rewrite(saved, struct.pack("<Q", length) + b"{}")
    refused(saved, "cannot be read")


class Payload:
    """What a pickle would execute."""

    def __reduce__(self):
        return (print, ("EXECUTED",))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_with_the_right_name_is_not_executed(saved, protocol, capsys):
    data = pickle.dumps(Payload(), protocol=protocol)
    rewrite(saved, data)
    refused(saved, "cannot be read")
    saved.write_bytes(data)
    refused(saved, "is not JSON")
    assert "EXECUTED" not in capsys.readouterr().out


def test_a_pickled_numpy_archive_is_not_executed(saved, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", a=np.array([Payload()], dtype=object))
    rewrite(saved, (tmp_path / "a.npz").read_bytes())
    refused(saved, "cannot be read")
    assert "EXECUTED" not in capsys.readouterr().out


def test_a_large_architecture_is_refused_without_allocating_it(saved):
    """1024 channels at every layer would be 100 MB; the tensors are compared, not made."""
    rewrite(saved, architecture={"channels": NCHANNELS, "width": 1024, "levels": 4})
    refused(saved, "expected float32")


def test_no_module_of_ours_unpickles():
    """Neither the loader nor what it imports from us knows of pickle."""
    from pathlib import Path

    import lw_rl

    for path in Path(lw_rl.__file__).parent.rglob("*.py"):
        text = path.read_text()
        assert "import pickle" not in text, path
        assert "allow_pickle=True" not in text, path


def test_architectures_are_compared_by_value():
    assert Architecture(channels=3) == Architecture(channels=3, width=56, levels=4)

"""Which schemes are compared, and their names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lw_rl.benchmark.peers import LADDER, depthwise_name, peers
from lw_rl.errors import UnknownNameError
from lw_rl.schemes import make_scheme


def solves_scattering(peer):
    return make_scheme(peer.scheme).abilities.solves_scattering


def names(*asked, levels=False):
    return list(dict.fromkeys(p.name for p in peers((), asked, levels)))


def test_all_are_measured_but_what_two_level_atoms_make_equal():
    assert names() == [
        "lightweaver", "lightweaver to 1e-3", "lambda", "mali", "ng", "anderson5", "anderson10",
        "nonlocal",
    ]  # fmt: skip
    assert names("mali_scattering") == ["mali_scattering"]
    (peer,) = peers((), ["mali_scattering"])
    assert solves_scattering(peer)


def test_on_atoms_with_more_levels_the_hosts_scattering_is_the_classical_peers():
    assert names(levels=True) == [
        "lightweaver", "lightweaver to 1e-3", "mali", "mali_scattering", "ng", "anderson10",
        "anderson_scattering",
    ]  # fmt: skip
    known = {p.name: p for p in peers(["default"], (), levels=True)}
    solved = {n: solves_scattering(p) for n, p in known.items() if p.scheme is not None}
    assert solved == {
        "mali": False, "mali_scattering": True, "ng": False, "anderson10": False,
        "anderson_scattering": True, "depthwise": True,
    }  # fmt: skip
    assert {n for n, p in known.items() if p.own} == {"depthwise"}
    assert {n for n, p in known.items() if p.plain} == {"mali", "mali_scattering"}
    two_level = {p.name: p.NmaxIter for p in peers(["default"], ["mali", "ng"])}
    assert known["mali"].NmaxIter < two_level["mali"]
    assert known["depthwise"].NmaxIter < known["mali"].NmaxIter
    assert names("nonlocal", levels=True) == ["nonlocal"]


def test_those_that_are_named_are_measured_and_the_policies_always():
    assert names("ng", "mali") == ["mali", "ng"]
    assert len(peers((), ["ng"])) == 3, "its settings"
    assert names("lightweaver") == ["lightweaver", "lightweaver to 1e-3"]
    assert names("lightweaver to 1e-3") == ["lightweaver to 1e-3"]
    assert [p.name for p in peers(["default"], ["mali"])] == ["mali", "depthwise"]


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(UnknownNameError, match="mali_scattering"):
        names("mali", "sor")


def test_the_ladder_begins_with_the_hosts_default():
    default, tight = peers((), ["lightweaver"])
    assert default.tolerances == (1e-3,) and tight.tolerances == LADDER
    assert LADDER[0] == 1e-3 and list(LADDER) == sorted(LADDER, reverse=True)


def test_the_name_of_a_policy_is_its_files_its_cards_or_its_classes(tmp_path, untrained):
    assert depthwise_name("default") == "depthwise"
    assert depthwise_name("runs/mine.json") == "depthwise (mine)"
    assert depthwise_name(tmp_path / "yours.safetensors") == "depthwise (yours)"
    assert depthwise_name(untrained) == "depthwise (u)"
    assert depthwise_name(SimpleNamespace(predict=None)) == "depthwise (SimpleNamespace)"

"""References and solves on disk: what is known is not computed again, anything else is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lw_rl import problems
from lw_rl.benchmark import measure as benchmark
from lw_rl.benchmark import store as module
from lw_rl.benchmark.peers import peers
from lw_rl.benchmark.store import Store, default_folder, fingerprint
from lw_rl.errors import NoReferenceError


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "references", tmp_path / "solves")


@pytest.fixture
def counted(monkeypatch):
    """Count what is computed: references, and solves by their peer."""
    done = []
    confirmed, solve = module.confirmed_reference, benchmark.solve

    def reference(*arguments):
        done.append("reference")
        return confirmed(*arguments)

    def solved(ctx, n_ref, peer, *rest):
        done.append(peer.name)
        return solve(ctx, n_ref, peer, *rest)

    monkeypatch.setattr(module, "confirmed_reference", reference)
    monkeypatch.setattr(benchmark, "solve", solved)
    return done


def test_what_is_known_is_not_computed_again(problem, store, counted):
    entries = peers(["default"], ["anderson10"])
    first = benchmark.measure(problem, entries, 1, store=store)
    assert counted == ["reference", "anderson10", "depthwise"]
    assert first.reference_plain < 1e-9 and first["depthwise"].seconds > 0.0
    assert first["depthwise"].formal_seconds > 0.0 and first["depthwise"].measured
    assert benchmark.measure(problem, entries, 1, store=store) == first
    assert len(counted) == 3
    again = Store(store.references, store.solves, ["depthwise"])
    second = benchmark.measure(problem, entries, 1, store=again)
    assert counted[3:] == ["depthwise"]
    assert second["anderson10"] == first["anderson10"]
    # Anew once, not at every problem that is measured after an interruption of this process.
    benchmark.measure(problem, entries, 1, store=again)
    assert counted[3:] == ["depthwise"]


def test_a_known_solve_without_a_wall_time_is_timed(problem, store, counted):
    entries = peers((), ["anderson10"])
    assert benchmark.measure(problem, entries, 0, store=store)["anderson10"].seconds is None
    assert benchmark.measure(problem, entries, 1, store=store)["anderson10"].seconds > 0.0
    assert counted == ["reference", "anderson10"]


def test_own_schemes_are_measured_anew_where_the_source_has_changed(
    problem, store, counted, monkeypatch
):
    entries = peers(["default"], ["anderson10", "nonlocal"])
    benchmark.measure(problem, entries, 0, store=store)
    del counted[:]
    monkeypatch.setattr(module, "source_of_the_package", lambda: b"another")
    benchmark.measure(problem, entries, 0, store=store)
    assert counted == ["nonlocal", "depthwise"]


def test_a_scheme_of_other_settings_is_another(problem, store):
    ctx = problem.context()
    key = fingerprint(problem, ctx)
    peer = peers((), ["mali"])[0]
    solve = benchmark.solve(ctx, [np.array(ctx.activeAtoms[0].n)], replace(peer, NmaxIter=2), 0)
    store.keep(key, peer, solve)
    assert store.known(key, peer) == solve
    assert store.known(key, replace(peer, NmaxIter=5)) is None
    assert store.known("0" * 32, peer) is None


@pytest.mark.parametrize(
    "change", [{"collision_scale": 2.0}, {"prd": True}, {"atom": "CaII_H"}, {"lte_ne": True}]
)
def test_another_problem_has_another_fingerprint(problem, change):
    other = replace(problem, **change)
    assert fingerprint(other, other.context()) != fingerprint(problem, problem.context())


def test_the_fingerprint_is_of_the_problem_not_of_its_name(problem):
    key = fingerprint(problem, problem.context())
    assert fingerprint(replace(problem, name="mine"), problem.context()) == key
    changed = problem.context()
    changed.kwargs["atmos"].temperature[3] *= 1.0 + 1e-12
    assert fingerprint(problem, changed) != key, "what the host was given"
    assert fingerprint(problem, problem.context(Nrays=3)) != key


def test_another_version_is_another_problem(problem, monkeypatch):
    ctx = problem.context()
    key = fingerprint(problem, ctx)
    monkeypatch.setattr(module, "versions", lambda: {"lightweaver": "9"})
    assert fingerprint(problem, ctx) != key


def test_that_there_is_no_reference_is_known_too(problem, store, monkeypatch):
    def none(*arguments):
        calls.append(1)
        raise NoReferenceError("it does not settle")

    calls = []
    monkeypatch.setattr(module, "confirmed_reference", none)
    for _ in range(2):
        with pytest.raises(NoReferenceError, match="it does not settle"):
            store.reference("key", problem.context(), False)
    assert len(calls) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_a_file_that_cannot_be_read_is_made_anew(start, store, counted, content):
    store.references.mkdir(parents=True)
    (store.references / "key.npz").write_bytes(content)
    found = store.reference("key", start, False)
    assert counted == ["reference"]
    known = store.reference("key", start, False)
    assert counted == ["reference"]
    np.testing.assert_array_equal(known.n[0], found.n[0])
    assert replace(known, n=()) == replace(found, n=())


def test_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "lw_rl" / "bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/somebody")
    assert str(default_folder()) == "/somebody/.cache/lw_rl/bench"


def test_digests_do_not_depend_on_addresses(problem):
    """The same in another process: nothing of it is where something lies in memory."""
    atoms = problems.suite("gallery")[0].context(Nrays=1).kwargs["spect"].radSet.atoms
    assert b" at 0x" not in module._plain_repr(atoms)
    assert b" at 0x" not in module._plain_repr(peers(["default"]))

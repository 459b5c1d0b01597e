"""Shared fixtures: contexts made once per run and handed out as deep copies."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lightweaver as lw
import numpy as np
import pytest
from hypothesis import settings
from lightweaver.rh_atoms import H_6_atom, MgII_hk_atom

from lw_rl import atmospheres, atoms
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.policies.actor import Actor
from lw_rl.policies.network import Architecture, Network
from lw_rl.policies.observation import CHANNELS, NCHANNELS, points_to_action
from lw_rl.processes import one_thread_each

settings.register_profile("lw_rl", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("lw_rl")

#: Folders of tests that a solve in one dimension does not go through, or that take long.
_NOT_QUICK = {"benchmark", "cli", "cube", "envs", "experiments", "training"}
_LONG_FILES = {"test_concurrency.py", "test_packaging.py", "test_interruptions.py"}


def pytest_configure(config: pytest.Config) -> None:
    """Give tests that run side by side one thread each: torch's, one per core, wait for others."""
    if config.getoption("numprocesses", None):
        stack = ExitStack()
        stack.enter_context(one_thread_each())
        config.add_cleanup(stack.close)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `pytest -m quick` runs."""
    root = Path(__file__).parent
    for item in items:
        parts = item.path.relative_to(root).parts
        if not ({*parts} & (_NOT_QUICK | _LONG_FILES)) and "slow" not in item.keywords:
            item.add_marker("quick")


_Cache = dict[tuple[Any, ...], lw.Context]


@pytest.fixture(scope="session")
def context_cache() -> _Cache:
    return {}


@pytest.fixture
def make_ctx(context_cache: _Cache) -> Callable[..., lw.Context]:
    """Build a context in LTE, or copy it if one of the same arguments was made before."""

    def make(atom: str = "CaII_K", atmosphere: str = "FALC", **kwargs: Any) -> lw.Context:
        key = (atom, atmosphere, *sorted(kwargs.items()))
        if key not in context_cache:
            context_cache[key] = build_context(atom, atmosphere, **kwargs)
        return copy.deepcopy(context_cache[key])

    return make


@pytest.fixture(scope="session")
def several_cache() -> dict[str, lw.Context]:
    return {}


@pytest.fixture
def several(several_cache: dict[str, lw.Context]) -> Callable[[str], lw.Context]:
    """Copy a context of FAL C with one or two active atoms, made once; the host sorts by mass."""
    kinds = {
        "two-level": (("Ca", "Mg"), lambda: [H_6_atom(), atoms.CaII_K(), atoms.MgII_k()]),
        "multi": (("Ca", "Mg"), lambda: [H_6_atom(), atoms.CaII_K(), MgII_hk_atom()]),
        "hydrogen": (("Ca", "H"), lambda: [H_6_atom(), atoms.CaII_K()]),
        "multi-level": (("Mg",), lambda: [H_6_atom(), MgII_hk_atom()]),
    }

    def make(kind: str) -> lw.Context:
        if kind not in several_cache:
            active, models = kinds[kind]
            atmos = atmospheres.load("FALC", 40)
            atmos.quadrature(2)
            radSet = lw.RadiativeSet(models())
            radSet.set_active(*active)
            spect = radSet.compute_wavelength_grid()
            several_cache[kind] = lw.Context(atmos, spect, radSet.compute_eq_pops(atmos))
        return copy.deepcopy(several_cache[kind])

    return make


@pytest.fixture
def ctx(make_ctx: Callable[..., lw.Context]) -> lw.Context:
    """FAL C, Ca II K, populations in LTE: the problem of the README."""
    return make_ctx()


@pytest.fixture(scope="session")
def converged(context_cache: _Cache) -> lw.Context:
    """FAL C, Ca II K, iterated by the host to a change below 1e-12. Not to be changed."""
    key = ("CaII_K", "FALC")
    if key not in context_cache:
        context_cache[key] = build_context(*key)
    ctx = copy.deepcopy(context_cache[key])
    lw.iterate_ctx_se(ctx, Nscatter=0, JTol=1.0, popsTol=1e-12, quiet=True)
    return ctx


@pytest.fixture(scope="session")
def reference(converged: lw.Context) -> np.ndarray:
    """Populations of `converged` [m-3], shape [2, Nspace]."""
    return np.array(converged.activeAtoms[0].n)


def random_weights(
    architecture: Architecture, seed: int = 0, scale: float = 1.0
) -> dict[str, np.ndarray]:
    """Weights of an untrained network."""
    rng = np.random.default_rng(seed)
    return {
        name: (scale * rng.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32)
        for name, shape in architecture.shapes().items()
    }


@pytest.fixture(scope="session")
def architecture() -> Architecture:
    return Architecture(channels=NCHANNELS, width=8, levels=4)


@pytest.fixture(scope="session")
def untrained(architecture: Architecture) -> Actor:
    """A policy that knows nothing and says so quietly."""
    return Actor(Network(architecture, random_weights(architecture)), gain=0.3, card={"name": "u"})


def with_policy(scheme: str, policy: Any) -> dict[str, Any]:
    """Keywords of a solve by a scheme, with a policy where the scheme asks one."""
    asks = {"policy": policy} if scheme in ("depthwise", "sigmoid") else {}
    return {"scheme": scheme, **asks}


class Oracle:
    """A policy that was told the answer: it proposes the step to a known solution.

    It sees the source function only through the observation, as every policy does.
    """

    def __init__(self, y: np.ndarray):
        self.y = y
        self.calls = 0

    def predict(self, observation: np.ndarray, deterministic: bool = True) -> Any:
        self.calls += 1
        N = observation.shape[1]
        target = np.interp(np.linspace(0.0, 1.0, N), np.linspace(0.0, 1.0, self.y.size), self.y)
        rows = {name: observation[k].astype(float) for k, name in enumerate(CHANNELS)}
        now = 5.0 * rows["departure"] + 10.0 * rows["planck"]
        size = 10.0 ** (4.0 * rows["estimate_size"][0])
        # The operator's estimate is added to whatever a policy says.
        return points_to_action(target - now - size * rows["estimate"], size), None


@pytest.fixture
def oracle(converged: lw.Context) -> Oracle:
    """The oracle for FAL C, Ca II K."""
    return Oracle(Adapter(copy.deepcopy(converged)).read())


def error(ctx: lw.Context, reference: np.ndarray, atom: int = 0) -> float:
    """Return the true error: the largest relative deviation of the populations."""
    return float(np.max(np.abs(np.asarray(ctx.activeAtoms[atom].n) / reference - 1.0)))


def assert_physical(ctx: lw.Context, tol: float = 1e-10) -> None:
    """Assert finite, positive populations that sum to the total."""
    for atom in ctx.activeAtoms:
        n, nTotal = np.asarray(atom.n), np.asarray(atom.nTotal)
        assert np.all(np.isfinite(n))
        assert np.all(n > 0.0)
        np.testing.assert_allclose(n.sum(axis=0), nTotal, rtol=tol)


def imbalance(ctx: lw.Context) -> float:
    """Return by how much statistical equilibrium is violated, from the host's own rates.

    One formal solution gives the radiative rates R at the present populations; the largest
    relative difference of what enters and leaves a level per second, over levels and depths, is
    returned. Neither the host's solver nor its preconditioning takes part.
    """
    ctx.formal_sol_gamma_matrices()
    worst = 0.0
    for atom in ctx.activeAtoms:
        n = np.asarray(atom.n)
        P = np.array(atom.C)  # P[i, j] is the rate from j to i
        for k in range(n.shape[0]):
            P[k, k] = 0.0
        for t in atom.trans:
            P[t.j, t.i] += np.asarray(t.Rij)
            P[t.i, t.j] += np.asarray(t.Rji)
        gain = np.einsum("ijk,jk->ik", P, n)
        loss = P.sum(axis=0) * n
        worst = max(worst, float(np.max(np.abs(gain / loss - 1.0))))
    return worst

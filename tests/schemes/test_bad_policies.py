"""Policies that are no policies, and schemes that are no schemes, do no harm."""

from __future__ import annotations

import copy

import lightweaver as lw
import numpy as np
import pytest
from conftest import assert_physical, error, random_weights
from hypothesis import example, given, settings
from hypothesis import strategies as st
from solver_helpers import Says, Scripted, drive

from lw_rl.certificate import Certified
from lw_rl.iterate import accelerate
from lw_rl.policies.actor import Actor
from lw_rl.policies.network import Network
from lw_rl.schemes import Depthwise, Sigmoid


def solved(ctx, popsTol, policy=None, scheme="depthwise"):
    """Solve by the host's loop to a change of the populations and return the proxy."""
    asks = {} if policy is None else {"policy": policy}
    proxy = accelerate(ctx, scheme=scheme, **asks)
    proxy.begin()
    lw.iterate_ctx_se(proxy, Nscatter=0, JTol=1.0, popsTol=popsTol, quiet=True)
    assert_physical(ctx)
    return proxy


def raises(observation):
    raise RuntimeError("CUDA out of memory")


class Sometimes:
    """Half of what another policy says, so that there is something left; its third call fails."""

    def __init__(self, policy):
        self.policy, self.calls = policy, 0

    def predict(self, observation, deterministic=True):
        self.calls += 1
        if self.calls == 3:
            raise KeyError("x")
        action, _ = self.policy.predict(observation)
        return 0.5 * action, None


BROKEN = {
    "nan": lambda o: (np.full(o.shape[1], np.nan), None),
    "shape": lambda o: (np.zeros(7), None),
    "text": lambda o: ("left", None),
    "no pair": lambda o: 3,
    "raises": raises,
}
USELESS = {
    "zeros": lambda o: (np.zeros(o.shape[1]), None),
    "ones": lambda o: (np.ones(o.shape[1]), None),
    "minus ones": lambda o: (-np.ones(o.shape[1]), None),
    "halves": lambda o: (np.full(o.shape[1], 0.5), None),
    "jagged": lambda o: ((-1.0) ** np.arange(o.shape[1]), None),
    "huge": lambda o: (np.full(o.shape[1], 1e300), None),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_a_broken_policy_is_replaced(answer, ctx, reference):
    """At once, at no cost, and it is said: the rest is the operator's from the first step."""
    proxy = solved(ctx, 1e-5, Says(answer))
    assert error(ctx, reference) < 1e-4
    assert set(proxy.report.steps_by) == {"nonlocal"}
    assert proxy.report.Nformal < 10
    (note,) = proxy.report.notes
    assert note.startswith("iteration 0: left to the operator: the policy")


def test_a_policy_that_breaks_half_way_is_replaced(ctx, oracle, reference):
    policy = Sometimes(oracle)
    proxy = solved(ctx, 1e-6, policy)
    assert error(ctx, reference) < 1e-4
    assert policy.calls == 3
    assert proxy.report.steps_by["depthwise"] == 2
    assert "iteration 2: left to the operator: the policy" in proxy.report.notes[0]


@pytest.mark.parametrize("answer", USELESS.values(), ids=USELESS)
def test_a_useless_policy_does_no_harm(answer, ctx, reference):
    proxy = solved(ctx, 1e-4, Says(answer))
    assert error(ctx, reference) < 1e-3
    assert proxy.report.Nformal < 60, "less than half of MALI's own cost"


@settings(max_examples=12)
@example(seed=15105, scale=1.5)  # leaves states from which plain steps take hundreds
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 30.0))
def test_random_networks_do_no_harm(seed, scale, context_cache, reference, architecture):
    ctx = copy.deepcopy(context_cache["CaII_K", "FALC"])
    policy = Actor(Network(architecture, random_weights(architecture, seed, scale)), gain=1.0)
    proxy = solved(ctx, 1e-4, policy)
    assert error(ctx, reference) < 1e-3
    assert proxy.report.Nformal < 80


def test_a_policy_that_hardly_moves_does_not_stop_the_iteration(ctx, reference):
    """It says that there is next to nothing to be done."""
    policy = Says(lambda o: (np.full(o.shape[1], 1e-9), None))
    proxy = accelerate(ctx, scheme=Depthwise(policy, window=1))
    proxy.begin()
    lw.iterate_ctx_se(proxy, Nscatter=0, quiet=True, convergence=Certified)
    assert policy.calls and error(ctx, reference) < 1e-3


def test_a_scheme_whose_policy_fails_hands_over(ctx, reference):
    proxy = solved(ctx, 1e-5, scheme=Sigmoid(Says(raises)))
    assert error(ctx, reference) < 1e-4
    assert "sigmoid handed over to anderson: the policy failed" in proxy.report.notes[0]


@pytest.mark.parametrize(
    "proposal",
    [
        lambda e: np.full_like(e.y, np.nan),
        lambda e: np.append(e.y, 0.0),
        lambda e: np.where(np.arange(e.y.size) == 3, np.inf, e.y),
    ],
    ids=["nan", "shape", "inf"],
)
def test_a_broken_scheme_is_replaced(proposal, ctx, reference):
    proxy = drive(ctx, Scripted({2: proposal}), 35)
    assert proxy.report.steps_by["scripted"] == 2
    assert "iteration 2: scripted handed over to anderson" in proxy.report.notes[0]
    assert not proxy.report.rejected
    assert error(ctx, reference) < 1e-4

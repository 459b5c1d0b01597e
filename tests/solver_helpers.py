"""Schemes, policies, contexts and criteria that do what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import lightweaver as lw
import numpy as np
from conftest import assert_physical, error

import lw_rl
from lw_rl.accelerated_context import AcceleratedContext
from lw_rl.benchmark.robustness_problems import HostileProblem
from lw_rl.certificate.certificate import Certificate
from lw_rl.certificate.convergence import Certified
from lw_rl.host.state import LinePhysics
from lw_rl.iterate import accelerate
from lw_rl.result import Result
from lw_rl.schemes import Step


@dataclass(frozen=True)
class Scripted:
    """A scheme that takes plain steps but for what it is told to do at some of them."""

    script: dict[Any, Any]
    name: str = "scripted"
    lambdaIterate: bool = False
    count: list[int] = field(default_factory=lambda: [0], compare=False)

    def init(self, adapter, history):
        return None

    def step(self, evaluation, state):
        k = self.count[0]
        self.count[0] += 1
        act = self.script.get(k, self.script.get("always"))
        return Step(None if act is None else act(evaluation), by=self.name)


def wild(evaluation):
    """A step to a source function that is wrong by many orders of magnitude."""
    return evaluation.y + 30.0 * np.sin(np.arange(evaluation.y.size))


def stand_still(evaluation):
    """A step that changes nothing."""
    return evaluation.y


class Says:
    """A policy that returns, or raises, whatever it was told; it counts how often it was asked."""

    def __init__(self, answer: Any):
        self.answer, self.calls = answer, 0

    def predict(self, observation, deterministic=True):
        self.calls += 1
        answer = self.answer(observation) if callable(self.answer) else self.answer
        if isinstance(answer, Exception):
            raise answer
        return answer


def zeros() -> Says:
    """A policy that leaves it all to the operator."""
    return Says(lambda observation: (np.zeros(observation.shape[1]), None))


def iterate(proxy: AcceleratedContext, steps: int) -> AcceleratedContext:
    """Make `steps` iterations by hand and return the proxy."""
    for _ in range(steps):
        proxy.formal_sol_gamma_matrices()
        proxy.stat_equil()
    return proxy


def drive(ctx: Any, scheme: Any, steps: int, **keywords: Any) -> AcceleratedContext:
    """The same of a context by a scheme, with populations that are physical after each."""
    proxy = accelerate(ctx, scheme=scheme, **keywords)
    for _ in range(steps):
        iterate(proxy, 1)
        assert_physical(ctx)
    return proxy


class Wrapped:
    """A context of which one method is another."""

    def __init__(self, ctx: lw.Context, **methods: Callable[..., Any]):
        self.__dict__.update(_ctx=ctx, **methods)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._ctx, name)


def flaky(ctx, fail, spoil=None, error=lw.ExplodingMatrixError):
    """A context whose host solver fails at chosen calls, as the real one does when it explodes.

    By then the host has updated part of the depths (`spoil`). With `error` None it does not notice.
    """
    calls = 0

    def stat_equil(**kwargs):
        nonlocal calls
        calls += 1
        if not fail(calls - 1):
            return ctx.stat_equil(**kwargs)
        if spoil is not None:
            ctx.activeAtoms[0].n[:, :20] = spoil
        if error is None:
            return ctx.rel_diff_pops()
        raise error("Singular Matrix")

    return Wrapped(ctx, stat_equil=stat_equil)


class Never(lw.ConvergenceCriteria):
    """A criterion that is never met."""

    def __init__(self, *arguments):
        pass

    def is_converged(self, *updates):
        return False


def certified(change: Callable[[Certificate], Any]) -> type[Certified]:
    """The certified stop, after a change of what it knows of the error by."""

    class Changed(Certified):
        def __init__(self, ctx, *tolerances):
            super().__init__(ctx, *tolerances)
            change(self.certificate)

    return Changed


def set_to(**settings: Any) -> type[Certified]:
    """The certified stop with other calibrated values (`Settings`)."""

    def change(certificate: Certificate) -> None:
        certificate.settings = replace(certificate.settings, **settings)

    return certified(change)


def slab(N=91, epsilon=1e-4, log_tau=(-4.0, 7.0), **changes) -> LinePhysics:
    """An isothermal slab without background, of constant everything; B = 1."""
    tau = 10.0 ** np.linspace(*log_tau, N)
    one = np.ones(N)
    values = {
        "height": -(tau - tau[0]),
        "opacity": one,
        "log_tau": np.log(tau),
        "epsilon": epsilon * one,
        "log_B": 0.0 * one,
        "damping": 1e-10 * one,
        "background": 1e-30 * one,
        "albedo": 0.0 * one,
        "velocity": 0.0 * one,
        "broadening": 3e3 * one,
        "temperature": 6e3 * one,
        "g_ratio": 0.0,
        "extent": 3e4,
    }
    return LinePhysics(**{**values, **changes})


@dataclass(frozen=True)
class Adversarial:
    """A problem of `lw-rl soak`: one line in an atmosphere more extreme than any star's."""

    seed: int
    index: int

    def context(self) -> lw.Context:
        return HostileProblem(self.seed, self.index).context()

    def solve(self, scheme: Any = "depthwise", **keywords: Any) -> tuple[float, Result]:
        """Solve a fresh context; return the true error and the result."""
        problem, ctx = HostileProblem(self.seed, self.index), self.context()
        keywords = {"prd": problem.prd, "NmaxIter": 300, "quiet": True, **keywords}
        result = lw_rl.solve(ctx, scheme=scheme, **keywords)
        return error(ctx, self.truth), result

    @property
    def truth(self) -> np.ndarray:
        """The populations in equilibrium [m-3]."""
        return _truth(self.seed, self.index)


@cache
def _truth(seed: int, index: int) -> np.ndarray:
    """Solve to 1e-6 by the default scheme, and let the host go on from there."""
    problem, ctx = HostileProblem(seed, index), Adversarial(seed, index).context()
    keywords = {"prd": problem.prd, "NmaxIter": 300, "quiet": True}
    lw_rl.solve(ctx, popsTol=1e-6, JTol=np.inf, **keywords)
    n = np.array(ctx.activeAtoms[0].n)
    lw.iterate_ctx_se(ctx, Nscatter=0, JTol=np.inf, popsTol=1e-10, **{**keywords, "NmaxIter": 20})
    assert np.abs(ctx.activeAtoms[0].n / n - 1.0).max() < 1e-4, "the host stays there"
    return n

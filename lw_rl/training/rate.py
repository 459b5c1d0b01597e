"""How fast training environments are, beside the formal solutions that they make."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from time import perf_counter

import numpy as np

from ..host.adapter import Adapter
from ..problems import Problem, random_problem
from .train import Args, environments

__all__ = ["Rate", "describe", "measure_rate"]

#: Steps of an episode, as in training.
_EPISODE = 10


@dataclass(frozen=True)
class Rate:
    """Formal solutions per second, over all processes.

    Attributes
    ----------
    workers : int
        Processes.
    bare : float
        Of the host alone: formal solution and ``stat_equil``.
    environments : float
        Of training environments stepped together, resets included.
    """

    workers: int
    bare: float
    environments: float

    @property
    def ratio(self) -> float:
        """Environments over the host alone."""
        return self.environments / self.bare


def measure_rate(workers: int, problems: int | None = None, rounds: int = 40) -> Rate:
    """Measure both on the same problems of the train stream, one after the other.

    Parameters
    ----------
    workers : int
        Processes, of one thread each.
    problems : int, optional
        Problems, dealt out among the processes (default: 12 for each).
    rounds : int, optional
        Episodes of every process (default: 40).
    """
    problems = 12 * workers if problems is None else problems
    shares = [
        [random_problem("train", i) for i in range(k, problems, workers)] for k in range(workers)
    ]
    # A pool per share, so that each process meets only what it has prepared.
    pools = [ProcessPoolExecutor(1, get_context("spawn")) for _ in shares]
    try:
        _together(pools, shares, max(map(len, shares)))
        start = perf_counter()
        made = _together(pools, shares, rounds)
        bare = made / (perf_counter() - start)
    finally:
        for pool in pools:
            pool.shutdown()
    env = environments(Args(problems=problems, envs=workers, horizon=_EPISODE), in_order=True)
    try:
        shape = env.action_space.shape
        assert shape is not None
        idle = np.zeros((workers, *shape), dtype=np.float32)
        env.reset()
        per_round = max(map(len, shares))
        for _ in range(per_round * _EPISODE):  # every problem prepared
            env.step(idle)
        before = sum(env.get_attr("Nformal"))
        start = perf_counter()
        for _ in range(rounds * _EPISODE):
            env.step(idle)
        seconds = perf_counter() - start
        made = sum(env.get_attr("Nformal")) - before
    finally:
        env.close()
    return Rate(workers, bare, made / seconds)


def describe(rate: Rate) -> str:
    """Return what was measured as a sentence."""
    return (
        f"{rate.workers} processes make {rate.environments:.0f} formal solutions per second as "
        f"training environments, {rate.bare:.0f} with the host alone: {rate.ratio:.2f} of its rate"
    )


def _together(pools: list[ProcessPoolExecutor], shares: list[list[Problem]], rounds: int) -> int:
    """Run :func:`_bare` in all processes at once; return the formal solutions made."""
    running = [p.submit(_bare, share, rounds) for p, share in zip(pools, shares, strict=True)]
    return sum(r.result() for r in running)


def _bare(problems: list[Problem], rounds: int) -> int:
    """Make an episode's formal solutions on one problem after the other; return how many."""
    contexts = _CONTEXTS.setdefault(
        tuple(p.name for p in problems), [Adapter(p.context()).ctx for p in problems]
    )
    for k in range(rounds):
        ctx = contexts[k % len(contexts)]
        for _ in range(_EPISODE + 1):
            ctx.formal_sol_gamma_matrices()
            ctx.stat_equil()
    return rounds * (_EPISODE + 1)


#: Contexts of a process, made once.
_CONTEXTS: dict[tuple[str, ...], list] = {}

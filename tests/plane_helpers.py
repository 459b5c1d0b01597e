"""Small contexts of two dimensions, and what the host's formal solution says of them."""

from __future__ import annotations

import copy
from functools import cache

import lightweaver as lw
import numpy as np

from lw_rl import atmospheres
from lw_rl.host.adapter import Adapter
from lw_rl.host.context import build_context
from lw_rl.operator.plane_2d import Plane2D, Transfer2D


@cache
def _built(kind: str, Nz: int, Nx: int, Nrays: int, solver: str | None) -> lw.Context:
    given = {} if solver is None else {"formalSolver": solver}
    atmos = atmospheres.slab_2d(kind, Nz, Nx, seed=3)
    return build_context("CaII_K", atmos, Nrays=Nrays, **given)


def plane_context(kind="smooth", Nz=31, Nx=8, Nrays=3, solver=None) -> lw.Context:
    """Return a fresh context of Ca II K in LTE."""
    return copy.deepcopy(_built(kind, Nz, Nx, Nrays, solver))


def after_some_steps(ctx: lw.Context, steps: int = 3) -> Adapter:
    """Make some plain steps and a formal solution; return access to the context."""
    adapter = Adapter(ctx)
    for _ in range(steps):
        adapter.evaluate()
    adapter.formal_solution()
    return adapter


def transfer_of(adapter: Adapter, keep: bool = True) -> tuple[Transfer2D, np.ndarray, np.ndarray]:
    """Return transfer at the state of the last formal solution, its S and scattered light."""
    line = adapter.atom(adapter.blocks[0]).source.plane()
    y = adapter.evaluated
    scattered = line.albedo * line.light.of(y)[0]
    transfer = Transfer2D(line, Plane2D(adapter.grid.plane), y, scattered, keep)
    return transfer, np.exp(y), scattered


def reference(ctx: lw.Context) -> np.ndarray:
    """Return the unknown at equilibrium: plain steps until they change nothing."""
    adapter = Adapter(copy.deepcopy(ctx))
    for _ in range(400):
        evaluation = adapter.evaluate()
        if evaluation.residual_norm < 1e-9:
            break
    return adapter.read()

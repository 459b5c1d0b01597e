"""Maps and evaluations without radiation."""

from __future__ import annotations

import numpy as np
import pytest

from lw_rl.certificate.history import History
from lw_rl.host.state import Block, Evaluation


class Driver:
    """A scheme, its state, and the states that were visited with it."""

    def __init__(self, scheme, adapter):
        self.scheme, self.history = scheme, History()
        self.state = scheme.init(adapter, self.history)

    def step(self, evaluation):
        """Return the scheme's step, which is noted."""
        made = self.scheme.step(evaluation, self.state)
        if evaluation.valid:
            self.history.add(evaluation, made.y is None, image=made.image)
        else:
            self.history.skip()
        return made


def evaluation_of(y, r) -> Evaluation:
    """Return the evaluation of a residual at an unknown of one atom."""
    y, r = np.asarray(y, dtype=float), np.asarray(r, dtype=float)
    valid = bool(np.all(np.isfinite(r)))
    return Evaluation(y, r, (Block(0, y.size, (y.size,)),), valid, r)


def affine(N: int, radius: float, seed: int = 0, modes: int | None = None, positive: bool = False):
    """Return an affine contraction, its fixed point and its matrix.

    The eigenvalues are evenly spaced up to `radius`; with `modes` only so many differ from zero.
    With `positive`, the fixed point is positive and spans four decades.
    """
    rng = np.random.default_rng(seed)
    values = np.linspace(radius, 0.1, modes or N)
    values = np.concatenate((np.zeros(N - values.size), values))
    basis, _ = np.linalg.qr(rng.standard_normal((N, N)))
    A = basis @ np.diag(values) @ basis.T
    if positive:
        x_fixed = 10.0 ** rng.uniform(-4.0, 0.0, N)
        scale = np.diag(x_fixed)
        A = scale @ A @ np.linalg.inv(scale)
    else:
        x_fixed = rng.standard_normal(N)
    b = x_fixed - A @ x_fixed
    assert np.max(np.abs(np.linalg.eigvals(A))) == pytest.approx(radius)
    return (lambda x: A @ x + b), x_fixed, A

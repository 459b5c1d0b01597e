"""The greedy network of the paper's Fig. 6."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from lw_rl.experiments.paper.greedy import train_greedy
from lw_rl.slab.slab import paper_slab
from lw_rl.slab.source_shapes import SigmoidShape


def test_greedy_network_follows_the_gradient_with_the_radiation_fixed():
    run = train_greedy(paper_slab(), seed=0, steps=400)
    assert run.loss[-1] < 0.05 * run.loss[0]
    S = SigmoidShape(np.log10(paper_slab().tau)).of_parameters(run.parameters[-1])
    np.testing.assert_allclose(run.S, S, rtol=1e-4)
    residual = paper_slab().implied_source(S) - S
    assert run.loss[-1] == pytest.approx(np.mean(residual**2), rel=1e-3)

"""One network for all depths."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lw_rl.training.shared_weights import DepthNet


def test_shared_weights_move_with_the_depths():
    net = DepthNet(3, 8, 2)
    x = torch.zeros(1, 3, 40)
    x[:, :, 18:22] = torch.randn(3, 4)
    moved = torch.roll(x, 5, 2)
    assert torch.allclose(torch.roll(net(x), 5, 2)[..., 10:30], net(moved)[..., 10:30], atol=1e-5)
    assert net(torch.zeros(1, 3, 80)).shape == (1, 2, 80)

"""The network in torch is the one in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_weights

torch = pytest.importorskip("torch")

from lw_rl.policies.network import Architecture, Network
from lw_rl.policies.observation import NCHANNELS
from lw_rl.training.networks import DepthwiseNet, load_weights


def test_the_network_in_torch_is_the_one_in_numpy(architecture):
    network = Network(architecture, random_weights(architecture))
    net = load_weights(network)
    observation = np.random.default_rng(0).standard_normal((NCHANNELS, 64)).astype(np.float32)
    with torch.no_grad():
        output = net(torch.from_numpy(observation)[None])[0, 0].numpy()
    np.testing.assert_allclose(output, network(observation), rtol=1e-4, atol=1e-5)
    for name, weights in net.to_numpy(0).items():
        np.testing.assert_array_equal(weights, network.weights[name])


@pytest.mark.parametrize("Npoints", [32, 96, 128])
def test_torch_and_numpy_networks_agree(Npoints):
    torch.manual_seed(0)
    architecture = Architecture(NCHANNELS, 12, 4)
    net = DepthwiseNet(architecture, outputs=2)
    x = torch.randn(1, NCHANNELS, Npoints)
    expected = net(x)[0].detach().numpy()
    for output in range(2):
        found = Network(architecture, net.to_numpy(output))(x[0].numpy())
        assert np.allclose(found, expected[output], atol=1e-5)

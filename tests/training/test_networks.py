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


def test_one_output_of_several_is_taken_out():
    torch.manual_seed(0)
    net = DepthwiseNet(Architecture(3, width=4, levels=2), outputs=2)
    observation = torch.randn(1, 3, 16)
    with torch.no_grad():
        both = net(observation)[0].numpy()
    assert both.shape == (2, 16)
    for k in range(2):
        alone = Network(net.architecture, net.to_numpy(k))
        np.testing.assert_allclose(both[k], alone(observation[0].numpy()), rtol=1e-4, atol=1e-5)

"""The depth-wise network of `lw_rl.policies.network`, in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..policies.network import Architecture, Network

__all__ = ["DepthwiseNet", "load_weights"]


class DepthwiseNet(nn.Module):
    """A U-Net over the policy's points.

    Parameters
    ----------
    architecture : Architecture
        Sizes; `channels` counts whatever is fed in (a critic sees the action as one more).
    outputs : int, optional
        Numbers per point (default: 1).
    """

    def __init__(self, architecture: Architecture, outputs: int = 1):
        super().__init__()
        self.architecture, self.outputs = architecture, outputs
        w = architecture.width

        def convolution(fan_in: int) -> nn.Conv1d:
            layer = nn.Conv1d(fan_in, w, 3, padding=1)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
            return layer

        self.stem = convolution(2 * architecture.channels)
        self.down = nn.ModuleList(convolution(w) for _ in range(architecture.levels))
        self.mean = nn.Linear(w, w)
        self.bottom = convolution(w)
        self.up = nn.ModuleList(convolution(2 * w) for _ in range(architecture.levels))
        self.head = nn.Conv1d(w, 2 * outputs, 1)
        nn.init.normal_(self.head.weight, std=0.1 / np.sqrt(w))
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [batch, outputs, Npoints] for [batch, channels, Npoints]."""
        batch, channels, N = x.shape
        # Pairs of points: the even point's channels, then the odd one's.
        x = x.reshape(batch, channels, N // 2, 2).transpose(1, 3).transpose(2, 3)
        x = functional.relu(self.stem(x.reshape(batch, 2 * channels, N // 2)))
        skips = []
        for down in self.down:
            skips.append(x)
            x = functional.relu(down(functional.avg_pool1d(x, 2)))
        mean = functional.relu(self.mean(x.mean(dim=2)))
        x = functional.relu(self.bottom(x + mean[:, :, None]))
        for k in reversed(range(len(skips))):
            x = torch.cat((x.repeat_interleave(2, dim=2), skips[k]), dim=1)
            x = functional.relu(self.up[k](x))
        x = self.head(x).reshape(batch, 2, self.outputs, N // 2)
        return x.permute(0, 2, 3, 1).reshape(batch, self.outputs, N)

    def to_numpy(self, output: int = 0) -> dict[str, np.ndarray]:
        """Return the weights of one output in the layout of `lw_rl.policies.network`."""
        arrays: dict[str, np.ndarray] = {}

        def put(name: str, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
            assert bias is not None
            for part, tensor in (("weight", weight), ("bias", bias)):
                values = tensor.detach().numpy()
                arrays[f"{name}.{part}"] = np.ascontiguousarray(values, dtype=np.float32)

        def put_convolution(name: str, layer: nn.Module) -> None:
            assert isinstance(layer, nn.Conv1d)
            # [C_out, C_in, 3] to [3 * C_in, C_out], left neighbour first.
            matrix = layer.weight.permute(2, 1, 0).reshape(-1, layer.out_channels)
            put(name, matrix, layer.bias)

        put_convolution("stem", self.stem)
        put_convolution("bottom", self.bottom)
        for k in range(self.architecture.levels):
            put_convolution(f"down{k}", self.down[k])
            put_convolution(f"up{k}", self.up[k])
        put("mean", self.mean.weight.T, self.mean.bias)
        rows = [output, self.outputs + output]
        assert self.head.bias is not None
        put("head", self.head.weight[rows, :, 0].T, self.head.bias[rows])
        return arrays


def load_weights(network: Network) -> DepthwiseNet:
    """Return the network in torch, with the weights of the one in numpy.

    The inverse of ``DepthwiseNet.to_numpy`` for one output.
    """
    architecture: Architecture = network.architecture
    net = DepthwiseNet(architecture, outputs=1)
    state = {}
    for name, values in network.weights.items():
        layer, part = name.rsplit(".", 1)
        tensor = torch.from_numpy(np.array(values))
        # "down0" is the first of a list of layers in torch.
        place = layer.rstrip("0123456789")
        key = f"{place}.{layer[len(place) :]}" if layer != place else layer
        if part == "weight":
            if layer == "mean":
                tensor = tensor.T
            elif layer == "head":
                tensor = tensor.T[:, :, None]
            else:
                # [3 * C_in, C_out], left neighbour first, to [C_out, C_in, 3].
                tensor = tensor.reshape(3, -1, tensor.shape[1]).permute(2, 1, 0)
        state[f"{key}.{part}"] = tensor.contiguous()
    net.load_state_dict(state)
    return net

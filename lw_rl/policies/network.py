"""The depth-wise network's forward pass in numpy: a U-Net on the policy's points.

The architecture, top to bottom: neighbouring points are taken in pairs, whose channels are joined;
a convolution over three pairs gives `width` channels; `levels` times an average over two
neighbours and a convolution; at the coarsest level the global mean of all points, mixed in, and a
convolution; on the way back each level is repeated to twice the points, joined with the channels
that went down, and convolved; a last layer gives one number per point. Pairs at the finest level
halve the operations there, which is where nearly all of them are.

`lw_rl.training.networks` holds the same network in torch; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Single

__all__ = ["Architecture", "Network"]

#: Rows of a matrix product. A BLAS would hand larger ones to its threads, which gains nothing at
#: this size and, where others use the cores, waits for them tens of times as long.
_ROWS = 32


@dataclass(frozen=True)
class Architecture:
    """Sizes of a depth-wise network.

    Parameters
    ----------
    channels : int
        Rows of an observation.
    width : int, optional
        Channels of every layer (default: 56).
    levels : int, optional
        How often neighbours are averaged (default: 4).
    """

    channels: int
    width: int = 56
    levels: int = 4

    def __post_init__(self) -> None:
        for name in ("channels", "width", "levels"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1024:
                raise ValueError(f"{name} must be a whole number from 1 to 1024, got {value!r}")
        if self.levels > 8:
            raise ValueError(f"levels must be at most 8, got {self.levels}")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the name and shape of every weight array.

        A convolution's weights are [3 * C_in, C_out]: left, middle and right neighbour in turn.
        The stem's C_in is the channels of the even point of a pair, then those of the odd one.
        """
        w = self.width
        layers: dict[str, tuple[int, int]] = {"stem": (6 * self.channels, w)}
        for k in range(self.levels):
            layers[f"down{k}"] = (3 * w, w)
        layers["mean"] = (w, w)
        layers["bottom"] = (3 * w, w)
        for k in reversed(range(self.levels)):
            layers[f"up{k}"] = (6 * w, w)
        layers["head"] = (w, 2)
        shapes: dict[str, tuple[int, ...]] = {}
        for name, (fan_in, fan_out) in layers.items():
            shapes[f"{name}.weight"] = (fan_in, fan_out)
            shapes[f"{name}.bias"] = (fan_out,)
        return shapes


class Network:
    """A depth-wise network with fixed weights.

    Parameters
    ----------
    architecture : Architecture
    weights : dict of str to Single
        float32 arrays of the names and shapes of ``architecture.shapes()``.
    """

    def __init__(self, architecture: Architecture, weights: dict[str, Single]):
        self.architecture = architecture
        self.weights = {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in weights.items()}

    def _convolve(self, x: Single, name: str) -> Single:
        """Convolve [N, C_in] over three points, zeros beyond the ends, and rectify."""
        N, C = x.shape
        columns = np.empty((N, 3 * C), dtype=np.float32)
        columns[:, C : 2 * C] = x
        columns[1:, :C] = x[:-1]
        columns[:-1, 2 * C :] = x[1:]
        columns[0, :C] = 0.0
        columns[-1, 2 * C :] = 0.0
        if N > _ROWS and N % _ROWS == 0:
            columns = columns.reshape(-1, _ROWS, 3 * C)
        y = (columns @ self.weights[f"{name}.weight"]).reshape(N, -1)
        y += self.weights[f"{name}.bias"]
        return np.maximum(y, 0.0, out=y)

    def __call__(self, observation: Single) -> Single:
        """Return the network's output at every point.

        Parameters
        ----------
        observation : Single
            float32, shape [channels, Npoints], Npoints a multiple of ``2 ** (levels + 1)``; of a
            plane [channels, Npoints, columns], whose columns share the weights.

        Returns
        -------
        output : Single
            float32, shape [Npoints] or [Npoints, columns].

        Raises
        ------
        ValueError
            If the observation has another shape.
        """
        if observation.ndim == 3:
            return np.stack([self(column) for column in np.moveaxis(observation, 2, 0)], axis=1)
        C, N = observation.shape
        multiple = 2 ** (self.architecture.levels + 1)
        if C != self.architecture.channels or N == 0 or N % multiple:
            raise ValueError(
                f"an observation has {self.architecture.channels} channels on a multiple of "
                f"{multiple} points; got {C} on {N}"
            )
        pairs = np.ascontiguousarray(observation.T).reshape(N // 2, 2 * C)
        x = self._convolve(pairs, "stem")
        skips = []
        for k in range(self.architecture.levels):
            skips.append(x)
            x = self._convolve(0.5 * (x[0::2] + x[1::2]), f"down{k}")
        mean = x.mean(axis=0) @ self.weights["mean.weight"] + self.weights["mean.bias"]
        x = self._convolve(x + np.maximum(mean, 0.0), "bottom")
        for k in reversed(range(self.architecture.levels)):
            skip = skips[k]
            joined = np.empty((skip.shape[0], 2 * skip.shape[1]), dtype=np.float32)
            joined[0::2, : x.shape[1]] = x
            joined[1::2, : x.shape[1]] = x
            joined[:, x.shape[1] :] = skip
            x = self._convolve(joined, f"up{k}")
        return (x @ self.weights["head.weight"] + self.weights["head.bias"]).reshape(N)

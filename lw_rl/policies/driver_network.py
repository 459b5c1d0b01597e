"""A learned driver: a small network in numpy, its weights without pickle, and its card.

A driver is two files as a policy is (`lw_rl.policies.actor`): ``NAME.safetensors`` and the card
``NAME.json`` with the schema of the observation, the layers, the SHA-256 of the weights, and the
range of every channel in training. Outside of it the fixed setting drives.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ..arrays import Single
from ..errors import OutOfRangeError, PolicyFileError, SchemaError
from ..files import write_atomically
from .drive import DIALS, NAMES, SCHEMA, Decision, Situation, decision_of, observe_situation

__all__ = ["NetworkDriver", "load_driver", "parse_driver", "save_driver"]

#: Files larger than this are refused unread.
_MAX_BYTES = 2**20


class NetworkDriver:
    """Rectified layers and a hyperbolic tangent, from an observation to a decision.

    Parameters
    ----------
    layers : sequence of (Single, Single)
        Weights [fan_out, fan_in] and biases [fan_out] of every layer.
    low, high : Single
        Range of every channel in training, each [len(NAMES)].
    card : mapping, optional
        How it was made.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Single, Single]],
        low: Single,
        high: Single,
        card: Mapping[str, Any] | None = None,
    ):
        self.layers, self.low, self.high = list(layers), low, high
        self.card = dict(card or {})

    def action(self, observation: Single) -> Single:
        """Return the action for an observation, each in [-1, 1], shape [len(DIALS)]."""
        x = observation
        for weight, bias in self.layers[:-1]:
            x = np.maximum(weight @ x + bias, 0.0)
        weight, bias = self.layers[-1]
        action: Single = np.tanh(weight @ x + bias)
        return action

    def decide(self, situation: Situation) -> Decision:
        """Return the decision.

        Raises
        ------
        OutOfRangeError
            If the situation is unlike any in training.
        """
        observation = observe_situation(situation)
        outside = ~((observation >= self.low) & (observation <= self.high))
        if outside.any():
            k = int(outside.argmax())
            raise OutOfRangeError(
                f"channel {NAMES[k]!r} of the situation is {observation[k]:.3g}, outside the "
                f"driver's training range {self.low[k]:.3g} .. {self.high[k]:.3g}"
            )
        return decision_of(self.action(observation))


def load_driver(path: str | os.PathLike[str]) -> NetworkDriver:
    """Load a driver from its two files.

    Raises
    ------
    PolicyFileError
        If a file is missing, too large, truncated, tampered with, or not a driver.
    SchemaError
        If the driver was trained on another definition of observation or decision.
    """
    path = Path(path)
    contents = []
    for file in (path.with_suffix(".safetensors"), path.with_suffix(".json")):
        try:
            if file.stat().st_size > _MAX_BYTES:
                raise PolicyFileError(f"{file} has more than the {_MAX_BYTES} bytes of a driver")
            contents.append(file.read_bytes())
        except OSError as err:
            raise PolicyFileError(f"cannot read {file}: {err}") from err
    return parse_driver(contents[0], contents[1], str(path))


def parse_driver(weights: bytes, card: bytes, name: str) -> NetworkDriver:
    """Check the contents of a driver's two files and return it; errors as :func:`load_driver`."""
    try:
        fields = json.loads(card)
        found, digest, sizes = fields["schema"], fields["sha256"], fields["layers"]
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise PolicyFileError(f"the card of driver {name!r} is not one: {err!r}") from err
    if found != SCHEMA:
        raise SchemaError(
            f"driver {name!r} was trained on schema {found!r} of situations, this lw_rl has "
            f"schema {SCHEMA}: train it again, or install the lw_rl it was made for"
        )
    if hashlib.sha256(weights).hexdigest() != digest:
        raise PolicyFileError(
            f"the weights of driver {name!r} have another SHA-256 than its card says, {digest!r}: "
            "the file is truncated or was changed"
        )
    try:
        tensors = load_tensors(weights)
        layers = [(tensors[f"weight{k}"], tensors[f"bias{k}"]) for k in range(len(sizes) - 1)]
        low, high = tensors["low"], tensors["high"]
    except (SafetensorError, ValueError, KeyError, TypeError) as err:
        raise PolicyFileError(f"the weights of driver {name!r} cannot be read: {err!r}") from err
    _check(layers, low, high, name)
    return NetworkDriver(layers, low, high, {**fields, "name": fields.get("name", name)})


def _check(layers: Sequence[tuple[Single, Single]], low: Single, high: Single, name: str) -> None:
    width = len(NAMES)
    fits = len(layers) > 0 and low.shape == high.shape == (width,)
    for weight, bias in layers:
        fits = fits and weight.ndim == 2 and weight.shape == (len(bias), width)
        width = len(bias)
    if not fits or width != len(DIALS):
        raise PolicyFileError(
            f"the layers of driver {name!r} do not lead from {len(NAMES)} channels to {len(DIALS)} "
            f"numbers: {[w.shape for w, _ in layers]}"
        )
    for array in (low, high, *(a for layer in layers for a in layer)):
        if array.dtype != np.float32 or not np.all(np.isfinite(array)):
            raise PolicyFileError(f"driver {name!r} holds values that are not finite float32")


def save_driver(path: str | os.PathLike[str], driver: NetworkDriver) -> Path:
    """Write a driver's two files, and return the card's path."""
    path = Path(path)
    _check(driver.layers, driver.low, driver.high, str(path))
    tensors = {"low": driver.low, "high": driver.high}
    for k, (weight, bias) in enumerate(driver.layers):
        tensors |= {f"weight{k}": weight, f"bias{k}": bias}
    data = save_tensors({k: np.ascontiguousarray(v) for k, v in tensors.items()})
    fields = {
        "name": path.stem,
        **driver.card,
        "schema": SCHEMA,
        "layers": [len(NAMES), *(len(bias) for _, bias in driver.layers)],
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_atomically(path.with_suffix(".safetensors"), data)
    card = path.with_suffix(".json")
    write_atomically(card, (json.dumps(fields, indent=2) + "\n").encode())
    return card

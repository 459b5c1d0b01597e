"""A shipped policy: weights without pickle, a card, and a forward pass in numpy.

A policy is two files beside each other: ``NAME.safetensors`` (a header in JSON and raw arrays;
nothing in it can be executed) and ``NAME.json``, the card: observation schema, architecture,
the SHA-256 of the weights, and how the policy was made and scored.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ..arrays import Array, Single
from ..errors import OutOfRangeError, PolicyFileError, SchemaError, UnknownNameError
from ..files import write_atomically
from .card import Card
from .network import Architecture, Network
from .observation import (
    CHANNELS,
    MAX_POINTS,
    NCHANNELS,
    POINT_MULTIPLE,
    SCHEMA,
    points_to_action,
)

__all__ = ["Actor", "known", "load", "load_shipped", "parse", "save"]

#: Files larger than this are refused unread: a policy of a megabyte or so is a large one.
_MAX_BYTES = 64 * 2**20
_REQUIRED = ("schema", "architecture", "sha256", "gain")


class Actor:
    """A depth-wise policy that runs in numpy.

    The deterministic action adds ``gain * max|estimate| * network(observation)`` to the estimate of
    the logarithm of the source function at the policy's points.

    Parameters
    ----------
    network : Network
        The network.
    gain : float
        Factor of the network's output.
    card : Mapping, optional
        How the policy was made.

    Raises
    ------
    PolicyFileError
        If a limit that the card sets is not of its kind.
    """

    def __init__(self, network: Network, gain: float, card: Mapping[str, Any] | None = None):
        self.network = network
        self.gain = float(gain)
        self.card = card or {}

    @property
    def card(self) -> Card:
        """How the policy was made, and what limits that sets."""
        return self._card

    @card.setter
    def card(self, entries: Mapping[str, Any]) -> None:
        self._card = Card(entries)

    @property
    def name(self) -> str:
        """The policy's name, from its card."""
        return self.card.name

    def without_limits(self) -> Actor:
        """Return the same policy as if its card set no limits on observations and estimates."""
        return Actor(self.network, self.gain, self.card.without_limits())

    def predict(
        self,
        observation: Single,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Array, None]:
        """Return the action for one observation.

        Parameters
        ----------
        observation : Array
            float32, shape [NCHANNELS, Npoints]; in two dimensions [NCHANNELS, Npoints, Nx] and for
            several lines [NCHANNELS, Npoints, Nline]: the network sees one after the other.
        state, episode_start, deterministic
            Present for stable-baselines3's signature; a shipped policy is deterministic.

        Returns
        -------
        action : Array
            Values in [-1, 1], shape [Npoints] or [Npoints, Nx].
        state : None

        Raises
        ------
        OutOfRangeError
            If the card has the range that the policy was trained on, and this is outside.
        """
        self._check_range(observation)
        # That of every column or line: it is the same at all points.
        size = 10.0 ** (4.0 * observation[1, 0].astype(np.float64))
        output = self.network(observation).astype(np.float64)
        return points_to_action(self.gain * size * output, size), None

    def _check_range(self, observation: Single) -> None:
        if self.card.observation_range is None:
            return
        low, high = self.card.observation_range
        values = observation.reshape(len(observation), -1)
        lowest, highest = values.min(axis=1), values.max(axis=1)
        # A value that is not a number is outside too.
        outside = ~((lowest >= low) & (highest <= high))
        if outside.any():
            k = int(outside.argmax())
            raise OutOfRangeError(
                f"channel {CHANNELS[k]!r} of the observation is {lowest[k]:.3g} .. "
                f"{highest[k]:.3g}, outside the policy's training range {low[k]:.3g} .. "
                f"{high[k]:.3g}"
            )


def known() -> list[str]:
    """Return the names of the policies that ship."""
    folder = files("lw_rl.policies")
    return sorted(
        f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json")
    )


@cache
def load_shipped(name: str) -> Actor:
    """Load a policy that ships, once per process.

    Raises
    ------
    UnknownNameError
        If there is none of that name; the message lists those that there are.
    """
    if name not in known():
        raise UnknownNameError("policy", name, known())
    folder = files("lw_rl.policies")
    return parse(
        (folder / f"{name}.safetensors").read_bytes(),
        (folder / f"{name}.json").read_bytes(),
        name,
    )


def load(path: str | os.PathLike[str]) -> Actor:
    """Load a policy from a file.

    Parameters
    ----------
    path : path-like
        The weights (``.safetensors``) or the card (``.json``); the other lies beside it.

    Raises
    ------
    PolicyFileError
        If a file is missing, too large, truncated, tampered with, or not a policy.
    SchemaError
        If the policy was trained on another definition of the observation.
    """
    path = Path(path)
    weights, card = path.with_suffix(".safetensors"), path.with_suffix(".json")
    contents = []
    for file in (weights, card):
        try:
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise PolicyFileError(f"cannot read {file}: it is not a regular file")
            if status.st_size > _MAX_BYTES:
                raise PolicyFileError(
                    f"{file} has {status.st_size} bytes, more than the {_MAX_BYTES} a policy may "
                    "have"
                )
            contents.append(file.read_bytes())
        except OSError as err:
            raise PolicyFileError(f"cannot read {file}: {err}") from err
    return parse(contents[0], contents[1], str(path))


def parse(weights: bytes, card: bytes, name: str) -> Actor:
    """Check the contents of a policy's two files and return the policy.

    Parameters
    ----------
    weights, card : bytes
        Contents of the two files.
    name : str
        What error messages call the policy.

    Raises
    ------
    PolicyFileError, SchemaError
        As :func:`load`.
    """
    try:
        fields = json.loads(card)
    except (ValueError, RecursionError) as err:
        raise PolicyFileError(f"the card of policy {name!r} is not JSON: {err}") from err
    if not isinstance(fields, dict):
        raise PolicyFileError(f"the card of policy {name!r} is not a JSON object")
    missing = [k for k in _REQUIRED if k not in fields]
    if missing:
        raise PolicyFileError(f"the card of policy {name!r} lacks {', '.join(missing)}")
    if fields["schema"] != SCHEMA:
        raise SchemaError(
            f"policy {name!r} was trained on observation schema {fields['schema']!r}, this lw_rl "
            f"has schema {SCHEMA}: train it again, or install the lw_rl it was made for"
        )
    digest = hashlib.sha256(weights).hexdigest()
    if digest != fields["sha256"]:
        raise PolicyFileError(
            f"the weights of policy {name!r} have SHA-256 {digest}, its card says "
            f"{fields['sha256']!r}: the file is truncated or was changed"
        )
    try:
        architecture = Architecture(**fields["architecture"])
        gain = fields["gain"]
        if isinstance(gain, bool) or not isinstance(gain, int | float):
            raise TypeError(f"gain must be a number, got {gain!r}")
        gain = float(gain)
    except (TypeError, ValueError, OverflowError) as err:
        raise PolicyFileError(f"the card of policy {name!r} is not valid: {err}") from err
    if architecture.channels != NCHANNELS or POINT_MULTIPLE % 2 ** (architecture.levels + 1):
        raise PolicyFileError(
            f"the architecture of policy {name!r} does not fit {NCHANNELS} channels on a multiple "
            f"of {POINT_MULTIPLE} points: {architecture}"
        )
    if not np.isfinite(gain):
        raise PolicyFileError(f"the gain of policy {name!r} is {gain!r}")
    try:
        tensors = load_tensors(weights)
    except (SafetensorError, ValueError, KeyError, TypeError) as err:
        raise PolicyFileError(f"the weights of policy {name!r} cannot be read: {err}") from err
    _check_tensors(tensors, architecture, name)
    return Actor(Network(architecture, tensors), gain, {**fields, "name": fields.get("name", name)})


def _check_tensors(tensors: Mapping[str, Single], architecture: Architecture, name: str) -> None:
    shapes = architecture.shapes()
    if set(tensors) != set(shapes):
        raise PolicyFileError(
            f"the weights of policy {name!r} are not those of its architecture: "
            f"{sorted(set(tensors) ^ set(shapes))} are missing or superfluous"
        )
    for key, shape in shapes.items():
        tensor = tensors[key]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise PolicyFileError(
                f"array {key} of policy {name!r} is {tensor.dtype}{list(tensor.shape)}, expected "
                f"float32{list(shape)}"
            )
        if not np.all(np.isfinite(tensor)):
            raise PolicyFileError(f"array {key} of policy {name!r} holds values not finite")


def save(
    path: str | os.PathLike[str],
    architecture: Architecture,
    weights: Mapping[str, Single],
    gain: float,
    card: Mapping[str, Any],
) -> Path:
    """Write a policy's two files, each in one step, so that neither is ever half written.

    Parameters
    ----------
    path : path-like
        Where to; the suffix is replaced by ``.safetensors`` and ``.json``.
    architecture : Architecture
    weights : mapping of str to Array
        Arrays of the names and shapes of ``architecture.shapes()``.
    gain : float
        Factor of the network's output.
    card : mapping
        The card's other entries.

    Returns
    -------
    path : Path
        The card.
    """
    path = Path(path)
    tensors = {k: np.ascontiguousarray(v, dtype=np.float32) for k, v in weights.items()}
    _check_tensors(tensors, architecture, str(path))
    data = save_tensors(tensors)
    fields = {
        "name": path.stem,
        **card,
        "schema": SCHEMA,
        "max_points": MAX_POINTS,
        "architecture": {
            "channels": architecture.channels,
            "width": architecture.width,
            "levels": architecture.levels,
        },
        "gain": gain,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    write_atomically(path.with_suffix(".safetensors"), data)
    card_path = path.with_suffix(".json")
    write_atomically(card_path, (json.dumps(fields, indent=2) + "\n").encode())
    return card_path

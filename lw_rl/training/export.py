"""From a trained model to a policy that is solved with: numpy weights and a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import actor as actors
from ..network import Network
from .policy import DepthwiseActor
from .sac import DepthwiseSAC


def export(path: Path, model: DepthwiseSAC, card: dict[str, Any]) -> Path:
    """Write the policy's weights without pickle, and its card."""
    policy = in_numpy(model)
    return actors.save(path, policy.network.architecture, policy.network.weights, policy.gain, card)


def in_numpy(model: DepthwiseSAC) -> actors.Actor:
    """Return the actor as it is solved with."""
    trained = model.actor
    assert isinstance(trained, DepthwiseActor)
    net = trained.net
    return actors.Actor(Network(net.architecture, net.to_numpy(0)), trained.gain)

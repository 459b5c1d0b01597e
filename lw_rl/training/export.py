"""From a trained model to a policy that is solved with: numpy weights and a card."""

from __future__ import annotations

from pathlib import Path

from ..benchmark.calibration import card_entries
from ..errors import NoReferenceError
from ..files import Json
from ..policies import actor as actors
from ..policies.network import Network
from .policy import DepthwiseActor
from .sac import DepthwiseSAC

__all__ = ["export", "in_numpy"]


def export(path: Path, model: DepthwiseSAC, card: Json, calibration: int = 0) -> Path:
    """Write the policy's weights without pickle, and its card.

    Parameters
    ----------
    path : Path
        Where to; the suffixes are added.
    model : DepthwiseSAC
        What was trained.
    card : dict
        How it was made.
    calibration : int, optional
        Problems that the card's limits are taken from (`lw_rl.benchmark.calibration.card_entries`);
        with 0, and for a policy of so little use that it has none, the card sets none (default: 0).
    """
    policy = in_numpy(model)
    if calibration:
        try:
            card = {**card, **card_entries(policy, calibration)}
        except NoReferenceError:
            pass
    return actors.save(path, policy.network.architecture, policy.network.weights, policy.gain, card)


def in_numpy(model: DepthwiseSAC) -> actors.Actor:
    """Return the actor as it is solved with."""
    trained = model.actor
    assert isinstance(trained, DepthwiseActor)
    net = trained.net
    return actors.Actor(Network(net.architecture, net.to_numpy(0)), trained.gain)

"""Fine-tune a policy on the columns of a cube, and say whether it became better.

Hindsight pairs (`lw_rl.training.hindsight`) are made of the states that the workers visited, and
of those that the policy visits here on its way to a smaller error. A third of the columns is held
back; on these the policy before and after are compared. Run by the client of a cube in a process
of its own: ``python -m lw_rl.training.finetune SAMPLES POLICY OUT --settings JSON``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from gymnasium import spaces

from .. import actor as actors
from ..actor import Actor
from ..approximate_operator import ApproximateOperator
from ..cube.column import Workshop
from ..cube.learn import unpack
from ..cube.recorder import Visited
from ..cube.settings import Settings
from ..files import write_atomically
from ..network import Architecture, Network
from ..observation import NCHANNELS
from ..state import LinePhysics
from .hindsight import HindsightBuffer
from .networks import DepthwiseNet

Array = np.ndarray

#: Every so many-th column is held back.
_HELD_BACK = 3
#: Error to which the policy is followed here: late states make the best goals.
_FOLLOW = 1e-5
_BATCH = 48
_RATES = (5e-4, 2e-5)
_MAX_GRADIENT = 10.0


@dataclass(frozen=True)
class Verdict:
    """What came of a fine-tuning.

    Attributes
    ----------
    accepted : bool
        Whether the policy needs fewer formal solutions than before, by more than chance explains
        (:func:`better`), and fails no more often.
    before, after : float
        Mean formal solutions on the held-back columns.
    uncertainty : float
        Standard error of their difference.
    failed_before, failed_after : int
        Held-back columns that did not converge by the policy.
    trained, held_back : int
        Numbers of columns.
    seconds : float
        Wall time [s].
    """

    accepted: bool
    before: float
    after: float
    uncertainty: float
    failed_before: int
    failed_after: int
    trained: int
    held_back: int
    seconds: float


def finetune(
    columns: Sequence[Visited],
    policy: Actor,
    settings: Settings,
    updates: int = 400,
    rounds: int = 2,
    seed: int = 0,
) -> tuple[Actor, Verdict]:
    """Fine-tune a policy on sampled columns and compare it on those held back.

    Parameters
    ----------
    columns : sequence of Visited
        The sample; at least :data:`_HELD_BACK` columns.
    policy : Actor
        The policy to begin with.
    settings : Settings
        What the cube is solved with.
    updates : int, optional
        Gradient steps of a round (default: 400).
    rounds : int, optional
        How often the training columns are solved anew by the policy as it is (default: 2).
    seed : int, optional
        Seed of the pairs (default: 0).

    Returns
    -------
    tuned : Actor
    verdict : Verdict
    """
    start = perf_counter()
    torch.set_num_threads(1)
    shop = Workshop(replace(settings, start="policy"))
    follow = Workshop(replace(settings, start="policy", popsTol=_FOLLOW))
    held = list(columns[::_HELD_BACK])
    train = [c for k, c in enumerate(columns) if k % _HELD_BACK]
    buffer = _buffer(train, seed)
    net = load_weights(policy.network)
    tuned = policy
    for _ in range(rounds):
        for k, visited in enumerate(train):
            again = follow.solve(visited.column, tuned, record=True).visited
            if again is not None:
                _add(buffer, str(k), again)
        if not buffer.ready(1):
            break
        seen = _imitate(net, policy.gain, buffer, updates)
        card = widened(tuned.card, *seen)
        tuned = Actor(Network(net.architecture, net.to_numpy(0)), policy.gain, card)
    before, failed_before = _cost(shop, held, policy)
    after, failed_after = _cost(shop, held, tuned)
    verdict = Verdict(
        accepted=better(before, after) and failed_after <= failed_before,
        before=float(before.mean()),
        after=float(after.mean()),
        uncertainty=_uncertainty(before - after),
        failed_before=failed_before,
        failed_after=failed_after,
        trained=len(train),
        held_back=len(held),
        seconds=perf_counter() - start,
    )
    return tuned, verdict


def _buffer(columns: Sequence[Visited], seed: int) -> HindsightBuffer:
    """Return a buffer with the states visited in the workers; transitions are not needed."""
    # The spaces size the transitions' arrays only, of which there is one.
    observation = spaces.Box(-np.inf, np.inf, (NCHANNELS, 1), np.float32)
    action = spaces.Box(-1.0, 1.0, (1,), np.float32)
    buffer = HindsightBuffer(1, observation, action, device="cpu", seed=seed)
    for k, visited in enumerate(columns):
        buffer.register(str(k), LinePhysics(**visited.physics))
        _add(buffer, str(k), visited)
    return buffer


def _add(buffer: HindsightBuffer, name: str, visited: Visited) -> None:
    # Pairs are relabelled with what one operator says of both; a column that began at its
    # neighbour's solution was solved with another.
    operator, _ = ApproximateOperator.first(LinePhysics(**visited.physics))
    if not operator.regular:
        return
    states = zip(visited.y, visited.r, visited.implied, visited.starts, strict=True)
    for y, r, implied, starts in states:
        buffer.visits[name].add(y, r, operator.error(y, implied), bool(starts))


def widened(card: dict[str, Any], low: Array, high: Array) -> dict[str, Any]:
    """Return a card whose range of observations takes in what was trained on as well.

    A policy that keeps its old range is not asked where it has learned.
    """
    entry = card.get("observation_range")
    if entry is None:
        return card
    entry = {
        **entry,
        "low": np.minimum(entry["low"], low).tolist(),
        "high": np.maximum(entry["high"], high).tolist(),
    }
    return {**card, "observation_range": entry}


def _imitate(
    net: DepthwiseNet, gain: float, buffer: HindsightBuffer, updates: int
) -> tuple[Array, Array]:
    """Take gradient steps on the misfit of the proposed corrections, relative to the error.

    Returns
    -------
    low, high : Array
        The range of the observations, shape [NCHANNELS].
    """
    low, high = np.full(NCHANNELS, np.inf), np.full(NCHANNELS, -np.inf)
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATES[0], weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LinearLR(
        optimizer, 1.0, _RATES[1] / _RATES[0], total_iters=updates
    )
    for _ in range(updates):
        batch = buffer.demonstrations(_BATCH)
        low = np.minimum(low, batch.observations.amin(dim=(0, 2)).numpy())
        high = np.maximum(high, batch.observations.amax(dim=(0, 2)).numpy())
        misfit = gain * net(batch.observations)[:, 0] - batch.targets
        loss = (misfit.norm(dim=1) / batch.errors.norm(dim=1)).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(net.parameters(), _MAX_GRADIENT)
        if torch.isfinite(norm):
            optimizer.step()
        schedule.step()
    return low, high


def better(before: Array, after: Array) -> bool:
    """Return whether the saving is more than two standard errors of its mean.

    Formal solutions are few and whole numbers: of two equal policies, one needs fewer on some
    twenty columns every other time.

    Parameters
    ----------
    before, after : Array
        Formal solutions on the same columns, shape [Ncolumn].
    """
    saved = before - after
    return bool(saved.mean() > 2.0 * _uncertainty(saved))


def _uncertainty(values: Array) -> float:
    """Return the standard error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf


def _cost(shop: Workshop, columns: Sequence[Visited], policy: Actor) -> tuple[Array, int]:
    """Return formal solutions, and how many columns needed more than the policy."""
    solved = [shop.solve(c.column, policy) for c in columns]
    failed = sum(s.attempts != 1 or s.outcome != "converged" for s in solved)
    return np.array([s.Nformal for s in solved], float), failed


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


@click.command()
@click.argument("samples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("policy", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--settings", required=True, help="Settings of the cube, as JSON.")
@click.option("--updates", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def main(
    samples: Path, policy: Path, out: Path, settings: str, updates: int, rounds: int, seed: int
) -> None:
    """Fine-tune POLICY on SAMPLES; write OUT (card and weights) and OUT's .verdict."""
    fields: dict[str, Any] = json.loads(settings)
    chosen = Settings(**{**fields, "mus": tuple(fields["mus"])})
    before = actors.load(policy)
    tuned, verdict = finetune(unpack(samples), before, chosen, updates, rounds, seed)
    card = {k: v for k, v in tuned.card.items() if k not in ("sha256", "name")}
    finetuned = {"from": before.name, "sha256": before.card["sha256"], **vars(verdict)}
    network = tuned.network
    actors.save(
        out, network.architecture, network.weights, tuned.gain, {**card, "finetuned": finetuned}
    )
    write_atomically(out.with_suffix(".verdict"), json.dumps(vars(verdict)).encode())


if __name__ == "__main__":
    main()

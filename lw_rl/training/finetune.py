"""Fine-tune a policy on the columns of a cube, and say whether it became better.

Hindsight pairs (`lw_rl.training.hindsight`) are made of the states that the workers visited, and
of those that the policy visits here on its way to a smaller error, without the limits of its card:
where the card has it not used is where it has most to learn. The new card says where it has learned
(:func:`widened`). Half of the columns is held out: on these the factor on its estimate of the error
is calibrated again, and the policy before and after are compared.

A third to a half of a column's formal solutions certify what is converged already, since the factor
on the operator's own estimate of the error is one for all kinds of problems. The columns trained on
tell what it is for columns of this kind (`lw_rl.training.column_calibration.operator_estimate`);
the new card says it with the range in which it was found. With the old weights it is a candidate of
its own.

Run by the client of a cube in a process of its own: ``python -m lw_rl.training.finetune SAMPLES
POLICY OUT --settings JSON``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from gymnasium import spaces

from ..arrays import Array
from ..cube.column import Workshop
from ..cube.recorder import VisitedStates, unpack
from ..cube.settings import CubeSettings
from ..envs.stat_equil import Visit
from ..files import Json, write_atomically
from ..operator.two_level import TwoLevelOperator
from ..policies import actor as actors
from ..policies.actor import Actor
from ..policies.network import Network
from ..policies.observation import CHANNELS, NCHANNELS
from .column_calibration import calibrated, column_costs, operator_estimate, policy_factor
from .comparison import Verdict, chosen_of, uncertainty
from .hindsight import HindsightBuffer
from .networks import DepthwiseNet, load_weights

__all__ = ["add_states", "finetune", "imitate", "split", "states_buffer", "unlimited", "widened"]

#: Every so many-th column is held out.
_HELD_OUT = 2
#: Error to which the policy is followed here: late states make the best goals.
_FOLLOW = 1e-9
_BATCH = 48
_RATES = (5e-4, 2e-5)
_MAX_GRADIENT = 10.0


def finetune(
    columns: Sequence[VisitedStates],
    policy: Actor,
    settings: CubeSettings,
    updates: int = 400,
    rounds: int = 1,
    seed: int = 0,
) -> tuple[Actor, Verdict]:
    """Fine-tune a policy on sampled columns and compare it on those held out.

    Parameters
    ----------
    columns : sequence of VisitedStates
        The sample; at least :data:`_HELD_OUT` columns.
    policy : Actor
        The policy to begin with.
    settings : CubeSettings
        What the cube is solved with.
    updates : int, optional
        Gradient steps of a round (default: 400).
    rounds : int, optional
        How often the training columns are solved again by the policy as it is (default: 1).
    seed : int, optional
        Seed of the pairs (default: 0).

    Returns
    -------
    tuned : Actor
    verdict : Verdict
    """
    start = perf_counter()
    torch.set_num_threads(1)
    train, held_out = split(columns)
    tuned, spent = _trained(train, policy, settings, updates, rounds, seed)
    shop = Workshop(replace(settings, start="policy"))
    tuned, solutions, more = calibrated(shop, held_out, tuned)
    operator, most = operator_estimate(shop, train)
    before = column_costs(shop, held_out, policy, solutions)
    candidates = {"tuned": _with_operator(tuned, operator)}
    if operator is not None:
        candidates["kept"] = _with_operator(policy, operator)
    costs = {name: column_costs(shop, held_out, p, solutions) for name, p in candidates.items()}
    chosen, accepted = chosen_of(before, costs)
    after = costs[chosen]
    compared = sum(float(cost.Nformal.sum()) for cost in (before, *costs.values()))
    verdict = Verdict(
        accepted=accepted,
        before=float(before.Nformal.mean()),
        after=float(after.Nformal.mean()),
        uncertainty=uncertainty(before.Nformal - after.Nformal),
        failed_before=before.failed,
        failed_after=after.failed,
        early_before=before.early,
        early_after=after.early,
        factor=policy_factor(candidates[chosen]),
        operator_factor=None if operator is None else operator["factor"],
        weights=chosen,
        formal_solutions=spent + more + most + int(compared),
        trained=len(train),
        held_out=len(held_out),
        seconds=perf_counter() - start,
    )
    return candidates[chosen], verdict


def split(
    columns: Sequence[VisitedStates],
) -> tuple[list[VisitedStates], list[VisitedStates]]:
    """Return the columns to train on, and those held out for the comparison."""
    train = [c for k, c in enumerate(columns) if k % _HELD_OUT]
    return train, list(columns[::_HELD_OUT])


def _trained(
    columns: Sequence[VisitedStates],
    policy: Actor,
    settings: CubeSettings,
    updates: int,
    rounds: int,
    seed: int,
) -> tuple[Actor, int]:
    """Return the policy trained on columns, and the formal solutions of following it there."""
    follow = Workshop(replace(settings, start="policy", popsTol=_FOLLOW))
    buffer = states_buffer(columns, seed)
    net = load_weights(policy.network)
    tuned, Nformal = policy, 0
    for _ in range(rounds):
        for k, visited in enumerate(columns):
            solved = follow.solve(visited.column, unlimited(tuned), record=True)
            Nformal += solved.Nformal
            if solved.visited is not None:
                add_states(buffer, str(k), solved.visited)
        if not buffer.ready(1):
            break
        seen = imitate(net, policy.gain, buffer, updates)
        card = widened(tuned.card, *seen)
        tuned = Actor(Network(net.architecture, net.to_numpy(0)), policy.gain, card)
    return tuned, Nformal


def _with_operator(policy: Actor, entry: Json | None) -> Actor:
    """Return the policy with an ``operator_estimate`` in its card, if there is one."""
    if entry is None:
        return policy
    return Actor(policy.network, policy.gain, {**policy.card, "operator_estimate": entry})


def states_buffer(columns: Sequence[VisitedStates], seed: int) -> HindsightBuffer:
    """Return a buffer with the states visited in the workers; transitions are not needed."""
    # The spaces size the transitions' arrays only, of which there is one.
    observation = spaces.Box(-np.inf, np.inf, (NCHANNELS, 1), np.float32)
    action = spaces.Box(-1.0, 1.0, (1,), np.float32)
    buffer = HindsightBuffer(1, observation, action, device="cpu", seed=seed)
    for k, visited in enumerate(columns):
        buffer.register(str(k), visited.physics)
        add_states(buffer, str(k), visited)
    return buffer


def add_states(buffer: HindsightBuffer, name: str, visited: VisitedStates) -> None:
    """Add the states visited on a registered column to a buffer."""
    # Pairs are relabelled with the errors by one operator; a column that began at its neighbour's
    # solution was solved with another.
    operator = TwoLevelOperator.first(visited.physics)
    if not operator.regular:
        return
    states = zip(visited.y, visited.r, visited.lambda_residual, visited.starts, strict=True)
    for y, r, lambda_residual, starts in states:
        visit = Visit(y, r, operator.error(y, lambda_residual), bool(starts))
        buffer.visits[name].add(visit)


def unlimited(policy: Actor) -> Actor:
    """Return the policy with a card that sets no limits to where it is used."""
    return Actor(policy.network, policy.gain, {"asked_within": np.inf})


def widened(card: Mapping[str, Any], low: Array, high: Array) -> Json:
    """Return a card whose limits include what the policy was trained on.

    A policy that kept its old limits would not be used where it has learned: its range of
    observations takes in the new ones, the estimated error up to which it is used theirs, and it is
    asked whatever the operator leaves.

    Parameters
    ----------
    card : Mapping
        The card before.
    low, high : Array
        The range of the observations that it was trained on, shape [NCHANNELS].
    """
    largest = 10.0 ** (4.0 * float(high[CHANNELS.index("estimate_size")]))
    card = {k: v for k, v in card.items() if k != "asked_after"}
    card["asked_within"] = max(card.get("asked_within", 0.0), largest)
    entry = card.get("observation_range")
    if entry is None:
        return card
    entry = {
        **entry,
        "low": np.minimum(entry["low"], low).tolist(),
        "high": np.maximum(entry["high"], high).tolist(),
    }
    return {**card, "observation_range": entry}


def imitate(
    net: DepthwiseNet, gain: float, buffer: HindsightBuffer, updates: int
) -> tuple[Array, Array]:
    """Take gradient steps on the misfit of the proposed corrections, relative to the error.

    Parameters
    ----------
    net : DepthwiseNet
        What is trained.
    gain : float
        Factor of its output.
    buffer : HindsightBuffer
        What the demonstrations are drawn from.
    updates : int
        Gradient steps.

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


@click.command()
@click.argument("samples", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("policy", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--settings", required=True, help="Settings of the cube, as JSON.")
@click.option("--updates", type=click.IntRange(min=1), default=400, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
def main(
    samples: Path, policy: Path, out: Path, settings: str, updates: int, rounds: int, seed: int
) -> None:
    """Fine-tune POLICY on SAMPLES; write OUT (card and weights) and OUT's .verdict."""
    fields: Json = json.loads(settings)
    chosen = CubeSettings(**{**fields, "mus": tuple(fields["mus"])})
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

"""Fine-tune a policy on the columns of a cube, and say whether it became better.

Hindsight pairs (`lw_rl.training.hindsight`) are made of the states that the workers visited, and
of those that the policy visits here on its way to a smaller error, asked everywhere: where its card
would not have it asked is where it has most to learn. The new card says where it has learned
(:func:`widened`). Half of the columns is held back: on these the factor on its estimate of the
error is calibrated anew, and the policy before and after are compared.

A third to a half of a column's formal solutions certify what is converged already, since the factor
on the operator's own estimate of the error is one for all kinds of problems. The columns trained on
tell what it is for columns of this kind (:func:`operator_estimate`); the new card says it with the
range in which it was found. With the weights as they were it is a candidate of its own.

Run by the client of a cube in a process of its own: ``python -m lw_rl.training.finetune SAMPLES
POLICY OUT --settings JSON``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import numpy as np
import torch
from gymnasium import spaces

from ..benchmark.calibration import Range, factor_of, stops
from ..certificate.certificate import DEFAULT_FACTOR
from ..cube.column import Workshop
from ..cube.learn import unpack
from ..cube.recorder import Visited
from ..cube.settings import Settings
from ..files import write_atomically
from ..host.state import LinePhysics
from ..operator.two_level import TwoLevelOperator
from ..policies import actor as actors
from ..policies.actor import Actor
from ..policies.network import Network
from ..policies.observation import CHANNELS, NCHANNELS, make_frame
from .comparison import Cost, Verdict, uncertainty
from .hindsight import HindsightBuffer
from .networks import DepthwiseNet, load_weights

Array = np.ndarray

#: Every so many-th column is held back.
_HELD_BACK = 2
#: Error to which the policy is followed here: late states make the best goals.
_FOLLOW = 1e-5
#: Tolerances, in units of the cube's, at which its estimate of the error is calibrated.
_TOLERANCES = (10.0, 1.0, 0.1, 0.01)
_BATCH = 48
_RATES = (5e-4, 2e-5)
_MAX_GRADIENT = 10.0


def finetune(
    columns: Sequence[Visited],
    policy: Actor,
    settings: Settings,
    updates: int = 400,
    rounds: int = 1,
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
        How often the training columns are solved anew by the policy as it is (default: 1).
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
    tuned, Nformal = policy, 0
    for _ in range(rounds):
        for k, visited in enumerate(train):
            solved = follow.solve(visited.column, _everywhere(tuned), record=True)
            Nformal += solved.Nformal
            if solved.visited is not None:
                _add(buffer, str(k), solved.visited)
        if not buffer.ready(1):
            break
        seen = _imitate(net, policy.gain, buffer, updates)
        card = widened(tuned.card, *seen)
        tuned = Actor(Network(net.architecture, net.to_numpy(0)), policy.gain, card)
    tuned, solutions, spent = _calibrated(shop, held, tuned)
    operator, more = operator_estimate(shop, train)
    before = _cost(shop, held, policy, solutions)
    candidates = {"tuned": _with_operator(tuned, operator)}
    if operator is not None:
        candidates["kept"] = _with_operator(policy, operator)
    costs = {name: _cost(shop, held, new, solutions) for name, new in candidates.items()}
    accepted = [name for name, cost in costs.items() if cost.better(before)]
    chosen = min(accepted or costs, key=lambda name: float(costs[name].Nformal.mean()))
    after = costs[chosen]
    verdict = Verdict(
        accepted=bool(accepted),
        before=float(before.Nformal.mean()),
        after=float(after.Nformal.mean()),
        uncertainty=uncertainty(before.Nformal - after.Nformal),
        failed_before=before.failed,
        failed_after=after.failed,
        early_before=before.early,
        early_after=after.early,
        factor=_factor(candidates[chosen]),
        operator_factor=None if operator is None else operator["factor"],
        weights=chosen,
        formal_solutions=Nformal + spent + more
        + int(sum(cost.Nformal.sum() for cost in (before, *costs.values()))),
        trained=len(train),
        held_back=len(held),
        seconds=perf_counter() - start,
    )  # fmt: skip
    return candidates[chosen], verdict


def operator_estimate(
    shop: Workshop, columns: Sequence[Visited]
) -> tuple[dict[str, Any] | None, int]:
    """Return a card's entry ``operator_estimate`` from columns.

    Returns
    -------
    entry : dict or None
        The factor on the operator's own estimate of the error, and the range of what does not
        change along a solve; None if that estimate stops no column.
    Nformal : int
        Formal solutions that it took.
    """
    tolerances = [shop.settings.popsTol * share for share in _TOLERANCES]
    found = [stops(None, shop.context(c.column), tolerances) for c in columns]
    Nformal = sum(s.Nformal for s in found)
    ratios = [ratio for s in found for ratio in s.ratios]
    if not ratios:
        return None, Nformal
    seen = Range(None)
    for visited in columns:
        seen.look_at(make_frame(LinePhysics(**visited.physics)))
    entry = {**factor_of(ratios), **seen.entry(), "stream": "cube", "problems": len(columns)}
    return entry, Nformal


def _with_operator(policy: Actor, entry: dict[str, Any] | None) -> Actor:
    """Return the policy with an ``operator_estimate`` in its card, if there is one."""
    if entry is None:
        return policy
    return Actor(policy.network, policy.gain, {**policy.card, "operator_estimate": entry})


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
    operator = TwoLevelOperator.first(LinePhysics(**visited.physics))
    if not operator.regular:
        return
    states = zip(visited.y, visited.r, visited.lambda_residual, visited.starts, strict=True)
    for y, r, lambda_residual, starts in states:
        buffer.visits[name].add(y, r, operator.error(y, lambda_residual), bool(starts))


def _everywhere(policy: Actor) -> Actor:
    """Return the policy with a card that has it asked whatever the problem."""
    return Actor(policy.network, policy.gain, {"asked_within": np.inf})


def widened(card: dict[str, Any], low: Array, high: Array) -> dict[str, Any]:
    """Return a card that has the policy asked on what it was trained on as well.

    A policy that keeps its old limits is not asked where it has learned: its range of observations
    takes in the new ones, and the estimated error up to which it is asked theirs.

    Parameters
    ----------
    card : dict
        The card before.
    low, high : Array
        The range of the observations that it was trained on, shape [NCHANNELS].
    """
    largest = 10.0 ** (4.0 * float(high[CHANNELS.index("estimate_size")]))
    card = {**card, "asked_within": max(card.get("asked_within", 0.0), largest)}
    entry = card.get("observation_range")
    if entry is None:
        return card
    entry = {
        **entry,
        "low": np.minimum(entry["low"], low).tolist(),
        "high": np.maximum(entry["high"], high).tolist(),
    }
    return {**card, "observation_range": entry}


def _factor(policy: Actor) -> float:
    """Return the factor on the policy's estimate of the error."""
    return float(policy.card.get("error_estimate", {}).get("factor", DEFAULT_FACTOR))


def _calibrated(
    shop: Workshop, columns: Sequence[Visited], policy: Actor
) -> tuple[Actor, list[Array | None], int]:
    """Return the policy with a factor that makes its estimate of the error hold on columns.

    The factor never falls: what these columns allow may be too little for others.

    Returns
    -------
    policy : Actor
    solutions : list of Array or None
        The columns' solutions, shape [Nspace] each; None where none was found.
    Nformal : int
        Formal solutions that it took.
    """
    tolerances = [shop.settings.popsTol * share for share in _TOLERANCES]
    found = [stops(policy, shop.context(c.column), tolerances) for c in columns]
    solutions, Nformal = [s.solution for s in found], sum(s.Nformal for s in found)
    ratios = [ratio for s in found for ratio in s.ratios]
    if ratios and (entry := factor_of(ratios))["factor"] > _factor(policy):
        entry |= {"stream": "cube", "problems": len(columns)}
        policy = Actor(policy.network, policy.gain, {**policy.card, "error_estimate": entry})
    return policy, solutions, Nformal


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


def _cost(
    shop: Workshop, columns: Sequence[Visited], policy: Actor, solutions: Sequence[Array | None]
) -> Cost:
    """Return what columns, whose solutions are known, cost with a policy."""
    solved = [shop.solve(c.column, policy, record=True) for c in columns]
    failed = sum(s.attempts != 1 or s.outcome != "converged" for s in solved)
    early = 0
    for s, solution in zip(solved, solutions, strict=True):
        if s.visited is not None and solution is not None:
            error = np.abs(np.expm1(s.visited.y[-1] - solution)).max()
            early += bool(error > shop.settings.popsTol)
    return Cost(np.array([s.Nformal for s in solved], float), failed, early)


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

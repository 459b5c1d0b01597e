"""Studies of the training: one change at a time, several seeds each, one result file.

Every variant is an ordinary training run in a folder of its own, so that an interrupted study
resumes. The scores on the validation stream are compared along each run, at equal formal solutions
and at equal wall time, beside those of the operator without a policy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..files import Json, write_json
from ..policies import actor
from ..policies.network import Architecture, Network
from ..policies.observation import NCHANNELS
from ..schemes import Depthwise, Policy
from ..training.networks import DepthwiseNet
from ..training.train import Args, train
from ..training.validation import Validation, error_curve, scores, validation_problems
from .quartiles import quartiles
from .text import table

__all__ = [
    "ARCHITECTURE", "FORMAT", "LEARNER", "STUDIES", "Study", "Variant", "final", "markdown", "run",
    "save", "score",
]  # fmt: skip

Scores = dict[str, float]
"""Scores on the validation stream, as `lw_rl.training.validation.scores` returns them."""

_train = partial(train, quiet=True)

#: Version of the result file.
FORMAT = 1


@dataclass(frozen=True)
class Variant:
    """One change of the arguments, and what it means."""

    name: str
    meaning: str
    changes: Mapping[str, Any]


#: The parts of the learner, each without the others.
LEARNER = (
    Variant(
        "sac", "Soft Actor-Critic from scratch, no demonstrations",
        {"imitation_batch": 0, "return_every": 1},
    ),
    Variant("hindsight", "imitation of hindsight demonstrations, no return", {"return_every": 0}),
    Variant(
        "hindsight, then sac", "imitation for one half, then the return alone",
        {"imitation_until": 0.5},
    ),
    Variant("both", "demonstrations and return together (what ships)", {}),
    Variant(
        "both, hard problems", "problems drawn by what they cost, and a return that looks further",
        {"sampling": "hard", "gamma": 0.9},
    ),
)  # fmt: skip

#: Sizes of the network around those that ship.
ARCHITECTURE = (
    Variant("40 x 4", "40 channels, 4 levels (what ships)", {}),
    Variant("16 x 4", "16 channels", {"width": 16}),
    Variant("64 x 4", "64 channels", {"width": 64}),
    Variant("40 x 2", "2 levels: a smaller receptive field", {"levels": 2}),
    Variant("40 x 1", "1 level", {"levels": 1}),
)


@dataclass(frozen=True)
class Study:
    """Variants, what they have in common, and how long they are trained by default.

    Attributes
    ----------
    variants : tuple of Variant
    common : Mapping
        Arguments of all of them.
    seeds, steps : int
        Seeds of each variant, environment steps of each run.
    """

    variants: tuple[Variant, ...]
    common: Mapping[str, Any]
    seeds: int
    steps: int


STUDIES = {
    "learner": Study(LEARNER, {}, seeds=3, steps=4000),
    # A policy's precision comes from the demonstrations, which are also the cheaper half: they
    # alone tell the sizes apart.
    "architecture": Study(ARCHITECTURE, {"return_every": 0}, seeds=2, steps=2000),
}


def run(
    study: str,
    args: Args,
    seeds: Sequence[int],
    out: Path,
    watch: Callable[[str], None] = lambda what: None,
    trainer: Callable[[Args], object] = _train,
) -> Json:
    """Train every variant with every seed and return the results.

    Parameters
    ----------
    study : str
        One of :data:`STUDIES`.
    args : Args
        Arguments that the variants change.
    seeds : sequence of int
        Seeds of each variant.
    out : Path
        Folder; every run has one of its own in it.
    watch : callable, optional
        Called before each run with its variant and seed in words.
    trainer : callable, optional
        Trains by arguments and leaves ``policy.json`` and ``scores.json`` in their folder
        (default: :func:`lw_rl.training.train.train`).

    Returns
    -------
    result : dict
        JSON-ready: arguments, seeds, the operator's own scores, and for every variant the scores
        along each seed's run, those of the policy that it left, and the time of a forward pass.
    """
    args = replace(args, **STUDIES[study].common)
    problems = list(validation_problems(args.validation))

    def trained(variant: Variant, seed: int) -> Json:
        watch(f"{variant.name}, seed {seed}")
        folder = out / f"{study} {variant.name} {seed}".replace(", ", "-").replace(" ", "-")
        if not (folder / "policy.json").exists():
            trainer(replace(args, out=str(folder), seed=seed, **variant.changes))
        along = json.loads((folder / "scores.json").read_text())
        # Scored again, so that all are by the scheme as it is, however old their training.
        end = score(actor.load(folder / "policy.json"), problems)
        return {"seed": seed, "scores": along, "end": end}

    return {
        "format": FORMAT,
        "study": study,
        "arguments": {k: v for k, v in asdict(args).items() if k not in ("out", "seed")},
        "seeds": list(seeds),
        "without_policy": score(None, problems),
        "variants": [
            {
                **asdict(variant),
                "forward_pass_s": _forward_pass(replace(args, **variant.changes)),
                "runs": [trained(variant, seed) for seed in seeds],
            }
            for variant in STUDIES[study].variants
        ],
    }


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write a result file."""
    write_json(path, result, readable=True)


def score(policy: Policy | None, problems: Sequence[Validation]) -> Scores:
    """Return the scores of the scheme with a policy, or without one, on prepared problems."""
    curves = []
    for p in problems:
        p.adapter.restore(p.start)
        curves.append(error_curve(p.adapter, p.solution, Depthwise(policy)))
    return scores(curves)


def _forward_pass(args: Args, rounds: int = 200) -> float:
    """Return the median time of a forward pass in numpy [s]."""
    net = DepthwiseNet(Architecture(NCHANNELS, args.width, args.levels), outputs=2)
    network = Network(net.architecture, net.to_numpy(0))
    observation = np.zeros((NCHANNELS, args.points), dtype=np.float32)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        network(observation)
        times.append(time.perf_counter() - start)
    return median(times)


def final(result: Mapping[str, Any], metric: str) -> dict[str, tuple[float, float, float]]:
    """Return median, lower and upper quartile over seeds of a metric at the end, by variant."""
    found = {}
    for v in result["variants"]:
        s = quartiles([r["end"][metric] for r in v["runs"]])
        found[v["name"]] = (s["median"], s["q25"], s["q75"])
    return found


_COLUMNS = {
    "error_after_1": "error after 1",
    "error_after_2": "error after 2",
    "mean_1e-03": "FS to 1e-3, mean",
    "mean_1e-06": "FS to 1e-6, mean",
    "worst_1e-06": "FS to 1e-6, worst",
}


def markdown(result: Mapping[str, Any]) -> str:
    """Return a study as a Markdown table: medians over seeds, quartiles in brackets."""
    head = ["variant", *_COLUMNS.values(), "training FS", "training time", "pass"]
    alone = [_number(result["without_policy"][m], m) for m in _COLUMNS]
    rows = [["no policy", *alone, "0", "0", ""]]
    ends = {m: final(result, m) for m in _COLUMNS}
    for v in result["variants"]:
        last = [r["scores"][-1] for r in v["runs"]]
        spans = [_span(*ends[m][v["name"]], m) for m in _COLUMNS]
        cost = (
            f"{median(e['formal_solutions'] for e in last):,.0f}",
            f"{median(e['seconds'] for e in last) / 60:.1f} min",
            f"{1e3 * v['forward_pass_s']:.2f} ms",
        )
        rows.append([v["name"], *spans, *cost])
    return table(head, rows, numbers=True)


def _span(mid: float, low: float, high: float, metric: str) -> str:
    middle, *ends = (_number(value, metric) for value in (mid, low, high))
    return middle if ends[0] == ends[1] else f"{middle} [{', '.join(ends)}]"


def _number(value: float, metric: str) -> str:
    return f"{value:.1e}" if metric.startswith("error") else f"{value:.2f}".rstrip("0").rstrip(".")

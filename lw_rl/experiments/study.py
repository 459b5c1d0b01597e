"""Studies of the training: one change at a time, several seeds each, one result file.

Every variant is an ordinary training run in a folder of its own, which an interrupted study takes
up again. What is compared are the scores on the validation stream along each run, at equal formal
solutions and at equal wall time, beside those of the operator without a policy.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ..files import write_atomically
from ..policies import actor
from ..policies.network import Architecture, Network
from ..policies.observation import NCHANNELS
from ..schemes import Depthwise, Policy
from ..training.follower import Validation, error_curve, scores, validation_problems
from ..training.networks import DepthwiseNet
from ..training.train import Args, train

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
    """Variants, what they have in common, and what they cost unless told otherwise.

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
    # Demonstrations are what a policy has its precision from, and the cheaper half: sizes are told
    # apart by them alone.
    "architecture": Study(ARCHITECTURE, {"return_every": 0}, seeds=2, steps=2000),
}


def run(
    study: str,
    args: Args,
    seeds: Sequence[int],
    out: Path,
    watch: Callable[[str], None] = lambda what: None,
) -> dict[str, Any]:
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
        Called with what is done next, once per run.

    Returns
    -------
    result : dict
        JSON-ready: arguments, seeds, the operator's own scores, and for every variant the scores
        along each seed's run, those of the policy that it left, and the time of a forward pass.
    """
    variants = []
    args = replace(args, **STUDIES[study].common)
    problems = list(validation_problems(args.validation))
    for variant in STUDIES[study].variants:
        runs = []
        for seed in seeds:
            watch(f"{variant.name}, seed {seed}")
            folder = out / f"{study} {variant.name} {seed}".replace(", ", "-").replace(" ", "-")
            mine = replace(args, out=str(folder), seed=seed, **variant.changes)
            if not (folder / "policy.json").exists():
                train(mine, quiet=True)
            along = json.loads((folder / "scores.json").read_text())
            # Scored again, so that all are by the scheme as it is, however old their training.
            end = score(actor.load(folder / "policy.json"), problems)
            runs.append({"seed": seed, "scores": along, "end": end})
        variants.append(
            {
                **asdict(variant),
                "forward_pass_s": _forward_pass(replace(args, **variant.changes)),
                "runs": runs,
            }
        )
    return {
        "format": FORMAT,
        "study": study,
        "arguments": {k: v for k, v in asdict(args).items() if k not in ("out", "seed")},
        "seeds": list(seeds),
        "without_policy": score(None, problems),
        "variants": variants,
    }


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write a result file."""
    write_atomically(path, (json.dumps(result, indent=1) + "\n").encode())


def score(policy: Policy | None, problems: Sequence[Validation]) -> dict[str, float]:
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
    """Return median and quartiles over seeds of a metric at the end, by the variant's name."""
    found = {}
    for v in result["variants"]:
        ends = [r["end"][metric] for r in v["runs"]]
        low, mid, high = (float(q) for q in np.percentile(ends, (25, 50, 75)))
        found[v["name"]] = (mid, low, high)
    return found


def markdown(result: Mapping[str, Any]) -> str:
    """Return a study as a Markdown table: medians over seeds, quartiles in brackets."""
    columns = {
        "error_after_1": "error after 1",
        "error_after_2": "error after 2",
        "mean_1e-03": "FS to 1e-3, mean",
        "mean_1e-06": "FS to 1e-6, mean",
        "worst_1e-06": "FS to 1e-6, worst",
    }
    lines = [
        "| variant | " + " | ".join(columns.values()) + " | training FS | training time | pass |",
        "|---|" + "---:|" * (len(columns) + 3),
    ]
    alone = result["without_policy"]
    lines.append(
        "| no policy | " + " | ".join(_number(alone[m], m) for m in columns) + " | 0 | 0 | |"
    )
    ends = {m: final(result, m) for m in columns}
    for v in result["variants"]:
        last = [r["scores"][-1] for r in v["runs"]]
        cells = []
        for m in columns:
            mid, low, high = (_number(q, m) for q in ends[m][v["name"]])
            cells.append(mid if low == high else f"{mid} [{low}, {high}]")
        cells += [
            f"{median(e['formal_solutions'] for e in last):,.0f}",
            f"{median(e['seconds'] for e in last) / 60:.1f} min",
            f"{1e3 * v['forward_pass_s']:.2f} ms",
        ]
        lines.append(f"| {v['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _number(value: float, metric: str) -> str:
    return f"{value:.1e}" if metric.startswith("error") else f"{value:.2f}".rstrip("0").rstrip(".")

"""The study: record, learn, test on unseen problems. Everything goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import wilcoxon

from ...arrays import Array, Single
from ...envs.drive import Drive, Node
from ...files import Json, plain, versions, write_json
from ...policies.drive import NAMES, channels_of, parts
from ...policies.driver_network import NetworkDriver, load_driver, save_driver
from ...problems import Problem
from . import recording
from .learners import ARMS, PENALTY, Acting, Chooser, Fixed, Random, action, bandit, fixed, tree
from .problems import Amounts, group_of, problems

if TYPE_CHECKING:
    from ...training.drive import SampledDriver

__all__ = ["Settings", "run"]

#: What counts of an action in the study, and to what it is rounded.
DIALS, COARSE = ("fidelity", "tolerance", "renew"), 2
#: How much cheaper the starts are that a perfect correction is tried after.
_STARTS = (0.0, 0.5, 1.0)
#: The group that a learner knows whose transfer to the others is measured.
TRANSFERS_FROM = "coarse"

Watch = Callable[[str], None]


def transferred(name: str) -> str:
    """Return what a learner is called that was trained on one group only."""
    return f"{name} on {TRANSFERS_FROM} lines"


@dataclass(frozen=True)
class Settings:
    """What a study is made of.

    Attributes
    ----------
    train, unseen : Amounts
        Problems.
    steps : int
        Decisions of a seed of Soft Actor-Critic.
    seeds : int
        Of every learner that draws.
    """

    train: Amounts
    unseen: Amounts
    steps: int = 4000
    seeds: int = 5


class Table:
    """Problems, what an environment met on them, and costs over those of the package's setting."""

    def __init__(self, groups: dict[str, list[Problem]], path: Path):
        self.members = groups
        self.problems = [p for members in groups.values() for p in members]
        of = group_of(groups)
        self.groups = [of[p.name] for p in self.problems]
        self.path = path
        self.env = Drive(self.problems, coarse=COARSE, dials=DIALS, decisions=2)
        recording.load(path, self.env)
        self._environments = [self.env]

    def learning(self, group: str | None = None) -> Drive:
        """Return an environment for learners, whose episodes are their own.

        Parameters
        ----------
        group : str, optional
            The only one whose problems it has (default: it has all).
        """
        problems = self.problems if group is None else self.members[group]
        env = Drive(problems, coarse=COARSE, dials=DIALS, decisions=2, memory=self.env.memory)
        env.kinds = self.env.kinds
        self._environments.append(env)
        return env

    @property
    def solves(self) -> int:
        """Solves that were run."""
        return sum(env.solves for env in self._environments)

    def save(self) -> None:
        """Keep what was met."""
        recording.save(self.path, self.env)

    def observation(self, k: int) -> Single:
        """Return what is seen of a problem before its solve."""
        return self.env.reset(options={"problem": k})[0]

    def relative(self, k: int, node: Node) -> float:
        """Return a cost over that of the package's own setting."""
        package = recording.end_of(self.env, k, ARMS[0])
        if self.env.is_false(node):
            # Where the package fails as well nothing is to be learned.
            return 1.0 if self.env.is_false(package) else PENALTY
        return node.cost / package.cost

    def arm(self, k: int, arm: int) -> Node:
        """Return the end of a solve of a problem by an arm."""
        return recording.end_of(self.env, k, ARMS[arm])


def run(settings: Settings, out: Path, command: str, watch: Watch = lambda what: None) -> Json:
    """Run the study, or the rest of it, and return the result, which is written to `out`.

    Parameters
    ----------
    settings : Settings
    out : Path
        Folder of what is kept.
    command : str
        What is noted as the command.
    watch : callable, optional
        Told what is being done.
    """
    out.mkdir(parents=True, exist_ok=True)
    train = Table(problems(settings.train, False), out / "train.json")
    costs = _costs(train, watch)
    seen: Single = np.array([train.observation(k) for k in range(len(train.problems))])
    pulls = len(train.problems) * len(ARMS)
    choosers: dict[str, list[Chooser]] = {
        "package": [Fixed()],
        "fixed": [fixed(seen, costs)],
        "random": [Random(np.random.default_rng(s)) for s in range(settings.seeds)],
        "bandit": [bandit(seen, costs, pulls, s) for s in range(settings.seeds)],
        "tree": [tree(seen, costs)],
    }
    for part in parts():
        mask = _without(part)
        choosers[f"tree without {part}"] = [_Masked(tree(seen * mask, costs), mask)]
    coarse = np.array([g == TRANSFERS_FROM for g in train.groups])
    seen_coarse, costs_coarse = seen[coarse], costs[coarse]
    choosers[transferred("fixed")] = [fixed(seen_coarse, costs_coarse)]
    choosers[transferred("bandit")] = [
        bandit(seen_coarse, costs_coarse, costs_coarse.size, s) for s in range(settings.seeds)
    ]
    choosers[transferred("tree")] = [tree(seen_coarse, costs_coarse)]
    learning = train.learning()
    drivers, curves, spent = _drivers(settings, train, learning, out / "sac", watch)
    on_coarse = train.learning(TRANSFERS_FROM)
    coarse_drivers, *_ = _drivers(settings, train, on_coarse, out / "sac_on_coarse", watch)
    sampled = _sampled_drivers(settings, train, learning, out / "s2ac", watch)
    unseen = Table(problems(settings.unseen, True), out / "unseen.json")
    results: Json = {}
    for name, several in choosers.items():
        watch(f"unseen problems: {name}")
        results[name] = [_judge(unseen, partial(_by, unseen, c)) for c in several]
        unseen.save()
    for name, several_drivers in (
        ("sac", drivers),
        (transferred("sac"), coarse_drivers),
        ("s2ac", sampled),
    ):
        watch(f"unseen problems: {name}")
        results[name] = [_judge(unseen, partial(_driven, unseen, d)) for d in several_drivers]
        unseen.save()
    for part in parts():
        blind = partial(_driven, unseen, drivers[0], mask=_without(part))
        results[f"sac without {part}"] = [_judge(unseen, blind)]
    watch("unseen problems: perfect corrections")
    corrected = [_corrected(unseen, k) for k in range(len(unseen.problems))]
    unseen.save()
    content = {
        "command": command,
        "versions": versions(),
        "settings": asdict(settings),
        "arms": [[a.tolist() for a in pair] for pair in ARMS],
        "fixed": list(choosers["fixed"][0].arms),  # type: ignore[attr-defined]
        "problems": [
            {"name": p.name, "group": g}
            for p, g in zip(unseen.problems, unseen.groups, strict=True)
        ],
        "solves of training": train.solves,
        "train": {
            "groups": train.groups,
            "best arm": costs.argmin(axis=1).tolist(),
            "best": costs.min(axis=1).tolist(),
            "fixed": [float(costs[k, choosers["fixed"][0].choose(o)]) for k, o in enumerate(seen)],
        },
        "curves": curves,
        "seconds": spent,
        "choices": [_choices(unseen, d) for d in drivers],
        "corrected": corrected,
        "results": results,
        "tests": _tests(results, unseen.groups),
    }
    result: Json = plain(content)
    write_json(out / "drive.json", result)
    return result


@dataclass
class _Masked:
    chooser: Chooser
    mask: Single

    def choose(self, observation: Single) -> int:
        return self.chooser.choose(observation * self.mask)


def _costs(train: Table, watch: Watch) -> Array:
    """Return the relative costs of all arms on all problems, [Nproblem, Narm]."""
    table = np.empty((len(train.problems), len(ARMS)))
    for k, problem in enumerate(train.problems):
        before = train.env.solves
        watch(f"training problem {k + 1} of {len(train.problems)}: {problem.name}")
        table[k] = [train.relative(k, train.arm(k, a)) for a in range(len(ARMS))]
        if train.env.solves > before:
            train.save()
    return table


def _drivers(
    settings: Settings, train: Table, env: Drive, path: Path, watch: Watch
) -> tuple[list[NetworkDriver], list[Json], list[float]]:
    """Return the drivers of all seeds, their learning curves, and the time of each [s]."""
    from ...training.drive import train_driver

    rows = [k for k, p in enumerate(train.problems) if p in env.problems]
    drivers, curves, spent = [], [], []
    for seed in range(settings.seeds):
        kept = path.with_name(f"{path.name}_{seed}")
        if kept.with_suffix(".json").is_file():
            driver = load_driver(kept)
        else:
            watch(f"Soft Actor-Critic, seed {seed}, {len(rows)} problems")
            curve: list[list[float]] = []
            start = process_time()

            def look(driver: NetworkDriver, step: int, curve: list[list[float]] = curve) -> None:
                costs = [train.relative(k, _driven(train, driver, k)) for k in rows]
                curve.append([step, float(np.mean(costs))])
                train.save()

            driver = train_driver(env, settings.steps, seed, look)
            driver.card = {
                "seed": seed, "steps": settings.steps, "curve": curve,
                "seconds": round(process_time() - start, 1),
            }  # fmt: skip
            save_driver(kept, driver)
        drivers.append(driver)
        curves.append(driver.card["curve"])
        spent.append(float(driver.card["seconds"]))
    return drivers, curves, spent


def _sampled_drivers(
    settings: Settings, train: Table, env: Drive, path: Path, watch: Watch
) -> list[SampledDriver]:
    """Return the drivers of S2AC of all seeds."""
    from ...training.drive import SampledDriver, train_s2ac

    drivers = []
    for seed in range(settings.seeds):
        kept = path.with_name(f"{path.name}_{seed}.zip")
        if not kept.is_file():
            watch(f"S2AC, seed {seed}")
            train_s2ac(env, settings.steps, seed).save(kept)
            train.save()
        drivers.append(SampledDriver.load(kept))
    return drivers


def _without(part: str) -> Single:
    """Return what to multiply observations with to leave out a part."""
    mask = np.ones(len(NAMES), dtype=np.float32)
    mask[channels_of(part)] = 0.0
    return mask


def _driven(table: Table, driver: Acting, k: int, mask: Single | None = None) -> Node:
    """Return the end of a solve of a problem by a driver that is asked twice."""
    observation = table.observation(k)
    while not table.env.node.ended:
        seen = observation if mask is None else observation * mask
        observation, *_ = table.env.step(driver.action(seen))
    return table.env.node


def _corrected(table: Table, k: int) -> float:
    """Return the least cost with a learned correction, over that of the package's own setting.

    A correction that is perfect and costs nothing, after the cheapest start, takes one more formal
    solution, in which it is seen that it is the solution. Where the start is good enough there is
    nothing to correct.
    """
    costs = []
    for fidelity in _STARTS:
        for tolerance in _STARTS:
            table.observation(k)
            table.env.step(action(fidelity=-fidelity, tolerance=tolerance))
            first = table.env.node
            if not first.ended:
                table.env.step(action())
            end = table.env.node
            enough = end.Nformal == first.Nformal and not table.env.is_false(end)
            costs.append(end.cost if enough else first.cost + 1.0)
    return min(costs) / table.arm(k, 0).cost


def _by(table: Table, chooser: Chooser, k: int) -> Node:
    return table.arm(k, chooser.choose(table.observation(k)))


def _judge(table: Table, solve: Callable[[int], Node]) -> list[Json]:
    """Return what became of every problem."""
    found = []
    for k in range(len(table.problems)):
        node = solve(k)
        found.append(
            {
                "cost": node.cost,
                "relative": table.relative(k, node),
                "Nformal": node.Nformal,
                "ended": node.ended,
                "error": node.error,
            }
        )
    return found


def _choices(table: Table, driver: NetworkDriver) -> list[Json]:
    """Return what a driver chooses on every problem."""
    found = []
    for k in range(len(table.problems)):
        observation, _ = table.env.reset(options={"problem": k})
        decisions = []
        while not table.env.node.ended:
            a = driver.action(observation)
            decisions.append(asdict(table.env.decision(a)))
            observation, *_ = table.env.step(a)
        kind = table.env.kinds[table.problems[k].name]
        found.append({"decisions": decisions, "points": kind.Nspace})
    return found


def mean_of(results: Sequence[Sequence[Json]]) -> Array:
    """Return the relative cost of every problem, mean over seeds."""
    return np.mean([[r["relative"] for r in rows] for rows in results], axis=0)


def _tests(results: Json, groups: Sequence[str]) -> Json:
    """Return paired tests of every learner against the best fixed setting, by group."""
    base = mean_of(results["fixed"])
    found: Json = {}
    for name in results:
        mine = mean_of(results[name])
        for group in ("all", *dict.fromkeys(groups)):
            rows = np.array([group in ("all", g) for g in groups])
            ratio, difference = mine[rows] / base[rows], mine[rows] - base[rows]
            p = float(wilcoxon(difference).pvalue) if np.any(difference != 0.0) else 1.0
            false = sum(
                r["error"] is None or not r["error"] <= 1e-3 or r["ended"] != "converged"
                for several in results[name]
                for r, used in zip(several, rows, strict=True)
                if used
            )
            found.setdefault(name, {})[group] = {
                "problems": int(rows.sum()),
                "ratio": float(ratio.mean()),
                "quartiles": [float(q) for q in np.quantile(ratio, [0.25, 0.5, 0.75])],
                "package": float(mine[rows].mean()),
                "p": p,
                "false or unfinished": false / len(results[name]),
            }
    return found


def read(path: Path) -> Json:
    """Return the result of a study."""
    content: Json = json.loads(path.read_text(encoding="utf-8"))
    return content

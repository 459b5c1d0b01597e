"""What a policy adds on atoms with many levels, beside an operator or instead of one.

Policies that were trained on two-level lines, the one that ships and one of each seed, are asked
about every thick line of other atoms (`lw_rl.schemes.lines`); so are policies that were trained on
exactly what the coupled operator leaves of such lines (`lw_rl.training.residue`). What no policy
exceeds is what one would do that knew the solution of every line. Formal solutions are those to a
true error of 1e-3 (`lw_rl.benchmark.reference`), processor time is that of the whole call,
certified stop included, over that of an iteration of MALI in the same process.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..benchmark.reference import true_error
from ..benchmark.store import Store, default_folder, fingerprint
from ..files import Json
from ..iterate import AcceleratedContext, solve
from ..policies import actor
from ..policies.card import Card
from ..problems import Problem, random_problem, shipped_problem
from ..schemes import Policy, Safeguarded, make_scheme
from ..schemes.lines import LineByLine, LinesState, Look
from ..training.residue import POLICIES, train_residue
from ..training.train import Args, train
from .store import OnFinished, finished, kept_experiments, outcome, run_experiments

__all__ = [
    "DEPTHS", "STUDIES", "TOLERANCE", "Row", "Solve", "Study", "gather", "problems", "run",
]  # fmt: skip

#: Depths of FAL-C.
DEPTHS = (82, 328)
_ATOMS = ("CaII", "H", "MgII")
#: Formal solutions after which a solve has failed: more than MALI takes.
_MOST = 300
TOLERANCE = 1e-3
#: A solve that takes longer [s] is not timed twice.
_LONG = 0.5
#: Formal solutions of a solve that is not measured: what is compiled is compiled then.
_COMPILING = 2
_compiled: set[Row] = set()

Trainer = Callable[[Args], object]
"""Trains a policy by arguments and leaves it in their folder."""


@dataclass(frozen=True)
class Row:
    """A scheme of the table.

    Attributes
    ----------
    name : str
    policy : str
        "" for none, "card" for the one that ships within what its card says, "always" for the one
        that ships without that and for those of the seeds, "exact" for one that knows the solution;
        one of :data:`lw_rl.training.residue.POLICIES` for those of the seeds that were trained on
        what the coupled operator leaves.
    beside : bool or None
        As for `LineByLine`; None for a scheme that has a name.
    """

    name: str
    policy: str = ""
    beside: bool | None = None

    @property
    def asks(self) -> bool:
        """Whether it asks a policy."""
        return self.policy not in ("", "exact")

    def has(self, seed: int) -> bool:
        """Whether it is solved with the policy of a seed, 0 for the one that ships, or none."""
        return self.policy == "always" or (self.policy in POLICIES) == (seed > 0)


def _train_two_level(args: Args) -> None:
    """Train on two-level lines, by demonstrations alone."""
    train(replace(args, return_every=0, calibration=0), quiet=True)


def _train_residue(args: Args) -> None:
    """Train on what the operator leaves, which is in fewer problems and shorter episodes."""
    train_residue(replace(args, return_every=4, horizon=8), quiet=True)


@dataclass(frozen=True)
class Study:
    """What is compared, and how the policies of seeds are trained.

    Attributes
    ----------
    rows : tuple of Row
        The schemes of the table.
    steps, problems : int
        Of a training, where nothing else is said.
    train : Trainer
        How that is done.
    leaves : str
        Name of the last policy that it leaves.
    """

    rows: tuple[Row, ...]
    steps: int
    problems: int
    train: Trainer
    leaves: str


_OPERATOR = Row("nonlocal")
_EXACT = Row("exact corrections of lines, beside it", "exact", beside=True)
STUDIES = {
    "lines": Study(
        (
            Row("mali_scattering"),
            Row("lines' own operators", beside=False),
            Row("policy instead of the operator", "always", beside=False),
            _OPERATOR,
            Row("policy beside it, as its card says", "card", beside=True),
            Row("policy beside it, always asked", "always", beside=True),
            Row("exact corrections of lines, instead", "exact", beside=False),
            _EXACT,
        ),
        2000, 400, _train_two_level, "policy",
    ),
    "residue": Study(
        (
            _OPERATOR,
            Row("policy trained on what it leaves, by demonstrations", "demonstrations", True),
            Row("the same, and by Soft Actor-Critic", "sac", True),
            _EXACT,
        ),
        1000, 80, _train_residue, POLICIES[-1],
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Exact(LineByLine):
    """What a policy would do that knew the solution: no other does better.

    Attributes
    ----------
    solution : Array
        Populations [m-3], [Nlevel, Nspace].
    """

    solution: Array = field(default_factory=lambda: np.zeros((0, 0)))

    def _asked(self, look: Look, state: LinesState) -> tuple[dict[int, Array], str, str]:
        steps = {}
        for k, seen in look.seen.items():
            there = state.lines.source(k, self.solution)
            steps[k] = seen.estimate if there is None else there - seen.line.y
        return steps, self.name, ""


@dataclass(frozen=True)
class Solve:
    """One problem solved by one scheme.

    Attributes
    ----------
    problem : Problem
    row : Row
    seed : int
        Of the policy; 0 is the one that ships.
    training : Mapping
        Arguments of the training.
    """

    problem: Problem
    row: Row
    seed: int
    training: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Name of its file."""
        words = f"{self.problem.name} {self.row.name} {self.row.policy} {self.seed}"
        return words.replace(" ", "-").replace(",", "").replace("'", "")

    @property
    def config(self) -> Json:
        """What decides the outcome."""
        trained = dict(self.training) if self.seed else {}
        return {
            "problem": self.problem.name, "row": self.row.name, "policy": self.row.policy,
            "seed": self.seed, "training": trained,
        }  # fmt: skip


class _Counted:
    """A policy that counts the lines it is asked about, and those it knows something of."""

    def __init__(self, policy: actor.Actor):
        self.policy, self.asked, self.answered = policy, 0, 0

    @property
    def card(self) -> Card:
        return self.policy.card

    def predict(self, observation: Any, *, deterministic: bool = True) -> tuple[Any, Any]:
        self.asked += 1
        action = self.policy.predict(observation, deterministic=deterministic)
        self.answered += 1
        return action


def problems(number: int) -> list[Problem]:
    """Return the problems: atoms in FAL-C at every number of depths, and random ones.

    Parameters
    ----------
    number : int
        Of the stream ``"atoms"``.
    """
    fal = [[shipped_problem(a, "FALC", N) for a in _ATOMS] for N in DEPTHS]
    # The dearest last.
    return [*fal[0], *(random_problem("atoms", k) for k in range(number)), *fal[1]]


def _work(
    study: Study, number: int, seeds: Sequence[int], training: Mapping[str, Any]
) -> list[Solve]:
    # What ships first: it is enough for a table.
    return [
        Solve(problem, row, seed, training)
        for seed in (0, *seeds)
        for problem in problems(number)
        for row in study.rows
        if row.has(seed)
    ]


def run(
    name: str,
    args: Args,
    seeds: Sequence[int],
    number: int,
    out: Path,
    workers: int = 1,
    progress: OnFinished | None = None,
    trainer: Trainer | None = None,
) -> Json:
    """Train a policy with every seed, and solve every problem.

    What is finished is not done again.

    Parameters
    ----------
    name : str
        One of :data:`STUDIES`.
    args : Args
        Arguments of the training.
    seeds : sequence of int
        From 1.
    number : int
        Of random problems.
    out : Path
        Folder of runs and solves.
    workers : int, optional
        Processes of the solves (default: 1, because of the times).
    progress : callable, optional
        As for :func:`lw_rl.experiments.store.run_experiments`.
    trainer : callable, optional
        Trains (default: the study's own).
    """
    study = STUDIES[name]
    for seed in seeds:
        folder = _folder(out, name, seed)
        if not (folder / f"{study.leaves}.json").exists():
            (trainer or study.train)(replace(args, out=str(folder), seed=seed))
    work = _work(study, number, seeds, _training(args))
    run_experiments(out, work, _run_one, workers, progress)
    return gather(name, args, seeds, number, out)


def gather(
    name: str, args: Args, seeds: Sequence[int], number: int, out: Path, partial: bool = False
) -> Json:
    """Return the result of what is finished.

    Parameters
    ----------
    name, args, seeds, number, out
        As for :func:`run`.
    partial : bool, optional
        Whether problems may be missing, and solves with the policies of seeds (default: False).

    Raises
    ------
    FileNotFoundError
        If one that is needed is missing, or was run with other settings.
    """
    training = _training(args)
    work = wanted = _work(STUDIES[name], number, seeds, training)
    if partial:
        begun = {s.problem.name for s in work if s.seed == 0 and finished(out, s) is None}
        wanted = [s for s in work if s.problem.name not in begun]
        if not wanted:
            raise FileNotFoundError(f"no problem in {out} is solved by every scheme")
    kept = kept_experiments(out, wanted, partial)
    found = [{**s.config, **k["outcome"]} for s, k in kept]
    result = {"study": name, "seeds": list(seeds), "training": training}
    return {**result, "all": len(work), "solves": found}


def _training(args: Args) -> Json:
    return {"steps": args.steps, "problems": args.problems}


def _folder(out: Path, study: str, seed: int) -> Path:
    return out / f"{study}-{seed}"


def _run_one(experiment: Solve, directory: Path) -> Json:
    return outcome(experiment, partial(_solved, directory=directory))


def _solved(experiment: Solve, directory: Path) -> Json:
    """Solve a problem and return what it took."""
    problem, row = experiment.problem, experiment.row
    ctx = problem.context()
    known = Store(default_folder(), directory / "solves")
    n_ref = known.reference(fingerprint(problem, ctx), ctx, problem.prd).n
    policy = _Counted(_policy(experiment, directory)) if row.asks else None
    scheme = _scheme(row, policy, np.concatenate(n_ref))
    if row not in _compiled:
        _call(ctx, scheme, _COMPILING)
        _compiled.add(row)
    if policy is not None:
        policy.asked = policy.answered = 0
    unit = _iteration(ctx)
    errors: list[float] = []

    def note(accelerated: AcceleratedContext) -> None:
        new = accelerated.report.Nformal - len(errors)
        errors.extend([true_error(accelerated.adapter.populations(), n_ref)] * new)

    seconds, result = _call(ctx, scheme, _MOST, note)
    asked = {} if policy is None else {"asked": policy.asked, "answered": policy.answered}
    if seconds < _LONG:
        seconds = min(seconds, _call(ctx, scheme, _MOST)[0])
    above = [k for k, e in enumerate(errors) if not e < TOLERANCE]
    reached = not above or above[-1] + 1 < len(errors)
    return {
        "Nspace": len(n_ref[0][0]),
        "to": above[-1] + 2 if above and reached else (1 if reached else None),
        "stop": result.Nformal if result.converged else None,
        "stop_error": errors[-1],
        "seconds": seconds,
        "iterations": seconds / min(unit, _iteration(ctx)),
        "errors": errors[:20],
        **asked,
    }


def _policy(experiment: Solve, directory: Path) -> actor.Actor:
    if experiment.row.policy in POLICIES:
        folder = _folder(directory, "residue", experiment.seed)
        return actor.load(folder / f"{experiment.row.policy}.json")
    if experiment.seed:
        return actor.load(_folder(directory, "lines", experiment.seed) / "policy.json")
    shipped = actor.load_shipped("default")
    return shipped if experiment.row.policy == "card" else shipped.without_limits()


def _scheme(row: Row, policy: Policy | None, solution: Array) -> Safeguarded:
    if row.beside is None:
        return make_scheme(row.name)
    if row.policy == "exact":
        return Safeguarded(Exact(None, row.beside, solution=solution))
    return Safeguarded(LineByLine(policy, row.beside))


def _call(ctx: lw.Context, scheme: Safeguarded, most: int, note: Any = None) -> tuple[float, Any]:
    """Return the processor time of a call [s], and its result."""
    fresh = copy.deepcopy(ctx)
    began = time.process_time()
    result = solve(
        fresh, scheme=scheme, popsTol=TOLERANCE, NmaxIter=most, quiet=True, callback=note
    )
    return time.process_time() - began, result


def _iteration(ctx: lw.Context, rounds: int = 3) -> float:
    """Return the processor time of an iteration of the host's [s]."""
    fresh = copy.deepcopy(ctx)
    times = []
    for _ in range(rounds):
        began = time.process_time()
        fresh.formal_sol_gamma_matrices()
        fresh.stat_equil()
        times.append(time.process_time() - began)
    return min(times)

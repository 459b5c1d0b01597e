"""A callback that validates, logs, exports and writes a checkpoint every so often."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from ..benchmark.reference import Never
from ..envs.prepared import solve_once
from ..files import write_atomically
from ..host.adapter import Adapter
from ..host.state import Snapshot
from ..iterate import iterate_ctx_rl
from ..problems import random_problem
from ..schemes import Depthwise, Scheme
from . import checkpoint
from .export import export, in_numpy
from .sac import DepthwiseSAC

__all__ = ["Follower", "Validation", "error_curve", "scores", "validation_problems"]

Array = np.ndarray

#: Formal solutions after which a validation solve is given up.
_VALIDATION_BUDGET = 60
#: A validation solve ends below this true error.
_SMALL = 1e-7


class Follower(BaseCallback):
    """Validates and writes a checkpoint every so often.

    Parameters
    ----------
    arguments : dict
        Arguments of the run (`lw_rl.training.train.Args`).
    out : Path
        Folder of the run.
    before : Spent
        What the run cost before this process.
    """

    def __init__(self, arguments: dict[str, Any], out: Path, before: checkpoint.Spent):
        super().__init__()
        self.arguments, self.out, self.before = arguments, out, before
        self.started = time.time() - before.seconds
        self.scores: dict[str, Any] = {}
        #: Formal solutions for validation, and those of earlier processes.
        self._Nformal_else = before.Nformal
        self._due = 0
        self._problems: list[Validation] = []

    @property
    def spent(self) -> checkpoint.Spent:
        """What the run has cost, in all processes: episodes, references and validation."""
        Nformal = self._Nformal_else + int(sum(self.training_env.get_attr("Nformal")))
        return checkpoint.Spent(time.time() - self.started, Nformal, self.before.resumed_at)

    def _on_training_start(self) -> None:
        self._due = self.model.num_timesteps + self.arguments["checkpoint_every"]

    def _on_step(self) -> bool:
        if self.model.num_timesteps >= self._due:
            self._due += self.arguments["checkpoint_every"]
            self.finish(self.model)  # type: ignore[arg-type]
        return True

    def finish(self, model: DepthwiseSAC) -> None:
        """Validate, log, export the policy as it is, and write a checkpoint."""
        self.model = model
        self.scores = self.validate(model)
        for name, value in self.scores.items():
            model.logger.record(f"validation/{name}", value)
        spent = self.spent
        model.logger.record("time/seconds", spent.seconds)
        model.logger.record("time/formal_solutions", spent.Nformal)
        model.logger.dump(model.num_timesteps)
        self._remember(spent)
        checkpoint.save(self.out / "checkpoint.pt", model, self.arguments, spent)
        export(
            self.out / "latest",
            model,
            {"environment_steps": model.num_timesteps, "validation": self.scores},
        )

    def _remember(self, spent: checkpoint.Spent) -> None:
        """Add the scores to those of the run so far, in ``scores.json``."""
        file = self.out / "scores.json"
        steps = self.model.num_timesteps
        before = json.loads(file.read_text()) if file.exists() else []
        entry = {
            "environment_steps": steps,
            "gradient_steps": self.model._n_updates,  # type: ignore[attr-defined]
            "formal_solutions": spent.Nformal,
            "seconds": spent.seconds,
            **self.scores,
        }
        history = [e for e in before if e["environment_steps"] < steps]
        write_atomically(file, json.dumps([*history, entry], indent=1).encode())

    def validate(self, model: DepthwiseSAC) -> dict[str, float]:
        """Return :func:`scores` of the policy on the validation stream."""
        if not self._problems:
            self._problems = list(validation_problems(self.arguments["validation"]))
            self._Nformal_else += sum(p.Nformal for p in self._problems)
        curves = []
        for problem in self._problems:
            problem.adapter.restore(problem.start)
            curves.append(
                error_curve(problem.adapter, problem.solution, Depthwise(in_numpy(model)))
            )
            self._Nformal_else += len(curves[-1])
        return scores(curves)


@dataclass(frozen=True)
class Validation:
    """A problem of the validation stream whose solution is known.

    Attributes
    ----------
    adapter : Adapter
        Of its context, at the start.
    start : Snapshot
        That start.
    solution : Array
        The unknown at statistical equilibrium.
    Nformal : int
        Formal solutions that it took to find that, now or when it was found.
    """

    adapter: Adapter
    start: Snapshot
    solution: Array
    Nformal: int


def validation_problems(number: int) -> Iterator[Validation]:
    """Yield the first problems of the validation stream."""
    for k in range(number):
        problem = random_problem("validation", k)
        adapter = Adapter(problem.context())
        start = adapter.snapshot()
        physics = adapter.line_physics(adapter.blocks[0])
        solution, Nformal = solve_once(adapter, physics, problem.atom)
        adapter.restore(start)
        yield Validation(adapter, start, solution, Nformal)


def error_curve(adapter: Adapter, solution: Array, scheme: Scheme) -> list[float]:
    """Return the largest true error of ln S after every formal solution of a solve.

    Parameters
    ----------
    adapter : Adapter
        Of one two-level atom, at the start; it is solved.
    solution : Array
        The unknown at statistical equilibrium.
    scheme : Scheme
        What solves it.
    """
    errors: list[float] = []

    class Small(Never):
        def is_converged(self, *updates: Any) -> bool:
            return errors[-1] < _SMALL

    iterate_ctx_rl(
        adapter.ctx,
        scheme=scheme,
        quiet=True,
        NmaxIter=_VALIDATION_BUDGET,
        convergence=Small,
        callback=lambda _: errors.append(float(np.max(np.abs(adapter.read() - solution)))),
    )
    return errors


def scores(curves: Sequence[Sequence[float]]) -> dict[str, float]:
    """Summarise error curves.

    Returns
    -------
    scores : dict
        Formal solutions to a true error of 1e-3 and 1e-6 (mean, median, 90th percentile, worst),
        and the geometric mean of the error after one to four of them.
    """
    result = {}
    for tolerance in (1e-3, 1e-6):
        found = []
        for errors in curves:
            late = np.flatnonzero(np.array(errors) >= tolerance)
            found.append(int(late[-1]) + 2 if late.size else 1)
        for name, value in (
            ("mean", np.mean(found)),
            ("median", np.median(found)),
            ("p90", np.percentile(found, 90)),
            ("worst", np.max(found)),
        ):
            result[f"{name}_{tolerance:.0e}"] = float(value)
    for k in range(4):
        # A curve that has ended was below what counts.
        after = [errors[k] if k < len(errors) else _SMALL for errors in curves]
        result[f"error_after_{k + 1}"] = float(np.exp(np.mean(np.log(np.maximum(after, _SMALL)))))
    return result

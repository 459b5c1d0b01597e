"""A callback that validates, logs, exports and writes a checkpoint every so often."""

from __future__ import annotations

import json
import time
from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback

from ..files import Json, write_atomically
from ..problems import random_problem
from ..schemes import Depthwise
from . import checkpoint
from .export import export, in_numpy
from .plots import SCORES
from .sac import DepthwiseSAC
from .validation import ProblemSource, Validation, error_curve, scores, validation_problems

__all__ = ["Follower"]


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
    problem_of : callable, optional
        Returns the problems (default: the random family's).
    """

    def __init__(
        self,
        arguments: Json,
        out: Path,
        before: checkpoint.Spent,
        problem_of: ProblemSource = random_problem,
    ):
        super().__init__()
        self.problem_of = problem_of
        self.arguments, self.out, self.before = arguments, out, before
        self.started = time.time() - before.seconds
        self.scores: Json = {}
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
        """Add the scores to those of the run so far, in its file."""
        file = self.out / SCORES
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
            self._problems = list(
                validation_problems(self.arguments["validation"], self.problem_of)
            )
            self._Nformal_else += sum(p.Nformal for p in self._problems)
        curves = []
        for problem in self._problems:
            problem.adapter.restore(problem.start)
            curves.append(
                error_curve(problem.adapter, problem.solution, Depthwise(in_numpy(model)))
            )
            self._Nformal_else += len(curves[-1])
        return scores(curves)

"""A callback that validates, logs, exports and writes a checkpoint every so often."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from ..adapter import Adapter
from ..envs.stat_equil import solve_once
from ..iterate import iterate_ctx_rl
from ..problems import random_problem
from ..schemes import Depthwise
from . import checkpoint
from .export import export, in_numpy
from .sac import DepthwiseSAC

#: Formal solutions after which a validation solve is given up.
_VALIDATION_BUDGET = 60


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
        self._problems: list[tuple[Any, Any, Any]] = []

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
        checkpoint.save(self.out / "checkpoint.pt", model, self.arguments, spent)
        export(
            self.out / "latest",
            model,
            {"environment_steps": model.num_timesteps, "validation": self.scores},
        )

    def validate(self, model: DepthwiseSAC) -> dict[str, float]:
        """Return formal solutions to a true error of 1e-3 and 1e-6 on the validation stream."""
        if not self._problems:
            self._prepare()
        policy = in_numpy(model)
        counts: dict[float, list[int]] = {1e-3: [], 1e-6: []}
        for adapter, start, solution in self._problems:
            adapter.restore(start)
            errors: list[float] = []

            def record(accelerated: Any, errors=errors, adapter=adapter, solution=solution) -> None:
                errors.append(float(np.max(np.abs(adapter.read() - solution))))

            iterate_ctx_rl(
                adapter.ctx,
                scheme=Depthwise(policy),
                quiet=True,
                popsTol=1e-7,
                JTol=np.inf,
                NmaxIter=_VALIDATION_BUDGET,
                callback=record,
            )
            self._Nformal_else += len(errors)
            for tolerance, found in counts.items():
                late = np.flatnonzero(np.array(errors) >= tolerance)
                found.append(int(late[-1]) + 2 if late.size else 1)
        return {
            f"{name}_{tolerance:.0e}": float(value)
            for tolerance, found in counts.items()
            for name, value in (
                ("mean", np.mean(found)),
                ("median", np.median(found)),
                ("p90", np.percentile(found, 90)),
                ("worst", np.max(found)),
            )
        }

    def _prepare(self) -> None:
        for k in range(self.arguments["validation"]):
            problem = random_problem("validation", k)
            adapter = Adapter(problem.context())
            start = adapter.snapshot()
            physics = adapter.line_physics(adapter.blocks[0])
            solution, Nformal = solve_once(adapter, physics, problem.atom)
            self._Nformal_else += Nformal
            self._problems.append((adapter, start, solution))

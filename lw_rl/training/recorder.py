"""What a training run leaves behind: a log, figures, and a progress bar with the last return."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, configure

from ..files import write_atomically
from ..terminal import progress_bar
from .entropy_meter import measured_entropy
from .maps import policy_maps
from .plots import MAPS, draw_run

__all__ = ["TrainingRecorder", "curve"]


class TrainingRecorder(BaseCallback):
    """Write ``progress.csv`` at equal intervals of steps, and draw it now and then.

    Every row has stable-baselines3's own entries and ``train/entropy``, measured on replayed states
    apart from any measurement inside the algorithm, ``train/target_entropy`` where there is
    one, ``time/cpu`` [s] and ``rollout/ep_rew_mean`` over the last 20 episodes.

    Parameters
    ----------
    folder : Path or None
        Of the run; None writes no files.
    steps : int
        Steps of the run.
    rows : int, optional
        Rows of the log (default: 100).
    quiet : bool, optional
        No progress bar (default: False).
    redraw : float, optional
        Seconds between two drawings of the figures while training; the log's clocks stand still
        meanwhile (default: 60).
    """

    model: SAC

    def __init__(
        self,
        folder: Path | None,
        steps: int,
        rows: int = 100,
        quiet: bool = False,
        redraw: float = 60.0,
    ):
        super().__init__()
        self.folder, self.steps, self.redraw = folder, steps, redraw
        self.every = max(steps // rows, 1)
        self.rows: list[dict[str, float]] = []
        self.returns: list[float] = []
        self._next = self.every
        self._started = (0.0, 0.0)
        self._drawn = 0.0
        self._shown = 0
        self._bar = progress_bar(quiet, time_left=True)

    def make_logger(self) -> Logger:
        """Return what the model is to log to, before it learns: without it SB3 makes a folder."""
        return configure(str(self.folder), ["csv"]) if self.folder else Logger(None, [])

    def _on_training_start(self) -> None:
        self._started = (time.perf_counter(), time.process_time())
        self._drawn = self._started[0]
        self._bar.start()
        self._task = self._bar.add_task("training", total=self.steps)

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            if "episode" in info:
                self.returns.append(float(info["episode"]["r"]))
        last = f"return {self.returns[-1]:.4g}" if self.returns else "training"
        self._bar.update(self._task, completed=self.num_timesteps, description=last)
        if self.num_timesteps >= self._next:
            self._next += self.every
            self._row()
            if time.perf_counter() - self._drawn > self.redraw:
                self._draw()
        return True

    def close(self) -> None:
        """Take the progress bar away, and draw what a run left that was cut short."""
        self._bar.stop()
        if self.folder is not None and self._shown < len(self.rows):
            # Of the log alone: what ended the run may be a policy that cannot be evaluated.
            self._shown = len(self.rows)
            draw_run(self.folder)

    def _on_training_end(self) -> None:
        self._draw()
        self.close()

    def _draw(self) -> None:
        """Draw log and policy, while the clocks stand still."""
        before = time.perf_counter(), time.process_time()
        if self.folder is not None and self.rows:
            with torch.random.fork_rng(devices=[]):
                maps = policy_maps(self.model)
            write_atomically(self.folder / MAPS, json.dumps(maps).encode())
            draw_run(self.folder)
            self._shown = len(self.rows)
        self._drawn = time.perf_counter()
        wall, cpu = self._started
        self._started = wall + self._drawn - before[0], cpu + time.process_time() - before[1]

    def _row(self) -> None:
        log = self.model.logger
        wall, cpu = self._started
        log.record("time/total_timesteps", self.num_timesteps)
        log.record("time/time_elapsed", time.perf_counter() - wall)
        log.record("time/cpu", time.process_time() - cpu)
        if self.returns:
            log.record("rollout/ep_rew_mean", float(np.mean(self.returns[-20:])))
        if self.model.ent_coef_optimizer is not None:
            log.record("train/target_entropy", float(self.model.target_entropy))
        # A step is counted before it is stored.
        if self.model.replay_buffer is not None and self.model.replay_buffer.size() > 0:
            # Of a generator of its own, so that recording changes no training run.
            with torch.random.fork_rng(devices=[]):
                log.record("train/entropy", measured_entropy(self.model))
        self.rows.append({k: float(v) for k, v in log.name_to_value.items()})
        log.dump(self.num_timesteps)


def curve(rows: list[dict[str, float]], name: str) -> list[Any]:
    """Return one column of the rows, None where a row lacks it."""
    return [row.get(name) for row in rows]

"""The experiments on maximum-entropy control, as plain data: what is run, and how; no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.util import find_spec
from typing import Any

from ...files import Json

__all__ = [
    "FACTS", "GROUPS", "QUICK_STARTS", "QUICK_STEPS", "RUNS", "SAMPLERS", "EntropyExperiment",
    "EntropyRun", "experiments", "left_out", "missing",
]  # fmt: skip

MULTI, PENDULUM, CHEETAH = "lw_rl/MultiGoal-v0", "Pendulum-v1", "HalfCheetah-v5"
SIGMOID, COLUMNS = "lw_rl/SigmoidSource-v0", "lw_rl/StatEquil-v0"


@dataclass(frozen=True)
class EntropyRun:
    """A training run.

    ``settings`` are those of `lw_rl.training.control.ControlSettings`, the temperature as
    `lw_rl.training.temperature.described` takes it; ``options`` are the environment's; ``seeds``
    caps the number of seeds.
    """

    group: str
    label: str
    env: str
    settings: Json
    options: Json = field(default_factory=dict)
    seeds: int = 100
    needs: tuple[str, ...] = ()  # Packages without which the run is left out.


# The median rule's kernel is so narrow for so few particles that invertible steps hardly move them.
_WIDE = {"particles": 16, "steps": 5, "step_size": 0.5, "bandwidth": 1.0, "limit": 0.9}
_LEAN = {**_WIDE, "particles": 8, "steps": 3}
_NOISE = {"particles": 12, "steps": 6}
#: Settings of the sampler that the comparisons use, by algorithm.
SAMPLERS: dict[str, Json] = {"sac": {}, "s2ac": _LEAN, "s2ac-langevin": _NOISE}
_MULTI = {
    "steps": 4500, "train_freq": 2, "gamma": 0.9, "temperature": 0.3,
}  # fmt: skip
_PENDULUM = {"steps": 8000, "batch_size": 128, "gamma": 0.98}
# gymnasium's own environments of MuJoCo import both.
_MUJOCO = ("mujoco", "imageio")
_CHEETAH = {"steps": 9000, "train_freq": 2, "batch_size": 128, "learning_starts": 1000}
# The next step of this environment does not depend on this one; see
# `lw_rl.experiments.paper.experiments.BANDIT`.
_SIGMOID = {"steps": 6000, "train_freq": 2, "gamma": 0.0, "target_entropy": -8.0}
_SLAB = {"reward": "preconditioned", "tolerance": 5e-3}
_COLUMNS = {"steps": 1200, "train_freq": 2, "gamma": 0.5, "learning_starts": 200}
_STEPS10 = {"problems": 4, "Npoints": 32, "max_episode_steps": 10}
_SHARED = {"steps": 2400, "train_freq": 2, "gamma": 0.5, "batch_size": 32, "learning_starts": 300}


def _with(base: Json, **more: Any) -> Json:
    return {**base, **more}


def _family(
    group: str, env: str, base: Json, options: Json, target: float, seeds: int
) -> dict[str, EntropyRun]:
    """Return the four members that are compared in radiative transfer."""
    stein = {"algorithm": "s2ac", "sampler": _LEAN}
    noise = {"algorithm": "s2ac-langevin", "sampler": _NOISE}
    return {
        f"{group}-sac": EntropyRun(group, "SAC", env, base, options, seeds),
        f"{group}-s2ac": EntropyRun(
            group, "S2AC (SVGD)", env, _with(base, **stein), options, seeds
        ),
        f"{group}-langevin": EntropyRun(
            group, "S2AC (Langevin)", env, _with(base, **noise), options, seeds
        ),
        f"{group}-target": EntropyRun(
            group,
            "SAC, target entropy",
            env,
            _with(base, temperature={"target": target}),
            options,
            seeds,
        ),
    }


RUNS: dict[str, EntropyRun] = {
    "multigoal-sac": EntropyRun("multigoal", "SAC", MULTI, _MULTI),
    "multigoal-s2ac": EntropyRun(
        "multigoal", "S2AC (SVGD)", MULTI, _with(_MULTI, algorithm="s2ac", sampler=_WIDE)
    ),
    "multigoal-fixed": EntropyRun(
        "multigoal", "S2AC (SVGD), fixed start", MULTI,
        _with(_MULTI, algorithm="s2ac", sampler=_WIDE, learn_start=False),
    ),
    "multigoal-langevin": EntropyRun(
        "multigoal", "S2AC (Langevin)", MULTI,
        _with(_MULTI, algorithm="s2ac-langevin", sampler=_NOISE),
    ),
    "pendulum-sac": EntropyRun("pendulum", "SAC", PENDULUM, _PENDULUM),
    "pendulum-s2ac": EntropyRun(
        "pendulum", "S2AC (SVGD)", PENDULUM, _with(_PENDULUM, algorithm="s2ac", sampler=_LEAN)
    ),
    "pendulum-fixed": EntropyRun(
        "pendulum", "S2AC (SVGD), fixed start", PENDULUM,
        _with(_PENDULUM, algorithm="s2ac", sampler=_LEAN, learn_start=False), seeds=2,
    ),
    "temperature-fixed": EntropyRun(
        "temperature", "fixed, 0.2", PENDULUM, _with(_PENDULUM, temperature=0.2), seeds=2
    ),
    "temperature-schedule": EntropyRun(
        "temperature", "scheduled, 1 to 0.01", PENDULUM,
        _with(_PENDULUM, temperature={"schedule": [1.0, 0.01]}), seeds=2,
    ),
    **{
        f"temperature-target{-level:g}": EntropyRun(
            "temperature", f"target {level:g} nat", PENDULUM,
            _with(_PENDULUM, temperature={"target": level}),
        )
        for level in (-0.5, -1.0, -2.0)
    },
    "temperature-stairs": EntropyRun(
        "temperature", "targets -0.5, -2, -1 nat in turn", PENDULUM,
        _with(_PENDULUM, temperature={"target": [-0.5, -2.0, -1.0]}),
    ),
    "mujoco-sac": EntropyRun("mujoco", "SAC", CHEETAH, _CHEETAH, needs=_MUJOCO),
    "mujoco-s2ac": EntropyRun(
        "mujoco", "S2AC (SVGD)", CHEETAH, _with(_CHEETAH, algorithm="s2ac", sampler=_LEAN),
        needs=_MUJOCO,
    ),
    **_family("sigmoid", SIGMOID, _SIGMOID, _SLAB, -8.0, 100),
    **_family("columns", COLUMNS, _COLUMNS, {**_STEPS10, "modes": 6}, -6.0, 2),
    "shared-shared": EntropyRun("shared", "one network for all depths", COLUMNS, _SHARED, _STEPS10),
    "shared-monolith": EntropyRun(
        "shared", "one perceptron over all depths", COLUMNS, _SHARED, _STEPS10
    ),
}  # fmt: skip

#: What a group of runs that are compared is called.
GROUPS = {
    "multigoal": "four goals",
    "pendulum": PENDULUM,
    "temperature": f"{PENDULUM}, temperatures",
    "mujoco": CHEETAH,
    "sigmoid": "SigmoidSource-v0",
    "columns": "StatEquil-v0, six cosines",
    "shared": "StatEquil-v0, every depth",
}
FACTS = ("gaussian-1", "gaussian-2", "gaussian-10", "mixture-1", "mixture-2", "mixture-10", "well")
QUICK_STEPS, QUICK_STARTS = 120, 60


@dataclass(frozen=True)
class EntropyExperiment:
    """A unit of work: ``kind`` is "facts" or "train"; ``name`` says which of them."""

    kind: str
    name: str
    seed: int
    quick: bool

    @property
    def key(self) -> str:
        """Name of the file that keeps the outcome."""
        return f"{self.kind}-{self.name}" + (f"-{self.seed}" if self.kind == "train" else "")

    @property
    def settings(self) -> Json:
        """The run's settings, shortened if it is a quick one."""
        settings = {"learning_starts": 500, **RUNS[self.name].settings}
        if self.quick:
            settings |= {"steps": QUICK_STEPS, "learning_starts": QUICK_STARTS, "batch_size": 32}
        return settings

    @property
    def config(self) -> Json:
        """Everything that decides the outcome; the file that keeps it is recognised by it."""
        if self.kind == "facts":
            return asdict(self)
        run = RUNS[self.name]
        return {
            **asdict(self), "env": run.env, "options": run.options, "settings": self.settings
        }  # fmt: skip


@cache
def missing(packages: tuple[str, ...]) -> bool:
    """Return whether one of the packages that a run needs is not installed."""
    return any(find_spec(package) is None for package in packages)


def left_out() -> list[str]:
    """Return the runs that cannot be made here."""
    return [name for name, run in RUNS.items() if missing(run.needs)]


def experiments(seeds: int, quick: bool) -> list[EntropyExperiment]:
    """Return all experiments, the facts first and then seed by seed: so a part is of use too."""
    work = [EntropyExperiment("facts", name, 0, quick) for name in FACTS]
    for seed in range(seeds):
        work += [
            EntropyExperiment("train", name, seed, quick)
            for name, run in RUNS.items()
            if seed < run.seeds and not missing(run.needs)
        ]
    return work

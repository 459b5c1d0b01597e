"""The experiments of the paper, as plain data: what is run, with which settings and seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ...files import Json
from ...slab.source_shapes import shape_parameters

__all__ = [
    "ABLATION", "BANDIT", "FACTS", "PAPER", "PRECONDITIONED", "QUICK_STEPS", "RUNS", "SPLINE",
    "STEPS", "TUNED", "PaperExperiment", "PaperRun", "experiments",
]  # fmt: skip

PAPER = {"stop": "paper"}
"""Options of the environment as published."""

BANDIT = {
    "gamma": 0.0,
    "entropy": "auto_0.1",
    "entropy_per_action": -3.0,
    "action_noise": 0.0,
    "gradient_steps": 2,
    "learning_rate": 1e-3,
    "decay": True,
}
"""SAC for a problem whose next step does not depend on this one: no discounting, no added noise.

The target entropy is that of a normal distribution of width 0.01 in the action, since what a
policy cannot place more closely than that it cannot learn to place.  Twice the updates for each
transition, and in turn fewer transitions, cost about the same time.
"""

PRECONDITIONED = {"reward": "preconditioned"}
"""Options of the environment with the preconditioned reward."""

TUNED = {**PRECONDITIONED, "tolerance": 5e-3}
"""The same for the tuned SAC, with a stop below what either family reaches, so that it never fires.

The best sigmoid has max |dS / S| = 2.3e-2 and the best spline 8.4e-3.  A bonus within reach is a
cliff of ten in a reward that varies by tenths beside it.
"""

SPLINE = {**TUNED, "shape": "spline"}
"""The same with the richer family."""

ABLATION = {
    "entropy": "auto_0.1",
    "entropy_per_action": -3.0,
    "action_noise": 0.0,
    "learning_rate": 2e-3,
    "decay": True,
}
"""SAC for the ablations: what it learns in 20,000 steps with these, it learns in 100,000 with the
paper's settings, which spend most of their updates on letting the entropy coefficient fall from
one."""


@dataclass(frozen=True)
class PaperRun:
    """A training run: a sentence, options of `SourceStep`, and what differs from the paper's SAC.

    ``length`` names the number of steps in `STEPS`.
    """

    title: str
    options: Json
    sac: Json = field(default_factory=dict)
    length: str = "full"


RUNS: dict[str, PaperRun] = {
    "published": PaperRun("as published", PAPER),
    "spline": PaperRun("preconditioned reward, tuned SAC, splines", SPLINE, BANDIT, "tuned"),
    "sigmoid": PaperRun("preconditioned reward, tuned SAC, sigmoid", TUNED, BANDIT, "tuned"),
    **{
        f"gamma={g:g}": PaperRun(
            f"splines, discount {g:g}", SPLINE, {**ABLATION, "gamma": g}, "short"
        )
        for g in (0.0, 0.5, 0.9, 0.99)
    },
    **{
        f"every={k}": PaperRun(
            f"splines, reward every {k} steps", {**SPLINE, "reward_every": k}, ABLATION, "short"
        )
        for k in (3, 9)
    },
    # Last, so that a run cut short has the cheaper experiments first.
    "preconditioned": PaperRun("preconditioned reward, SAC as published", PRECONDITIONED),
}


FACTS = (
    "verification", "throughput", "peers", "lambda_iteration", "solve_times", "optima",
    "expressiveness",
)  # fmt: skip
"""What is found out without training anything; see `lw_rl.experiments.paper.measure`."""

STEPS = {"full": 100_000, "tuned": 40_000, "short": 20_000, "greedy": 20_000}
QUICK_STEPS = {"full": 600, "tuned": 400, "short": 300, "greedy": 200}


@dataclass(frozen=True)
class PaperExperiment:
    """A unit of work: ``kind`` is "facts", "greedy" or "sac"; ``name`` says which of them."""

    kind: str
    name: str
    seed: int
    steps: int
    quick: bool

    @property
    def key(self) -> str:
        """Name of the file that keeps the outcome."""
        seed = "" if self.kind == "facts" else f"-{self.seed}"
        return f"{self.kind}-{self.name}{seed}".replace("=", "_").replace(" ", "_")

    @property
    def config(self) -> Json:
        """Everything that decides the outcome; the file that keeps it is recognised by it."""
        detail: Json = {}
        shape = "spline" if self.name == "expressiveness" else "sigmoid"
        if self.kind == "sac":
            run = RUNS[self.name]
            detail = asdict(run)
            shape = run.options.get("shape", shape)
        # A family with parameters of its own is not known by its name alone.
        if parameters := shape_parameters(shape):
            detail["shape"] = parameters
        return {**asdict(self), **detail}


def experiments(seeds: int, quick: bool) -> list[PaperExperiment]:
    """Return all experiments, the facts first and then seed by seed: so a part is of use too."""
    steps = QUICK_STEPS if quick else STEPS
    work = [PaperExperiment("facts", name, 0, 0, quick) for name in FACTS]
    for seed in range(seeds):
        work.append(PaperExperiment("greedy", "greedy", seed, steps["greedy"], quick))
        work += [
            PaperExperiment("sac", name, seed, steps[run.length], quick)
            for name, run in RUNS.items()
        ]
    return work

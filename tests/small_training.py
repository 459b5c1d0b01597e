"""Small learners that the tests of training share."""

from __future__ import annotations

from typing import Any

from lw_rl.problems import Problem, shipped_problem

SMALL: dict[str, Any] = {
    "steps": 80,
    "envs": 2,
    "workers": False,
    "points": 64,
    "problems": 4,
    "warmup": 16,
    "width": 8,
    "batch": 8,
    "imitation_batch": 8,
    "buffer": 200,
    "checkpoint_every": 40,
    "validation": 2,
    "calibration": 0,
}


def quick_problem(stream: str, k: int) -> Problem:
    """A problem with few depths in the place of one of the random streams."""
    return shipped_problem("CaII_K", "FALC", 34 + 2 * (k % 4) + (stream == "validation"))


def small_learner(**arguments: Any) -> Any:
    """The learner of such a run, with its environments."""
    from lw_rl.training.train import Args, environments, learner

    args = Args(**{**SMALL, **arguments})
    return learner(args, environments(args, problem_of=quick_problem))


def small_s2ac(env: Any = "lw_rl/MultiGoal-v0", net: tuple[int, ...] = (8,), **more: Any) -> Any:
    """An untrained S2AC learner."""
    from lw_rl.training.s2ac import S2AC
    from lw_rl.training.stein import Stein

    settings = {
        "learning_starts": 8, "batch_size": 8, "buffer_size": 100, "seed": 0, "device": "cpu",
        "sampler": Stein(4, 2, 0.3), "ent_coef": 0.3, "policy_kwargs": {"net_arch": list(net)},
        **more,
    }  # fmt: skip
    return S2AC("MlpPolicy", env, **settings)

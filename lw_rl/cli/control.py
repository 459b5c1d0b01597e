"""The command `lw-rl control`: maximum-entropy control of any gymnasium environment."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import click
import numpy as np

from ..terminal import output
from .options import command_line, folder_option, json_option, quiet_option, require_training

__all__ = ["RESULT", "control"]

RESULT = "control.json"
_KINDS = ("auto", "fixed", "scheduled", "target")


class _Temperature(click.Choice[str]):
    """One of `_KINDS`, or the old spelling of the last."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "held":
            warnings.warn("held is now spelled target", DeprecationWarning, stacklevel=1)
            value = "target"
        return super().convert(value, param, ctx)


class _Bandwidth(click.ParamType):
    """A positive number or "median"."""

    name = "float|median"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if value == "median" or isinstance(value, float):
            return value
        return click.FLOAT.convert(value, param, ctx)


@click.command()
@click.argument("env")
@click.option(
    "--learner", type=click.Choice(["sac", "s2ac", "s2ac-langevin"]), default="sac",
    show_default=True, help="SAC; S2AC with Stein variational gradient descent, or with Langevin.",
)  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1), default=10_000, show_default=True,
              help="Environment steps.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Of networks, exploration, replay and environment.")  # fmt: skip
@click.option(
    "--temperature", type=_Temperature(_KINDS), default="auto", show_default=True,
    help="auto: SAC's own rule; fixed; scheduled: a geometric fall; target: by a controller "
    "that keeps the measured entropy at --entropy.",
)  # fmt: skip
@click.option("--alpha", type=float, help="The fixed temperature, or the first one.  "
              "[default: 0.1; scheduled: 1]")  # fmt: skip
@click.option("--last-alpha", type=float, help="Last temperature of a schedule.  [default: 0.01]")
@click.option(
    "--entropy", "levels", type=float, multiple=True, metavar="NAT",
    help="Target entropy, of the action scaled to [-1, 1]; repeated: one after the other.  "
    "[default for auto: minus the components of the action]",
)  # fmt: skip
@click.option("--learning-rate", type=click.FloatRange(min=0.0, min_open=True), default=1e-3,
              show_default=True, help="Of actor, critics and temperature.")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=2), default=128, show_default=True,
              help="Transitions of a gradient step.")  # fmt: skip
@click.option("--gamma", type=click.FloatRange(0.0, 1.0), default=0.98, show_default=True,
              help="Discount factor.")  # fmt: skip
@click.option("--learning-starts", type=click.IntRange(min=0), default=500, show_default=True,
              help="Random steps first.")  # fmt: skip
@click.option("--train-freq", type=click.IntRange(min=1), default=1, show_default=True,
              help="Environment steps between gradient steps.")  # fmt: skip
@click.option("--particles", type=int, help="S2AC: particles of the sampler.")
@click.option("--sampler-steps", type=int, help="S2AC: steps of the sampler.")
@click.option("--step-size", type=float, help="S2AC: length of such a step.")
@click.option("--bandwidth", type=_Bandwidth(),
              help="S2AC: width of the kernel, or its median rule.")  # fmt: skip
@click.option("--fixed-start", is_flag=True, help="S2AC: the start is no function of the state.")
@click.option("--episodes", type=click.IntRange(min=1), default=10, show_default=True,
              help="Episodes that the trained policy is scored on.")  # fmt: skip
@folder_option(None, "Folder of the run.  [default: runs/ENV-LEARNER-SEED]")
@json_option("the result")
@quiet_option()
@click.pass_context
def control(
    ctx: click.Context,
    env: str,
    learner: str,
    seed: int,
    temperature: str,
    alpha: float | None,
    last_alpha: float | None,
    levels: tuple[float, ...],
    particles: int | None,
    sampler_steps: int | None,
    step_size: float | None,
    bandwidth: float | str | None,
    fixed_start: bool,
    episodes: int,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Train SAC or S2AC on ENV, a gymnasium environment with a bounded box of actions.

    Leaves in a folder the log (progress.csv), figures that are renewed while it trains
    (training.png, policy.png), the model (model.zip) and the result (control.json): the return of
    the deterministic policy over episodes that it was not trained on.

    \b
    Examples:
      lw-rl control Pendulum-v1
      lw-rl control Pendulum-v1 --temperature target --entropy -1
      lw-rl control lw_rl/MultiGoal-v0 --learner s2ac --temperature fixed --alpha 0.3 --gamma 0.9
      lw-rl control HalfCheetah-v5 --learner s2ac --steps 100000      needs lw-rl[mujoco]
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    # Imported late: the help must not wait for torch.
    from ..experiments.max_entropy.experiments import SAMPLERS
    from ..files import plain, write_json

    require_training()
    from ..training.control import ControlSettings, environment, evaluate, train_control
    from ..training.temperature import described

    chosen = _temperature(temperature, alpha, last_alpha, levels)
    given = {
        "particles": particles, "steps": sampler_steps, "step_size": step_size,
        "bandwidth": bandwidth,
    }  # fmt: skip
    sampler = {name: value for name, value in given.items() if value is not None}
    if learner == "sac" and (sampler or fixed_start):
        raise click.UsageError("sac has no sampler: these options are S2AC's")
    if learner == "s2ac-langevin" and bandwidth is not None:
        raise click.UsageError("Langevin has no kernel: --bandwidth is s2ac's")
    target = levels[0] if temperature == "auto" and levels else "auto"
    made = environment(env)
    arguments = ControlSettings(
        algorithm=learner,  # type: ignore[arg-type]
        temperature=described(chosen),
        target_entropy=target,
        sampler={**SAMPLERS[learner], **sampler},
        learn_start=not fixed_start,
        **settings,
    )
    folder = out or Path("runs") / f"{env.replace('/', '-')}-{learner}-{seed}"
    model, recorder = train_control(made, arguments, seed, folder, quiet=quiet or as_json)
    returns, _ = evaluate(model, made, [10_000 + k for k in range(episodes)])
    result = plain(
        {
            "command": command_line(ctx),
            "env": env,
            "learner": learner,
            "seed": seed,
            "settings": {**settings, "temperature": chosen, "sampler": arguments.sampler},
            "returns": returns,
            "mean_return": float(np.mean(returns)),
            "entropy": recorder.rows[-1].get("train/entropy"),
            "alpha": recorder.rows[-1].get("train/ent_coef"),
            "cpu_seconds": recorder.rows[-1]["time/cpu"],
        }
    )
    write_json(folder / RESULT, result, readable=True)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    console = output(quiet)
    console.print(
        f"return of {episodes} episodes: mean {result['mean_return']:.4g}, worst "
        f"{min(result['returns']):.4g}; {result['cpu_seconds']:.0f} s of one core"
    )
    for name in ("training.png", "policy.png", "model.zip", RESULT):
        console.print(str(folder / name), soft_wrap=True)


def _temperature(
    kind: str, alpha: float | None, last: float | None, levels: tuple[float, ...]
) -> Any:
    """Return the temperature as plain data; see `lw_rl.training.temperature.described`."""
    if last is not None and kind != "scheduled":
        raise click.UsageError("--last-alpha is for --temperature scheduled")
    if levels and kind in ("fixed", "scheduled"):
        raise click.UsageError(f"--entropy is for --temperature auto or target, not {kind}")
    if kind == "target":
        if not levels:
            raise click.UsageError("--temperature target needs --entropy, the target entropy [nat]")
        target = {"target": levels[0] if len(levels) == 1 else list(levels)}
        return target if alpha is None else {**target, "initial": alpha}
    if kind == "scheduled":
        return {"schedule": [1.0 if alpha is None else alpha, 0.01 if last is None else last]}
    if len(levels) > 1:
        raise click.UsageError("several levels one after the other are for --temperature target")
    first = 0.1 if alpha is None else alpha
    return first if kind == "fixed" else f"auto_{first}"

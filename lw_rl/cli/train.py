"""The command `lw-rl train`: one option for every field of the training's `Args`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import PolicyFileError
from ..files import Json
from ..training.arguments import Args
from .options import dataclass_options, json_option, quiet_option, require_training

__all__ = ["arguments_of", "arguments_of_run", "train"]

_OPTIONS: list[click.Parameter] = [
    *dataclass_options(Args),
    click.Option(
        ["--reproduce"],
        metavar="NAME|FILE",
        help="Take the arguments from this policy's card; options given here go before them.",
    ),
    click.Option(
        ["--rate", "rate_only"],
        is_flag=True,
        help="Train nothing: measure --envs environments in processes of their own beside the "
        "bare formal solution in as many; take as many as there are cores.",
    ),
]


def arguments_of(policy: str) -> Json:
    """Return the arguments that a policy was trained with, from its card.

    Raises
    ------
    UnknownNameError, PolicyFileError, SchemaError
        If there is no such policy, or its card does not hold the arguments of this training.
    """
    from ..policies import card_of, make_policy

    card = card_of(make_policy(policy))
    arguments = card.get("arguments")
    names = {f.name for f in dataclasses.fields(Args)}
    if not isinstance(arguments, dict) or not arguments.keys() <= names:
        raise PolicyFileError(
            f"the card of policy {policy!r} does not hold the arguments of its training, or holds "
            f"others than this lw_rl has (its versions: {card.get('versions')})"
        )
    return arguments


def arguments_of_run(folder: Path) -> Json:
    """Return the arguments of the run whose checkpoint a folder holds; none where there is none.

    Raises
    ------
    PolicyFileError
        If the checkpoint cannot be read.
    """
    if not (folder / "checkpoint.pt").exists():
        return {}
    kept = folder / "arguments.json"
    if kept.exists():
        found: Json = json.loads(kept.read_text())
    else:
        # A run of release 0.1.
        from ..training import checkpoint

        found = checkpoint.load(folder / "checkpoint.pt")["arguments"]
    names = {f.name for f in dataclasses.fields(Args)} - {"out"}
    return {name: value for name, value in found.items() if name in names}


@json_option("the card at the end")
@quiet_option("Print nothing but errors, no progress bar.")
@click.pass_context
def _run(
    ctx: click.Context,
    reproduce: str | None,
    rate_only: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> None:
    # Before anything of training is imported, so that its message is what a user without it sees.
    require_training()
    from ..training.rate import describe, measure_rate
    from ..training.train import train as run_training

    given = {n for n in values if ctx.get_parameter_source(n) is ParameterSource.COMMANDLINE}
    if reproduce is not None:
        values |= {k: v for k, v in arguments_of(reproduce).items() if k not in given}
    if rate_only:
        rate = measure_rate(values["envs"])
        if as_json:
            click.echo(json.dumps({**dataclasses.asdict(rate), "ratio": rate.ratio}, indent=2))
        elif not quiet:
            click.echo(describe(rate))
        return
    # A run that is taken up again has its arguments in its folder.
    values |= {k: v for k, v in arguments_of_run(Path(values["out"])).items() if k not in given}
    card = run_training(Args(**values), quiet=quiet or as_json)
    if as_json:
        click.echo(
            json.dumps({"policy": str(card), "card": json.loads(card.read_text())}, indent=2)
        )
    elif not quiet:
        click.echo(f"policy: {card}")


train = click.command(
    "train",
    params=_OPTIONS,
    help="""Train a depth-wise policy by Soft Actor-Critic on the random family.

    Resumes from its last checkpoint where there is one, with the arguments that it was begun with:
    `lw-rl train --out RUN` is enough.  The policy that it writes is used with
    `lw-rl solve ... --policy FILE` or `iterate_ctx_rl(ctx, policy=FILE)`.

    \b
    Examples:
      lw-rl train
      lw-rl train --seed 1 --out runs/second
      lw-rl train --out runs/second --steps 24000
      lw-rl train --reproduce default --out runs/again
      lw-rl train --rate --envs 2
    """,
)(_run)

"""The command `lw-rl calibrate`: what a policy's card says of its limits."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..terminal import progress_bar
from .options import json_option, quiet_option

__all__ = ["calibrate"]


@click.command()
@click.argument("policy", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--problems", type=click.IntRange(min=1), default=60, show_default=True,
    help="Problems of the validation stream, and five times as many of the train stream.",
)  # fmt: skip
@json_option("the entries")
@quiet_option()
def calibrate(policy: Path, problems: int, as_json: bool, quiet: bool) -> None:
    """Measure where a policy's observations lie and how well it knows its error.

    POLICY is the card (.json) or the weights (.safetensors). Both entries, observation_range and
    error_estimate, are written into the card; nothing is trained and the weights stay as they are.
    `lw-rl train` does the same at its end.

    \b
    Examples:
      lw-rl calibrate runs/default/policy.json
      lw-rl calibrate lw_rl/policies/default.json
      lw-rl calibrate runs/default/policy.json --problems 200 --json --quiet
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from ..benchmark import calibration

    with progress_bar(quiet) as bar:
        task = bar.add_task("calibrating", total=6 * problems)
        entries = calibration.calibrate(policy, problems, lambda: bar.advance(task))
    if as_json:
        click.echo(json.dumps(entries, indent=2))
    elif not quiet:
        estimate = entries["error_estimate"]
        click.echo(
            f"factor on the policy's estimate of the error: {estimate['factor']} (covers the error "
            f"in {100 * estimate['coverage']:g} % of {estimate['stops']} stops, within 5 times the "
            f"error in {100 * estimate['within_5x']:.0f} %)"
        )
        seen = entries["observation_range"]
        for name, low, high in zip(seen["channels"], seen["low"], seen["high"], strict=True):
            click.echo(f"  {name:<18}{low:9.3f} .. {high:.3f}")
        click.echo(f"card: {policy.with_suffix('.json')}")

"""The command `lw-rl calibrate`: a policy's limits, and the factors of the error estimates."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import click

from ..terminal import progress_bar
from .options import command_line, json_option, quiet_option

__all__ = ["calibrate"]

#: Options that do not change the result, or are written otherwise.
_NOT_IN_COMMAND = ("settings", "costs", "figure", "as_json", "quiet")


@click.command()
@click.argument(
    "policy", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option(
    "--settings", type=click.Path(dir_okay=False, path_type=Path),
    help="Measure the safety factors of the error estimates instead, and write them to this file.",
)  # fmt: skip
@click.option(
    "--costs", type=click.Path(dir_okay=False, path_type=Path),
    help="Fit the cost model of drivers to the clock instead, and write it to this file.",
)  # fmt: skip
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw what the calibration of the settings saw, of those measured now or that ship.",
)  # fmt: skip
@click.option(
    "--problems", type=click.IntRange(min=1),
    help="Problems: of a policy, of the validation stream, and five times as many of the train "
    "stream (default: 60); of the settings, train stream and hostile ones (default: 300); of the "
    "cost model, of every kind (default: 10).",
)  # fmt: skip
@json_option("what was measured")
@quiet_option()
@click.pass_context
def calibrate(
    ctx: click.Context,
    policy: Path | None,
    settings: Path | None,
    costs: Path | None,
    figure: Path | None,
    problems: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure where a policy's observations lie and how well it knows its error.

    With --settings, the factors of the error estimates without a policy (the ones that ship are
    lw_rl/certificate/calibrated.json); with --figure, drawn.

    POLICY is the card (.json) or the weights (.safetensors). Both entries, observation_range and
    error_estimate, are written into the card; nothing is trained and the weights stay as they are.
    `lw-rl train` does the same at its end.

    \b
    Examples:
      lw-rl calibrate runs/default/policy.json
      lw-rl calibrate lw_rl/policies/default.json
      lw-rl calibrate runs/default/policy.json --problems 200 --json --quiet
      lw-rl calibrate --settings lw_rl/certificate/calibrated.json
      lw-rl calibrate --figure settings.png
      lw-rl calibrate --costs lw_rl/policies/drivers/costs.json
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from ..benchmark import calibration

    if costs is not None:
        if policy is not None or settings is not None:
            raise click.UsageError("give a POLICY, --settings FILE or --costs FILE, one of them")
        _costs(ctx, costs, 10 if problems is None else problems, as_json, quiet)
        return
    if figure is not None and policy is None:
        from ..benchmark.plots import save
        from ..benchmark.settings_figure import settings_figure

        if settings is not None:
            _settings(ctx, settings, problems, as_json, quiet)
        source = resources.files("lw_rl.certificate").joinpath("calibrated.json")
        content = (settings or source).read_text(encoding="utf-8")
        save(settings_figure(json.loads(content)), figure)
        if not (quiet or as_json):
            click.echo(f"figure: {figure}")
        return
    if (policy is None) == (settings is None):
        raise click.UsageError("give a POLICY, or --settings FILE, and not both")
    if policy is None:
        assert settings is not None
        _settings(ctx, settings, problems, as_json, quiet)
        return
    problems = calibration.PROBLEMS if problems is None else problems
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


def _settings(
    ctx: click.Context, path: Path, problems: int | None, as_json: bool, quiet: bool
) -> None:
    from ..benchmark import settings_calibration

    problems = settings_calibration.PROBLEMS if problems is None else problems
    command = f"{command_line(ctx, leave_out=_NOT_IN_COMMAND)} --settings {path.name}"
    with progress_bar(quiet) as bar:
        task = bar.add_task("calibrating", total=problems)
        content = settings_calibration.calibrate_settings(
            problems, lambda: bar.advance(task), command
        )
    settings_calibration.write(path, content)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    elif not quiet:
        for name, entry in content["values"].items():
            click.echo(f"  {name:<14}{entry['value']:8g}  {entry['set by']}")
        click.echo(f"settings: {path}")


def _costs(ctx: click.Context, path: Path, problems: int, as_json: bool, quiet: bool) -> None:
    from ..benchmark.cost_calibration import calibrate_costs, write_costs

    command = f"{command_line(ctx, leave_out=_NOT_IN_COMMAND)} --costs {path.name}"
    with progress_bar(quiet) as bar:
        task = bar.add_task("calibrating", total=4 * problems)
        content = calibrate_costs(problems, lambda: bar.advance(task), command)
    write_costs(path, content)
    if as_json:
        click.echo(json.dumps(content, indent=2))
    elif not quiet:
        for kind, value in content["values"].items():
            click.echo(f"  {value:10.3g} ns  {content['kinds'][kind]}")
        click.echo(f"costs: {path}")

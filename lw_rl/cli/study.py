"""The command `lw-rl study`: which part of the training contributes what."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ..terminal import output, progress_bar
from .options import (
    command_line,
    folder_option,
    json_option,
    quiet_option,
    readme_option,
    require_training,
)

#: What does not change a result.
_NOT_IN_COMMAND = ("out", "readme", "report_only", "as_json", "quiet")

__all__ = ["study"]


@click.command()
@click.argument("name", type=click.Choice(["learner", "architecture", "drive", "lines", "residue"]))
@click.option("--seeds", type=click.IntRange(min=1),
              help="Seeds of every variant: 1, 2, ...  [default: 2, 3 or 5]")  # fmt: skip
@click.option("--steps", type=click.IntRange(min=1),
              help="Environment steps of every run.  [default: 4000, 2000, or 1000]")  # fmt: skip
@click.option("--problems", type=click.IntRange(min=4),
              help="Problems of the train stream.  [default: 400; residue: 80]")  # fmt: skip
@click.option("--validation", type=click.IntRange(min=1), default=40, show_default=True,
              help="Problems of the validation stream.")  # fmt: skip
@folder_option("runs/study", "Folder of the runs, the result file and the figure.")
@click.option("--report-only", is_flag=True,
              help="lines, residue: run nothing, report on what is finished.")  # fmt: skip
@readme_option("Renew the study's block in this file.")
@json_option("the result")
@quiet_option()
@click.pass_context
def study(
    ctx: click.Context,
    name: str,
    seeds: int | None,
    steps: int | None,
    problems: int | None,
    validation: int,
    out: Path,
    report_only: bool,
    readme: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train variants with several seeds, and set their scores beside one another.

    \b
    learner       SAC from scratch, hindsight imitation alone, hindsight then SAC, both together
    architecture  sizes of the network, by imitation of demonstrations alone
    drive         what a learned driver gains over fixed settings, a bandit and a tree; --problems
                  and --validation count all kinds together
    lines         what policies of two-level lines add on atoms with many levels, beside the coupled
                  operator and instead of it; --validation counts random atoms
    residue       the same of policies that are trained on what that operator leaves of the lines

    A study that was interrupted goes on where it was.

    \b
    Examples:
      lw-rl study learner --seeds 3
      lw-rl study architecture
      lw-rl study drive --seeds 5 --steps 4000 --problems 200 --validation 500
      lw-rl study lines --seeds 5 --validation 4
      lw-rl study residue --seeds 5 --validation 16
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    require_training()
    if name in ("lines", "residue"):
        _lines(
            ctx, name, seeds or 5, steps, problems, validation, out, report_only, readme, as_json,
            quiet,
        )  # fmt: skip
        return
    problems = problems or 400
    if name == "drive":
        _drive(ctx, seeds or 5, steps or 4000, problems, validation, out, readme, as_json, quiet)
        return
    from rich.markdown import Markdown

    from ..benchmark.plots import save
    from ..benchmark.readme import renew_block, require_blocks
    from ..experiments import study as studies
    from ..experiments.study_figure import study_figure
    from ..training.train import Args

    chosen = studies.STUDIES[name]
    seeds = chosen.seeds if seeds is None else seeds
    steps = chosen.steps if steps is None else steps
    if readme is not None:
        require_blocks(readme.read_text(), [name])
    args = Args(
        steps=steps,
        problems=problems,
        validation=validation,
        checkpoint_every=max(1, steps // 4),
        warmup=min(400, steps // 2),
        calibration=0,
    )
    with progress_bar(quiet, time_left=True) as bar:
        task = bar.add_task("", total=len(chosen.variants) * seeds)
        first = True

        def watch(what: str) -> None:
            nonlocal first
            bar.update(task, description=what, advance=0 if first else 1)
            first = False

        result = studies.run(name, args, range(1, seeds + 1), out, watch)
        bar.update(task, completed=len(chosen.variants) * seeds)
    result = {"command": command_line(ctx, leave_out=_NOT_IN_COMMAND), **result}
    studies.save(result, out / f"{name}.json")
    save(study_figure(result), out / f"{name}.png")
    if readme is not None:
        renew_block(readme, name, studies.markdown(result))
    if as_json:
        click.echo(json.dumps(result))
    elif not quiet:
        output(quiet, width=150).print(Markdown(studies.markdown(result)))
        click.echo(f"results: {out / f'{name}.json'}")


def _drive(
    ctx: click.Context, seeds: int, steps: int, problems: int, validation: int, out: Path,
    readme: Path | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    from rich.markdown import Markdown

    from ..benchmark.plots import save
    from ..benchmark.readme import renew_block, require_blocks
    from ..experiments.drive import figures, report, study
    from ..experiments.drive.problems import amounts

    if readme is not None:
        require_blocks(readme.read_text(), ["drive"])
    settings = study.Settings(amounts(problems), amounts(validation), steps, seeds)
    with progress_bar(quiet) as bar:
        task = bar.add_task("", total=None)
        result = study.run(
            settings,
            out,
            command_line(ctx, leave_out=_NOT_IN_COMMAND),
            lambda what: bar.update(task, description=what),
        )
    text = report.markdown(result)
    for what, draw in (
        ("cost", figures.cost_figure),
        ("choices", figures.choices_figure),
        ("learning", figures.learning_figure),
    ):
        save(draw(result), out / f"drive_{what}.png")
    if readme is not None:
        renew_block(readme, "drive", text)
    if as_json:
        click.echo(json.dumps(result))
    elif not quiet:
        output(quiet, width=150).print(Markdown(text))
        click.echo(f"results: {out / 'drive.json'}")


def _lines(
    ctx: click.Context, name: str, seeds: int, steps: int | None, problems: int | None,
    number: int, out: Path, report_only: bool, readme: Path | None, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    from rich.markdown import Markdown

    from ..benchmark.readme import renew_block, require_blocks
    from ..experiments import lines, lines_report
    from ..files import write_json
    from ..training.train import Args

    if readme is not None:
        require_blocks(readme.read_text(), [name])
    study = lines.STUDIES[name]
    steps, problems = steps or study.steps, problems or study.problems
    args = Args(
        steps=steps, problems=problems, checkpoint_every=max(1, steps // 4),
        warmup=min(400, steps // 2), workers=False,
    )  # fmt: skip
    every = range(1, seeds + 1)
    if report_only:
        try:
            found = lines.gather(name, args, every, number, out, partial=True)
        except FileNotFoundError as error:
            raise click.ClickException(f"too little is finished to report on: {error}") from error
    else:
        with progress_bar(quiet, time_left=True) as bar:
            task = bar.add_task("training", total=None)

            def advance(key: str, done: int, total: int) -> None:
                bar.update(task, completed=done, total=total, description=key)

            found = lines.run(name, args, every, number, out, progress=advance)
    result = {"command": command_line(ctx, leave_out=_NOT_IN_COMMAND), **found}
    write_json(out / f"{name}.json", result)
    text = lines_report.markdown(result)
    if readme is not None:
        renew_block(readme, name, text)
    if as_json:
        click.echo(json.dumps(result))
    elif not quiet:
        output(quiet, width=150).print(Markdown(text))
        click.echo(f"results: {out / f'{name}.json'}")

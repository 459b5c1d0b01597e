"""The command `lw-rl soak`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..terminal import output, progress_bar
from .options import command_line, json_option, policy_option, quiet_option, readme_option, renamed

__all__ = ["soak"]

#: Options that do not change the result.
_NOT_IN_COMMAND = ("out", "workers", "quiet", "as_json", "readme")
#: The seed that the safeguards were developed on.
_SEED = 1
#: Problems between two saves of the result file.
_EVERY = 20


@click.command(cls=renamed("--no-hostile-policies", "--no-adversarial-policies"))
@click.option(
    "--n", "number", type=click.IntRange(min=1), default=200, show_default=True,
    help="Problems in all; an interrupted soak continues where its result file ends.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=_SEED, show_default=True)
@click.option(
    "--family", type=click.Choice(["hostile", "atoms", "test", "validation"]),
    default="hostile", show_default=True,
    help="Hostile problems, atoms with many levels, or a stream of the random family.",
)  # fmt: skip
@click.option(
    "--scheme", "schemes", multiple=True, default=("depthwise",), show_default=True,
    metavar="NAME", help="Scheme to try, besides MALI; may be repeated.",
)  # fmt: skip
@policy_option()
@click.option("--no-adversarial-policies", is_flag=True, help="Try no adversarial policies.")
@click.option(
    "--tolerance", type=click.FloatRange(min=0.0, min_open=True), default=1e-3, show_default=True,
    help="Tolerance on the error of the populations.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), default=Path("soak.json"),
    show_default=True, help="Result file.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True,
    help="Processes, each on one thread.",
)  # fmt: skip
@json_option("the tally")
@quiet_option()
@readme_option(
    "Renew the family's block in this file; with another seed than the default, its own "
    "(soak-hostile-SEED)."
)
@click.pass_context
def soak(
    ctx: click.Context,
    number: int,
    seed: int,
    family: str,
    schemes: tuple[str, ...],
    policy: str,
    no_adversarial_policies: bool,
    tolerance: float,
    out: Path,
    workers: int,
    as_json: bool,
    quiet: bool,
    readme: Path | None,
) -> None:
    """Solve hostile problems and count what goes wrong.

    Counts false convergences, exceptions, unphysical populations, and solves over budget: with more
    than 1.1 times MALI's formal solutions and 3.

    \b
    Examples:
      lw-rl soak
      lw-rl soak --n 10000 --seed 1 --workers 2 --out soak.json
      lw-rl soak --family atoms --n 2000 --seed 1 --workers 2 --out atoms.json
      lw-rl soak --family test --n 2000 --scheme depthwise --scheme anderson --scheme ng
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from ..benchmark.adversarial import ADVERSARIAL, ADVERSARIAL_DRIVERS
    from ..benchmark.readme import renew_block, require_blocks
    from ..benchmark.robustness import Soak
    from ..benchmark.robustness_report import LEGEND, load, markdown, tables
    from ..files import versions

    # No policy is asked about atoms with many levels.
    adversarial = tuple(ADVERSARIAL_DRIVERS)
    if family != "atoms":
        adversarial = (*ADVERSARIAL, *adversarial)
    if no_adversarial_policies:
        adversarial = ()
    soaked = Soak(seed, family, schemes, policy, adversarial, tolerance)
    # As JSON has it, which has no tuples.
    tally = load(out, json.loads(json.dumps(asdict(soaked))))
    block = f"soak-{family}" if seed == _SEED else f"soak-{family}-{seed}"
    if readme is not None:
        require_blocks(readme.read_text(), [block])
    if tally.done < number:
        tally.command = command_line(ctx, leave_out=_NOT_IN_COMMAND)
    with progress_bar(quiet) as bar:
        task = bar.add_task("soaking", total=number, completed=tally.done)
        for record in soaked.over(range(tally.done, number), workers):
            tally.add(record)
            if tally.done % _EVERY == 0 or tally.done == number:
                tally.save(out, versions())
            bar.advance(task)
    if readme is not None:
        renew_block(readme, block, markdown(tally))
    if as_json:
        click.echo(json.dumps(tally.as_dict(), indent=1))
    elif not quiet:
        console = output(quiet)
        for table in tables(tally):
            console.print(table)
        console.print(LEGEND, highlight=False, style="dim")
        for offender in tally.offenders[:10]:
            click.echo(
                f"{offender['problem']}: {offender['entry']}: {', '.join(offender['wrong'])}"
            )
        click.echo(f"result file: {out}")

"""The command `lw-rl overview`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .options import check_place, json_option, quiet_option, readme_option

__all__ = ["overview"]

#: The problems of the figure, by their names in result files, and what they are.
_OPENING = {
    "H+CaII FALC gallery": "H + Ca II of Lightweaver's gallery, FAL-C",
    "CaII_K FALC": "Ca II K as a two-level line, FAL-C",
}


@click.command()
@click.argument(
    "results", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--figure", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw error against formal solutions and wall time: H and Ca II of the host's gallery, "
    "and Ca II K in FAL-C.  [default: none]",
)  # fmt: skip
@readme_option("Renew the block `overview` of this file, and the output of its example.")
@json_option("the table")
@quiet_option()
def overview(
    results: tuple[Path, ...], figure: Path | None, readme: Path | None, as_json: bool, quiet: bool
) -> None:
    """Make one table of what lw_rl does on which kind of problem.

    RESULTS are result files of `lw-rl bench` (bench.json) and of `lw-rl cube-bench`; nothing is
    measured. Of a suite that is in several of them the one with most problems counts.

    \b
    Examples:
      lw-rl overview bench/bench.json
      lw-rl overview examples/*_bench.json --readme README.md --figure opening.png
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    if figure is not None:
        check_place(figure)
    from ..benchmark import overview as read
    from ..benchmark.plots import opening_figure, save
    from ..benchmark.readme import renew, require_blocks
    from ..files import write_atomically

    if readme is not None:
        require_blocks(readme.read_text(), ["overview"])
    suites, cubes = read.read(results)
    head, *rows = read.overview(suites, cubes)
    if figure is not None:
        found = {p.name: p.solves for problems in suites.values() for p in problems}
        drawn = [(title, found[name]) for name, title in _OPENING.items() if name in found]
        if not drawn:
            raise read.ResultFileError(
                f"none of the problems of the figure was measured ({', '.join(_OPENING)}): lw-rl "
                "bench --suite gallery --suite fal"
            )
        save(opening_figure(drawn), figure)
    if readme is not None:
        block = read.overview_markdown([head, *rows])
        write_atomically(readme, renew(readme.read_text(), {"overview": block}).encode())
    if as_json:
        click.echo(json.dumps([dict(zip(head, row, strict=True)) for row in rows], indent=2))
    elif not quiet:
        for row in rows:
            click.echo(row[0])
            for name, cell in zip(head[1:], row[1:], strict=True):
                click.echo(f"  {name:28}{cell.replace('*', '')}")
        click.echo(read.LEGEND)

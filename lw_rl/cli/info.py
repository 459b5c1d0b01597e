"""The command `lw-rl info`."""

from __future__ import annotations

import json

import click
from rich.table import Table

from ..files import Json
from ..terminal import output
from .options import json_option, quiet_option

__all__ = ["card_lines", "info"]

#: What each registry holds, in the order in which it is printed.
_KINDS = ("lines", "atoms", "atmospheres", "schemes", "suites", "policies")


@click.command()
@json_option("what there is")
@quiet_option("Print the names only.")
def info(as_json: bool, quiet: bool) -> None:
    """List lines, atoms, atmospheres, schemes, suites, and policies with their cards.

    With --json the cards are whole: all that `lw-rl train --reproduce` reads.

    \b
    Examples:
      lw-rl info
      lw-rl info --json
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from .. import __version__, atmospheres, atoms, problems, schemes
    from ..policies import actor

    cards: dict[str, Json] = {n: actor.load_shipped(n).card for n in actor.known()}
    if as_json:
        fields = {
            "version": __version__,
            "atoms": atoms.known(),
            "atmospheres": [*atmospheres.known(), *problems.PLANES],
            "schemes": schemes.known(),
            "suites": problems.known(),
            "policies": cards,
        }
        click.echo(json.dumps(fields, indent=2))
        return
    many = [name for name in atoms.known() if name not in atoms.known_lines()]
    registries = (
        atoms.known_lines(), many, [*atmospheres.known(), *problems.PLANES], schemes.known(),
        problems.known(), cards,
    )  # fmt: skip
    table = _table()
    for kind, names in zip(_KINDS, registries, strict=True):
        table.add_row(kind, "  ".join(names) or "none")
    console = output(quiet=False)
    console.print(table)
    if quiet:
        return
    for name, card in cards.items():
        console.print(f"\npolicy {name}", highlight=False, style="bold")
        about = _table()
        for row in card_lines(card):
            about.add_row(*row)
        console.print(about)


def _table() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def card_lines(card: Json) -> list[tuple[str, str]]:
    """Return what a person wants to know of a policy's card: name and text of every line.

    Entries that a card lacks are left out.
    """
    lines = [("what it is", card.get("description"))]
    lines.append(("made by", card.get("command")))
    if {"environment_steps", "training_formal_solutions", "training_wall_time_s"} <= card.keys():
        minutes = card["training_wall_time_s"] / 60.0
        lines.append(
            (
                "training",
                f"{card['environment_steps']} steps, {card['training_formal_solutions']} formal "
                f"solutions, {minutes:.1f} min",
            )
        )
    scores = card.get("validation", {})
    for threshold in sorted({k.partition("_")[2] for k in scores if k.startswith("mean_")}):
        found = [
            f"{kind} {scores[f'{kind}_{threshold}']:g}"
            for kind in ("mean", "median", "p90", "worst")
            if f"{kind}_{threshold}" in scores
        ]
        power = threshold.replace("e-0", "e-")
        lines.append((f"to {power}", f"formal solutions on unseen problems: {', '.join(found)}"))
    estimate = card.get("error_estimate", {})
    if {"factor", "coverage", "stops"} <= estimate.keys():
        lines.append(
            (
                "error estimate",
                f"times {estimate['factor']:g}; covers the true error at "
                f"{100.0 * estimate['coverage']:.1f} % of {estimate['stops']} stops",
            )
        )
    if "seed" in card:
        lines.append(("seed", str(card["seed"])))
    versions = card.get("versions", {})
    lines.append(("versions", ", ".join(f"{k} {v}" for k, v in versions.items())))
    return [(name, str(text)) for name, text in lines if text]

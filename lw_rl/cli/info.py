"""The command `lw-rl info`."""

from __future__ import annotations

import json

import click

from ..files import Json
from .options import json_option, quiet_option

__all__ = ["info"]

#: Fields of a policy's card that only a program wants to see.
_TECHNICAL = ("architecture", "sha256", "gain", "name", "max_points")


@click.command()
@json_option("what there is")
@quiet_option("Print the names only.")
def info(as_json: bool, quiet: bool) -> None:
    """List atoms, atmospheres, schemes, suites, and policies with their cards.

    \b
    Examples:
      lw-rl info
      lw-rl info --json
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from .. import __version__, atmospheres, atoms, problems, schemes
    from ..policies import actor

    cards: dict[str, Json] = {n: actor.load_shipped(n).card for n in actor.known()}
    fields = {
        "version": __version__,
        "atoms": atoms.known(),
        "atmospheres": atmospheres.known(),
        "schemes": schemes.known(),
        "suites": problems.known(),
        "policies": cards,
    }
    if as_json:
        click.echo(json.dumps(fields, indent=2))
        return
    for kind in ("atoms", "atmospheres", "schemes", "suites", "policies"):
        click.echo(f"{kind + ':':<13}{'  '.join(fields[kind]) or 'none'}")
    if quiet:
        return
    for name, card in cards.items():
        click.echo(f"\npolicy {name}")
        for key, value in card.items():
            if key not in _TECHNICAL:
                text = value if isinstance(value, str) else json.dumps(value)
                click.echo(f"  {key + ':':<22}{text}")

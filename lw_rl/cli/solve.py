"""The command `lw-rl solve`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click
from rich.padding import Padding
from rich.text import Text

from ..result import Result
from ..terminal import output, progress_bar
from .options import (
    AtomOrAtmosphere,
    Scheme,
    check_place,
    command_line,
    figure_option,
    in_order,
    json_option,
    policy_option,
    quiet_option,
)

__all__ = ["solve"]

#: Seconds that the first call has to take more than another for it to be worth a sentence.
_COMPILING = 0.1

#: Formal solutions after which a scheme is given up on atoms with many levels.
_MULTILEVEL_MOST = 300


@click.command()
@click.argument("atom", type=AtomOrAtmosphere())
@click.argument("atmosphere", type=AtomOrAtmosphere())
@click.option(
    "--scheme", type=Scheme(), default="depthwise", show_default=True, metavar="NAME",
    help="Scheme to solve with.",
)  # fmt: skip
@policy_option()
@click.option("--depths", type=click.IntRange(min=3), help="So many depths, or rows in 2D.")
@click.option(
    "--repeats",
    type=click.IntRange(min=1),
    help="Timed solves of each scheme, of which the fastest counts.  [default: 3 of a line, 1 of "
    "other atoms]",
)
@figure_option("ATOM_ATMOSPHERE.png")
@json_option("what the table shows")
@quiet_option()
@click.pass_context
def solve(
    ctx: click.Context,
    atom: str,
    atmosphere: str,
    scheme: str,
    policy: str,
    depths: int | None,
    repeats: int | None,
    figure: Path | None,
    no_figure: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Solve ATOM in ATMOSPHERE to statistical equilibrium.

    Prints how many formal solutions the scheme takes to a true error of 1e-1 to 1e-6 and to its
    own stop, beside MALI, Ng and Anderson acceleration and Lightweaver's own iterate_ctx_se, and
    draws source function, convergence and emergent line.  ATOM can have many levels, or be
    several, joined by plus signs: the figure then has the departure coefficients of all levels and
    the strongest lines, and the table has MALI and Anderson acceleration with the background's
    scattering solved, none of them beyond 300 formal solutions.  ATMOSPHERE can be a file of one's
    own, in the MULTI format (.atmos), or of two dimensions (slab2d and others), of which the figure
    has maps.  `lw-rl info` lists the names; case does not matter.

    \b
    Examples:
      lw-rl solve CaII_K FALC
      lw-rl solve H+CaII FALC --figure gallery.pdf
      lw-rl solve MgII_k FALF --depths 328 --figure mg.png
      lw-rl solve CaII_K mine.atmos
      lw-rl solve CaII_K slab2d
      lw-rl solve CaII_K FALC --policy runs/mine/policy.json
      lw-rl solve CaII_K FALC --scheme anderson --json
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    atom, atmosphere = in_order(atom, atmosphere)
    name = "_".join([atom, Path(atmosphere).stem, *([str(depths)] if depths else [])])
    path = None if no_figure else figure or Path(f"{name}.png")
    if path is not None:
        check_place(path)
    # Lightweaver takes a second to import: not before the arguments are known to be sound.
    from .. import problems
    from ..benchmark import measure as benchmark
    from ..benchmark import report, tables
    from ..benchmark.peers import Peer, depthwise_name, peers
    from ..files import versions
    from ..iterate import solve as solve_context
    from ..schemes import make_scheme

    plane = atmosphere in problems.PLANES
    if plane:
        problem = problems.plane_problem(atom, atmosphere, depths)
    elif Path(atmosphere).is_file():
        problem = problems.file_problem(atom, atmosphere, depths)
    else:
        problem = problems.shipped_problem(atom, atmosphere, depths)
    guarded = make_scheme(scheme, policy)
    # The strongest peers of each kind of problem.
    others = (
        ("ng", "anderson10") if problem.two_level else ("mali_scattering", "anderson_scattering")
    )
    shown = ("lightweaver", "mali", *others)
    entries = peers((), shown)
    ours = depthwise_name(policy) if scheme == "depthwise" else scheme
    if not problem.two_level:
        # MALI alone takes thousands there, and the host's own call as accurate as the others
        # several solves of as many.
        entries = [replace(p, NmaxIter=_MULTILEVEL_MOST) for p in entries if p.name in shown]
    if {"anderson": "anderson10"}.get(scheme, scheme) not in shown:
        entries.append(Peer(ours, guarded))

    with progress_bar(quiet, time_left=True) as bar:
        task = bar.add_task("solving", total=len(entries) + 3)
        first = solve_context(problem.context(), scheme=guarded, quiet=True)
        _not_interrupted(first)
        bar.advance(task)
        result = benchmark.measure(
            problem,
            entries,
            repeats or (3 if problem.two_level and not plane else 1),
            lambda what: bar.update(task, description=what, advance=1),
        )
        # Last, so that its time is not that of compiling.
        context = problem.context()
        solved = solve_context(context, scheme=guarded, quiet=True)
        _not_interrupted(solved)
        bar.advance(task)
    if path is not None:
        from ..benchmark.plots import save, solve_figure

        save(solve_figure(context, result), path)
    if as_json:
        fields = {
            "command": command_line(ctx),
            "versions": versions(),
            "solved": solved.as_dict(),
            "first_call_seconds": first.seconds,
            **report.result_as_dict(result),
            "figure": None if path is None else str(path),
        }
        click.echo(json.dumps(fields, indent=2))
    elif not quiet:
        console = output(quiet)
        console.print(tables.solve_table(result))
        sentences = [*tables.solve_legend(result), tables.comparison(result, ours)]
        if first.seconds - solved.seconds > _COMPILING:
            sentences.append(
                f"The first call of a process compiles: it took {first.seconds:.1f} s here."
            )
        for sentence in filter(None, sentences):
            console.print(sentence, highlight=False, style="dim")
        console.print(f"What the last call, by {guarded.name}, says of itself:", highlight=False)
        for sentence in solved.sentences:
            console.print(Padding(Text(sentence), (0, 0, 0, 2)))
        if path is not None:
            click.echo(f"figure: {path}")


def _not_interrupted(result: Result) -> None:
    """Go on only if the user did not end the solve, which returns what it had by then."""
    if result.outcome == "interrupted":
        raise KeyboardInterrupt

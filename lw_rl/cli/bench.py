"""The command `lw-rl bench`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UnknownNameError
from ..terminal import output, progress_bar
from .options import command_line, folder_option, json_option, quiet_option, readme_option

if TYPE_CHECKING:
    from ..benchmark.overhead import Overhead
    from ..benchmark.peers import Peer
    from ..benchmark.solves import ProblemResult
    from ..benchmark.store import Store
    from ..problems import Problem

__all__ = ["bench"]

#: Where things are kept and shown, which changes no result.
_NOT_IN_COMMAND = ("again", "cache", "out", "readme", "as_json", "quiet")


@click.command()
@click.option(
    "--suite", "suites", multiple=True, default=("fal",), show_default=True, metavar="NAME",
    help="Suite of problems (fal, prd, grid, random, moving, photosphere; atoms, atoms-grid, "
    "atoms-prd, atoms-charge, atoms-random, gallery; 2d, 2d-grid, 2d-random); may be repeated.",
)  # fmt: skip
@click.option(
    "--policy", "policies", multiple=True, default=("default",), show_default=True,
    metavar="NAME|FILE", help="Policy of the depth-wise scheme; may be repeated.",
)  # fmt: skip
@click.option("--no-policy", is_flag=True, help="Measure the classical schemes only.")
@click.option(
    "--peer", "names", multiple=True, metavar="NAME",
    help="Measure this peer only (lightweaver, lambda, mali, mali_scattering, ng, anderson5, "
    "anderson10, anderson_scattering, nonlocal); may be repeated.  [default: all but "
    "mali_scattering and anderson_scattering on two-level atoms, all but lambda, anderson5 and "
    "nonlocal on others]",
)  # fmt: skip
@click.option(
    "--problems", "number", type=click.IntRange(min=1),
    help="The first so many problems of each suite.  [default: all; of random ones 100, 50 or 40]",
)  # fmt: skip
@click.option(
    "--repeats", type=click.IntRange(min=0), default=1, show_default=True,
    help="Timed solves, of which the fastest counts; 0 measures no wall time.",
)  # fmt: skip
@click.option(
    "--again", multiple=True, metavar="NAME",
    help="Measure this peer anew where the directory has a solve of it already, or all; may be "
    "repeated.  [default: depthwise and nonlocal, where the source has changed]",
)  # fmt: skip
@click.option(
    "--profile", is_flag=True,
    help="Show instead where the time of the default call goes on every problem of the suites: "
    "formal solutions, operator, policy, decisions, the rest.",
)  # fmt: skip
@click.option(
    "--cache", type=click.Path(file_okay=False, path_type=Path),
    help="Directory of the reference solutions.  [default: lw_rl/bench in the user's cache]",
)  # fmt: skip
@folder_option("bench", "Directory of the result file (bench.json), the figures and the solves.")
@readme_option(
    "Renew the generated blocks of this file: the tables of the suites, and the output of its "
    "example."
)
@json_option("the statistics")
@quiet_option()
@click.pass_context
def bench(
    ctx: click.Context,
    suites: tuple[str, ...],
    policies: tuple[str, ...],
    no_policy: bool,
    names: tuple[str, ...],
    number: int | None,
    repeats: int,
    again: tuple[str, ...],
    profile: bool,
    cache: Path | None,
    out: Path,
    readme: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the iteration schemes: true error against formal solutions, and wall time.

    Every scheme solves every problem of the suites from LTE.  Wall times are those of the default
    call, certified stop included, beside Lightweaver's own call with its defaults and to the same
    true error.  Writes a table, a figure per suite, and a result file that holds every number with
    command, versions and seeds.

    What is interrupted goes on where it ended with the same command.  Solves are kept in the
    directory of the results, reference solutions in the user's cache; both are computed anew
    where the problem, or the version of a package, is another one.

    \b
    Examples:
      lw-rl bench --suite fal
      lw-rl bench --suite random --problems 500 --peer anderson10
      lw-rl bench --suite atoms --out atoms --again depthwise
      lw-rl bench --suite grid --suite moving --policy default --policy runs/mine/policy.json
      lw-rl bench --suite fal --suite grid --readme examples/docs/benchmarks.md
      lw-rl bench --suite grid --profile
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from .. import problems
    from ..benchmark import report
    from ..benchmark.peers import peers
    from ..benchmark.plots import save, suite_figure
    from ..benchmark.readme import renew, require_blocks
    from ..benchmark.store import Store, default_folder
    from ..benchmark.tables import suite_markdown
    from ..files import write_atomically, write_json

    used = () if no_policy else policies
    if profile:
        _profile(command_line(ctx), suites, number, used, repeats, out, as_json, quiet)
        return
    entries = {levels: peers(used, names, levels) for levels in (False, True)}
    chosen = {suite: problems.suite(suite, number) for suite in suites}
    every = {p.name for members in entries.values() for p in members}
    for name in again:
        if name not in ("all", *every):
            raise UnknownNameError("peer", name, every)
    store = Store(cache or default_folder(), out / "solves", every if "all" in again else again)
    if readme is not None:
        require_blocks(readme.read_text(), suites)

    results, no_reference = _measure(chosen, entries, repeats, store, quiet)
    overheads = _overheads(used if repeats else ())
    document = report.document(
        command_line(ctx, leave_out=_NOT_IN_COMMAND), results,
        policies=report.policy_costs(used, results),
        overhead={name: asdict(cost) for name, cost in overheads.items()},
        no_reference=no_reference,
    )  # fmt: skip
    write_json(out / "bench.json", document, readable=True)
    for suite, measured in results.items():
        save(suite_figure(suite, measured), out / f"{suite}.png")
    if readme is not None:
        text = renew(readme.read_text(), {s: suite_markdown(r) for s, r in results.items()})
        write_atomically(readme, text.encode())
    if as_json:
        click.echo(json.dumps({s: report.statistics(r) for s, r in results.items()}, indent=2))
    elif not quiet:
        _print(results, report.cost_lines(document["policies"]), overheads, no_reference)
        click.echo(f"results: {out / 'bench.json'}")


def _profile(
    command: str,
    suites: tuple[str, ...],
    number: int | None,
    policies: tuple[str, ...],
    repeats: int,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure where the time goes; write profile.json and profile.png."""
    from .. import problems
    from ..benchmark.peers import depthwise_name
    from ..benchmark.plots import save
    from ..benchmark.profile import measure_profile
    from ..benchmark.profile_report import profile_figure, profile_json, profile_table
    from ..benchmark.report import versions
    from ..files import write_json
    from ..schemes import Depthwise, make_policy

    schemes: dict[str, Any] = {"default call": "depthwise", "operator alone": "nonlocal"}
    for policy in policies:
        if policy == "default":
            continue  # asked by the default call
        schemes[depthwise_name(policy)] = Depthwise(make_policy(policy))
    chosen = [p for suite in suites for p in problems.suite(suite, number)]
    profiles = []
    with progress_bar(quiet, time_left=True) as bar:
        task = bar.add_task("", total=len(chosen))
        for problem in chosen:
            bar.update(task, description=problem.name)
            profiles += measure_profile(problem, schemes, rounds=max(20 * repeats, 1))
            bar.update(task, advance=1)
    document = {"command": command, "versions": versions(), "profiles": profile_json(profiles)}
    write_json(out / "profile.json", document, readable=True)
    save(profile_figure(profiles), out / "profile.png")
    if as_json:
        click.echo(json.dumps(document["profiles"], indent=2))
    elif not quiet:
        console = output(quiet=False, width=170)
        console.print(profile_table(profiles))
        console.print(f"results: {out / 'profile.json'}")


class InterruptedBenchmark(click.ClickException):
    """Ctrl-C: what was measured is kept."""

    exit_code = 130

    def __init__(self, done: int, total: int):
        super().__init__(
            f"interrupted after {done} of {total} problems; the same command goes on from there"
        )

    def show(self, file: Any = None) -> None:
        """Print the message on stderr, as other messages of the command line."""
        click.echo(f"lw-rl: {self.message}", err=True)


def _measure(
    suites: dict[str, list[Problem]],
    entries: dict[bool, list[Peer]],
    repeats: int,
    store: Store,
    quiet: bool,
) -> tuple[dict[str, list[ProblemResult]], dict[str, str]]:
    """Return results by suite, and why problems have no reference, by their names."""
    from ..benchmark import measure
    from ..errors import NoReferenceError

    results: dict[str, list[ProblemResult]] = {suite: [] for suite in suites}
    no_reference: dict[str, str] = {}
    each = [(suite, problem) for suite, members in suites.items() for problem in members]
    total = sum(1 + len(entries[not problem.two_level]) for _, problem in each)
    with progress_bar(quiet, time_left=True) as bar:
        task = bar.add_task("", total=total)
        for k, (suite, problem) in enumerate(each):
            measured = entries[not problem.two_level]
            done = bar.tasks[0].completed

            def watch(what: str, name: str = problem.name) -> None:
                bar.update(task, description=f"{name}: {what}", advance=1)

            try:
                found = measure.measure(problem, measured, repeats, watch, store)
                results[suite].append(found)
            except NoReferenceError as err:
                # Reported at the end and in the result file.
                no_reference[problem.name] = str(err)
            except KeyboardInterrupt:
                raise InterruptedBenchmark(k, len(each)) from None
            bar.update(task, completed=done + 1 + len(measured))
    return results, no_reference


def _overheads(policies: tuple[str, ...]) -> dict[str, Overhead]:
    """Return what the plugin costs on FAL-C Ca II K with every policy, by name in tables."""
    from ..benchmark.overhead import measure_overhead
    from ..benchmark.peers import depthwise_name
    from ..problems import shipped_problem

    problem = shipped_problem("CaII_K", "FALC")
    return {depthwise_name(p): measure_overhead(problem, p) for p in policies}


def _print(
    results: dict[str, list[ProblemResult]],
    costs: list[str],
    overheads: dict[str, Overhead],
    no_reference: dict[str, str],
) -> None:
    from ..benchmark.overhead import describe
    from ..benchmark.tables import depth_table, suite_legend, suite_tables

    console = output(quiet=False)
    for suite, measured in results.items():
        for table in suite_tables(suite, measured):
            console.print(table)
            console.print()
        if suite in ("grid", "atoms-grid"):
            console.print(depth_table(measured))
            console.print()
    for sentence in suite_legend([r for measured in results.values() for r in measured]):
        console.print(sentence, highlight=False, style="dim")
    for line in costs:
        console.print(line)
    for name, cost in overheads.items():
        console.print(f"{name}: {describe(cost)}")
    for name, reason in no_reference.items():
        console.print(f"{name} is not in the tables: {reason}")

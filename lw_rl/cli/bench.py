"""The command `lw-rl bench`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ..terminal import (
    output,
    progress_bar,
)
from .options import (
    command_line,
    folder_option,
    json_option,
    quiet_option,
    readme_option,
)


@click.command()
@click.option(
    "--suite", "suites", multiple=True, default=("fal",), show_default=True, metavar="NAME",
    help="Suite of problems (fal, prd, grid, random, moving, photosphere); may be repeated.",
)  # fmt: skip
@click.option(
    "--policy", "policies", multiple=True, default=("default",), show_default=True,
    metavar="NAME|FILE", help="Policy of the depth-wise scheme; may be repeated.",
)  # fmt: skip
@click.option("--no-policy", is_flag=True, help="Measure the classical schemes only.")
@click.option(
    "--peer", "names", multiple=True, metavar="NAME",
    help="Measure this peer only (lightweaver, lambda, mali, ng, anderson5, anderson10, "
    "nonlocal); may be repeated.  [default: all]",
)  # fmt: skip
@click.option(
    "--problems", "number", type=click.IntRange(min=1),
    help="Problems of a random suite.  [default: the suite's own number]",
)  # fmt: skip
@click.option(
    "--repeats", type=click.IntRange(min=0), default=1, show_default=True,
    help="Timed solves, of which the fastest counts; 0 measures no wall time.",
)  # fmt: skip
@folder_option("bench", "Directory of the result file (bench.json) and the figures.")
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
    out: Path,
    readme: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure the iteration schemes: true error against formal solutions, and wall time.

    Every scheme solves every problem of the suites from LTE.  Writes a table, a figure per suite,
    and a result file that holds every number with command, versions and seeds.

    \b
    Examples:
      lw-rl bench --suite fal
      lw-rl bench --suite random --problems 500 --peer anderson10
      lw-rl bench --suite grid --suite moving --policy default --policy runs/mine/policy.json
      lw-rl bench --suite fal --suite grid --readme README.md
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    from .. import problems
    from ..benchmark import measure as benchmark
    from ..benchmark import overhead, report, tables
    from ..benchmark.plots import save, suite_figure
    from ..errors import NoReferenceError, UnknownNameError
    from ..files import write_atomically

    entries = benchmark.peers(() if no_policy else policies)
    known = {p.name for p in entries}
    for name in names:
        if name not in known:
            raise UnknownNameError("peer", name, known)
    if names:
        entries = [p for p in entries if p.name in names or p.name.startswith("depthwise")]
    chosen = {suite: problems.suite(suite, number) for suite in suites}
    if readme is not None:
        from ..benchmark.readme import require_blocks

        require_blocks(readme.read_text(), suites)

    results: dict[str, list[benchmark.Result]] = {suite: [] for suite in chosen}
    no_reference: dict[str, str] = {}
    with progress_bar(quiet) as bar:
        task = bar.add_task("", total=sum(map(len, chosen.values())))
        for suite, members in chosen.items():
            for problem in members:
                bar.update(task, description=problem.name)
                try:
                    results[suite].append(benchmark.measure(problem, entries, repeats))
                except NoReferenceError as err:
                    # Told at the end and kept in the result file, not left out in silence.
                    no_reference[problem.name] = str(err)
                bar.advance(task)

    costs = {
        benchmark.depthwise_name(p): overhead.measure_overhead(
            problems.shipped_problem("CaII_K", "FALC"), p
        )
        for p in (policies if repeats and not no_policy else ())
    }
    document = report.document(
        command_line(ctx), results,
        policies={} if no_policy else report.policy_costs(policies, results),
        overhead={name: asdict(cost) for name, cost in costs.items()},
        no_reference=no_reference,
    )  # fmt: skip
    write_atomically(out / "bench.json", (json.dumps(document, indent=1) + "\n").encode())
    for suite, measured in results.items():
        save(suite_figure(suite, measured), out / f"{suite}.png")
    if readme is not None:
        from ..benchmark.readme import renew

        text = renew(readme.read_text(), {s: tables.suite_markdown(r) for s, r in results.items()})
        write_atomically(readme, text.encode())
    if as_json:
        click.echo(json.dumps({s: report.statistics(r) for s, r in results.items()}, indent=2))
    elif not quiet:
        console = output(quiet, width=150)
        for suite, measured in results.items():
            console.print(tables.suite_table(suite, measured))
            if suite == "grid":
                console.print(tables.depth_table(measured))
        for line in report.cost_lines(document["policies"]):
            console.print(line)
        for name, cost in costs.items():
            console.print(f"{name}: {overhead.describe(cost)}")
        for name, reason in no_reference.items():
            console.print(f"{name} is not in the tables: {reason}")
        click.echo(f"results: {out / 'bench.json'}")

"""The command `lw-rl paper`."""

from __future__ import annotations

from typing import Any

import click

from .experiments import experiment_options, run_or_report

__all__ = ["paper"]


@click.command()
@experiment_options(
    "paper", "Seeds per experiment.", "A few hundred steps each: checks, measures nothing."
)
def paper(**options: Any) -> None:
    """Reproduce Panos & Milic (2025, arXiv:2504.15679), and correct where it misleads.

    Trains the paper's Soft Actor-Critic and its greedy ablation, runs the classical schemes
    beside them, searches the optimum of each reward, and answers the questions that the paper
    leaves open.  Writes a result file (paper_result.json), the figures, and a report
    (paper_report.md): a table of claims, each with what was found and whether it holds, in which
    every number comes from that file.  It can be interrupted and started again.

    \b
    Examples:
      lw-rl paper --quick --out runs/quick     about a minute: does everything work?
      lw-rl paper --seeds 5 --out paper         under 45 minutes on two cores
      lw-rl paper --seeds 5 --out paper --json  the same, summary and verdicts on stdout
      lw-rl paper --seeds 5 --out paper --report-only      after an interruption
    """  # noqa: D301 -- click needs the escape itself, not a raw string
    # Imported late: the help must not wait for scipy and the engine.
    from ..experiments.paper.run import PAPER

    run_or_report(PAPER, **options)

"""The command `lw-rl entropy-report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .experiments import experiment_options, run_or_report
from .options import readme_option

__all__ = ["entropy_report"]


@click.command("entropy-report")
@experiment_options(
    "entropy", "Seeds of the comparisons.", "A hundred steps each: checks, measures nothing."
)
@readme_option("Renew the report's block in this file.")
def entropy_report(readme: Path | None, **options: Any) -> None:
    """Measure maximum-entropy control: S2AC, temperatures, target entropies.

    Checks the samplers' entropy against exact values, trains SAC and S2AC on the four goals, on
    Pendulum, on a MuJoCo task and in radiative transfer, keeps the entropy at several targets, and
    compares shared weights with one network over all depths.  Writes a result file
    (entropy_result.json), figures, a report (entropy_report.md), which is a table of claims in
    which every number comes from that file, and the log of every run (runs/).  It can be
    interrupted and started again.

    \b
    Examples:
      lw-rl entropy-report --quick --out runs/quick     two minutes: does everything work?
      lw-rl entropy-report --seeds 5 --out entropy      under an hour on two cores
      lw-rl entropy-report --seeds 5 --out entropy --report-only
      lw-rl plot entropy/runs/pendulum-sac-0
    """  # noqa: D301 (click needs the escape itself, not a raw string)
    # Imported late: the help must not wait for torch.
    from ..benchmark.readme import renew_block, require_blocks
    from ..experiments.max_entropy.readme import BLOCK, block
    from ..experiments.max_entropy.run import MAX_ENTROPY

    if readme is not None:
        require_blocks(readme.read_text(), [BLOCK])
    result = run_or_report(MAX_ENTROPY, **options)
    if readme is not None:
        renew_block(readme, BLOCK, block(result))

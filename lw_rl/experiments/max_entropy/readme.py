"""The block on maximum-entropy control in pages, from the result file alone."""

from __future__ import annotations

from ..claims import Claim, ResultFile, claims_table, content, listed
from .summary import COVERED, IN_TRANSFER, SOLVED

__all__ = ["BLOCK", "block"]

BLOCK = "entropy"


def block(result: ResultFile) -> str:
    """Return the block as Markdown: what was measured, and what was found.

    Parameters
    ----------
    result : dict
        The result file of `lw-rl entropy-report`.
    """
    found = content(result)
    text = claims_table(_CLAIMS, found, ("measured", "found: median [quartiles] over the seeds"))
    if found["kept/done"] == found["kept/all"]:
        return text
    note = "Not finished: {kept/done} of {kept/all} experiments, so some rows have one seed."
    return f"{text}\n\n{found.write(note)}"


def _errors(group: str, title: str) -> Claim:
    of_group = listed(
        lambda c: {k: c["runs"][k] for k in c[f"compared/{group}/members"]},
        f"{{{IN_TRANSFER[group]}:error_span}}",
    )
    return Claim(f"error at the end, {title}", of_group)


_CLAIMS = (
    Claim(
        "closed-form entropy within 0.1 nat per dimension, {robustness/particles} particles",
        "published formula {robustness/published/many} of {robustness/of} distributions, "
        "tracers {robustness/tracers/many} of {robustness/of}",
    ),
    Claim(
        "spread over four equal goals (1: even, 0: one goal)",
        listed("multigoal", "{evenness:span}"),
    ),
    Claim(
        f"Pendulum-v1 better than {SOLVED:.0f}, SAC",
        lambda c: c.write(
            f"{sum(c['pendulum_solved/pendulum-sac'])} of {{runs/pendulum-sac/seeds}} seeds; "
            "{runs/pendulum-sac/return:span}"
        ),
    ),
    Claim(
        f"entropy within 10 % of its target in {COVERED:.0%} of the measurements of every seed",
        "{covered/experiments} of {covered/of} experiments, {covered/runs} runs",
    ),
    _errors("sigmoid", "`SigmoidSource-v0`"),
    _errors("columns", "`StatEquil-v0`, six cosines"),
    Claim(
        "Boltzmann policies with several modes in radiative transfer",
        "{modes_in_transfer/boltzmann} of {modes_in_transfer/seeds} looked at",
    ),
)

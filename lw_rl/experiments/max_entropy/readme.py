"""The block on maximum-entropy control in the README, from the result file alone."""

from __future__ import annotations

from ..text import Result, choose, error_span, span, table
from .summary import HELD, SOLVED

BLOCK = "entropy"


def block(r: Result) -> str:
    """Return the block's Markdown: what was asked, what was found.

    Parameters
    ----------
    r : dict
        The result file of `lw-rl entropy-report`.
    """
    s = r["summary"]
    accuracy, goals, held = s["accuracy"], s["multigoal"]["members"], s["held"]
    right = {k: sum(v[k]["agrees"] for v in accuracy.values()) for k in ("particles", "tracers")}
    solved = s["pendulum_solved"]["pendulum-sac"]
    kept = sum(v["holds"] for v in held.values())
    here = [v for k, v in s["modes"].items() if k.startswith(("sigmoid", "columns"))]
    rows = [
        (
            "closed-form entropy within 0.1 nat per dimension, 256 particles",
            f"published formula {right['particles']} of {len(accuracy)} distributions, tracers "
            f"{right['tracers']} of {len(accuracy)}",
        ),
        (
            "spread over four equal goals (1: even, 0: one goal)",
            "; ".join(f"{r['labels'][k]} {span(v['evenness'])}" for k, v in goals.items()),
        ),
        (
            f"Pendulum-v1 better than {SOLVED:.0f}, SAC",
            f"{sum(solved)} of {len(solved)} seeds; {span(s['runs']['pendulum-sac']['return'])}",
        ),
        (
            f"requested entropy held within 10 % in {HELD:.0%} of the measurements of every seed",
            f"{kept} of {len(held)} experiments, {sum(v['seeds'] for v in held.values())} runs",
        ),
        *(
            (
                f"error at the end, {title}",
                "; ".join(
                    f"{r['labels'][k]} {error_span(s['runs'][k][key])}"
                    for k in s["compared"][group]["members"]
                ),
            )
            for group, key, title in (
                ("sigmoid", "true_error", "`SigmoidSource-v0`"),
                ("columns", "home_error", "`StatEquil-v0`, six cosines"),
            )
        ),
        (
            "Boltzmann policies with several modes in radiative transfer",
            f"{sum(v['boltzmann'] for v in here)} of {sum(v['seeds'] for v in here)} looked at",
        ),
    ]  # fmt: skip
    done, of = r["cells"]["done"], r["cells"]["all"]
    head = ("measured", "found: median [quartiles] over the seeds")
    return table(head, rows) + choose(
        done < of, f"\n\nNot finished: {done} of {of} experiments, so some rows have one seed.", ""
    )

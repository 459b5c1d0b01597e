"""The sections of the report on where the published set-up misleads and what corrects it."""

from __future__ import annotations

from lw_rl.experiments.paper.figures import LABELS
from lw_rl.experiments.paper.summary import MAIN
from lw_rl.experiments.text import (
    Result,
    choose,
    error,
    error_span,
    parameters,
    settings_that_differ,
    table,
)


def optima(r: Result, figures: dict[str, str]) -> str:
    """Section on what each reward asks for."""
    o, lam = r["facts"]["optima"], r["facts"]["lambda_iteration"]
    names = {
        "published": "optimum of the published reward",
        "earlier_point": "(3.2e-4, 1.0, 0.5, 0.2), found earlier",
        "closest": "least mean square error",
        "preconditioned": "optimum of the preconditioned reward",
        "least_error": "least true error",
    }
    rows = [
        (
            label,
            parameters(o[key].get("parameters")),
            f"{o[key]['published_reward']:.2e}",
            f"{o[key]['preconditioned_rms']:.2g}",
            f"{100 * o[key]['surface_error']:+.1f} %",
            error(o[key]["true_error"]),
        )
        for key, label in names.items()
    ]
    low, high = o["no_worse_than_closest"]["surface_error"]
    head = ("sigmoid", "parameters", "published reward", "rms dS/S", "surface error", "Te")
    return f"""## What the reward asks for

![optima]({figures["optima"]})

Found by direct search inside the action box (differential evolution and Nelder-Mead, several
starts), on the exact engine, without learning:

{table(head, rows)}

The published reward prefers sigmoids that are wrong to the one that is nearest to the solution:
among all those that it ranks at least as high, the surface value is off by anything from
{100 * low:+.0f} % to {100 * high:+.0f} %. The reason is the operator: the smallest singular value
of I - (1 - eps) Lambda is {r["facts"]["verification"]["smallest_singular_value"]:.1e}, so a raw
residual hardly sees the slow modes. Plain Lambda iteration has a residual MSE of
{lam["residual_mse"]:.1e} after {lam["iterations"]} steps with a true error of
{error(lam["true_error"])}. Dividing the residual by 1 - (1 - eps) Lambda* and by S, both known
without the solution, moves the optimum to a true error of
{error(o["preconditioned"]["true_error"])}."""


def expressiveness(r: Result, figures: dict[str, str]) -> str:
    """Section on what each family can do, and what SAC finds of it."""
    limits = r["facts"]["expressiveness"]
    e = {name: v["true_error"] for name, v in r["summary"]["experiments"].items()}
    home = limits["eps=0.0001"]
    floor = r["facts"]["optima"]["preconditioned"]["parameters"][0]
    head = (
        "problem", "least, sigmoid", "least, spline", "by the reward, sigmoid",
        "by the reward, spline",
    )  # fmt: skip
    keys = ("sigmoid", "spline", "sigmoid_by_reward", "spline_by_reward")
    rows = [(p, *(error(v[k]) for k in keys)) for p, v in limits.items()]
    trained = [
        (LABELS[name], settings_that_differ(r, name) or "those of the paper", error_span(e[name]))
        for name in MAIN
    ]
    return f"""## What the sigmoid can express, and what a spline can

True error, by direct search in the box of actions, of the member of each family that is nearest to
the solution (an upper limit on the least error), and of the one that the preconditioned reward
prefers. The spline is monotone in log S (`lw_rl.slab.source_shapes`):

{table(head, rows)}

What SAC finds of it on the paper's problem:

{table(("policy", "settings that differ from the paper's", "true error at the end"), trained)}

SAC on the spline ends at {error_span(e["spline"])}: {_against_limits(e["spline"], home)}. The
same settings on the sigmoid end at {error_span(e["sigmoid"])}, where the reward prefers
{error(home["sigmoid_by_reward"])}: {
        choose(
            e["sigmoid"]["median"] < 2 * home["sigmoid_by_reward"],
            "SAC finds about what the reward asks for, and the family is what limits it",
            "SAC does not find it. The family decides "
            "not only what can be expressed but also what is learned with ease: the sigmoid sets "
            "the surface value as a floor on a linear scale from 0 to 1, on which the reward asks "
            f"for {floor:.2g}; the spline sets it in log S",
        )
    }. With the hyper-parameters of the paper, SAC
ends at {error_span(e["preconditioned"])} under the preconditioned reward and at
{error_span(e["published"])} under the published one. The optimum of a
reward is one thing and what SAC finds of it another; direct search finds it in seconds."""


def _against_limits(spline: dict[str, float], limits: dict[str, float]) -> str:
    """Say which of the sigmoid's limits the trained spline is below."""
    if spline["q75"] < limits["sigmoid"]:
        return "with its whole quartile range below what any sigmoid can reach, whatever the reward"
    if spline["median"] < limits["sigmoid"]:
        return "in the median below what any sigmoid can reach, whatever the reward"
    if spline["median"] < limits["sigmoid_by_reward"]:
        return (
            "below the optimum of the same reward among sigmoids, though not below the sigmoid of "
            "least true error, which no reward without ground truth selects"
        )
    return "not below what the sigmoid can reach: the family allows it, SAC does not find it"

"""Tables and claims of the report on the paper that take more than a template."""

from __future__ import annotations

from typing import Any

from ...files import Json
from ..claims import Claim, Text, rows
from ..quartiles import apart
from ..text import Content, error, error_span, table
from .experiments import RUNS
from .figures import LABELS
from .summary import MAIN

__all__ = [
    "ablation", "below", "check", "costs", "errors", "optima", "soonest",
    "training_runs", "transfer", "transfers",
]  # fmt: skip

HOME = "eps=0.0001"
"""The test problem that was trained on."""

_OPTIMA = {
    "published": "optimum of the published reward",
    "earlier_point": "found earlier",
    "closest": "least mean square error",
    "preconditioned": "optimum of the preconditioned reward",
    "least_error": "least true error",
}


def check(text: str, path: str, spec: str, *expected: float) -> Claim:
    """Return the claim that the engine gives known answers, to 3 %."""

    def near(c: Content) -> bool:
        found = c[f"verification/{path}"]
        values = found.values() if isinstance(found, dict) else [found]
        return all(abs(v / e - 1.0) < 0.03 for v, e in zip(values, expected, strict=True))

    known = " / ".join(f"{e:g}" for e in expected)
    return Claim(f"{text}: {known}", f"{{verification/{path}:{spec}}}", near)


def below(text: str, name: str, limit: str, factor: float = 1.0) -> Claim:
    """Return the claim that SAC ends below a limit of its problem, or a multiple of it."""
    end, limit = f"experiments/{name}/true_error", f"expressiveness/{HOME}/{limit}"
    return Claim(
        text,
        f"{{{end}:error_span}} against {{{limit}:error}}",
        lambda c: bool(c[f"{end}/median"] < factor * c[limit]),
    )


def training_runs(c: Content) -> Json:
    """Return the training runs by title, with the settings that are not the paper's."""

    def settings(name: str) -> Json:
        run = c["sac"][name][0]
        return {k: v for k, v in {**run["options"], **run["settings"]}.items() if k != "steps"}

    paper = settings("published")
    found = {}
    for name, run in c["experiments"].items():
        ours = [f"{k} = {v}" for k, v in settings(name).items() if v != paper.get(k)]
        found[RUNS[name].title] = {**run, "settings": ", ".join(ours)}
    return found


def optima(c: Content) -> Json:
    """Return the sigmoids that are compared, by what they are the optimum of."""
    earlier = {"parameters": [3.2e-4, 1.0, 0.5, 0.2]}
    return {label: {**earlier, **c["optima"][name]} for name, label in _OPTIMA.items()}


def ablation(key: str, label: str, text: str) -> tuple[Text, Claim]:
    """Return the table of training runs that differ in one setting, and the claim that it counts.

    It counts if the quartile ranges of the best and of the worst do not overlap.
    """

    def ends(c: Content) -> tuple[tuple[str, Any], tuple[str, Any]]:
        by = {k: v["true_error"] for k, v in c[f"{key}/by"].items()}
        first, *_, last = sorted(by.items(), key=lambda member: float(member[1]["median"]))
        return first, last

    def measure(c: Content) -> str:
        (low, best), (high, worst) = ends(c)
        return (
            f"after {c[f'{key}/steps']:,} steps the least median error is {error(best['median'])} "
            f"({label} {low}), the largest {error(worst['median'])} ({label} {high})"
        )

    columns = {
        label: "{name}",
        "true error halfway": "{true_error_halfway:error_span}",
        "at the end": "{true_error:error_span}",
        "residual MSE": "{residual_mse:span}",
        "seeds": "{true_error/n}",
    }
    claim = Claim(text, measure, lambda c: apart(*(found for _, found in ends(c))))
    return rows(f"{key}/by", columns), claim


def transfer(c: Content) -> str:
    """Return the table of true errors on problems that were not trained on."""
    found, limits = c["transfer/by"], c["expressiveness"]
    return table(
        ("problem", *(LABELS[n] for n in MAIN), "best spline"),
        [(p, *(error_span(found[n][p]) for n in MAIN), error(limits[p]["spline"])) for p in limits],
    )


def transfers(c: Content) -> bool:
    """Return whether the policy on splines is near the best spline on every problem."""
    limits = c["expressiveness"]
    return all(s["median"] < 2 * limits[p]["spline"] for p, s in c["transfer/by/spline"].items())


def errors(c: Content) -> list[float]:
    """Return the median true errors of the training runs at full length."""
    return [c[f"experiments/{name}/true_error/median"] for name in MAIN]


def costs(c: Content) -> Json:
    """Return what training costs and saves, for each policy and each peer."""
    return {
        f"{name} {peer}": {"policy": LABELS[name], "peer": LABELS[peer], **cost, **found}
        for name, cost in c["cost"].items()
        for peer, found in cost["peers"].items()
    }


def soonest(c: Content) -> float | None:
    """Return the least number of solves after which a training has paid off in processor time."""
    found = [p["break_even_seconds"] for v in c["cost"].values() for p in v["peers"].values()]
    return min((solves for solves in found if solves is not None), default=None)

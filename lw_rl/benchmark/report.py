"""What was measured, as numbers: statistics, costs, and the JSON document that holds it all."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..problems import ENTROPY
from ..provenance import versions
from ..schemes import make_policy
from .measure import depthwise_name
from .solves import POPS_TOL, TARGET, THRESHOLDS, Result, Solve

#: Version of the layout of the JSON document.
FORMAT = 1

_PACKAGES = ("lw-rl", "lightweaver", "numpy", "scipy")


def label(threshold: float) -> str:
    """Return a threshold as tables and JSON keys write it, e.g. ``"1e-3"``."""
    return f"1e{round(np.log10(threshold)):d}"


def peer_names(results: Sequence[Result]) -> list[str]:
    """Return the names of the schemes in results, in the order of their first appearance."""
    return list(dict.fromkeys(s.peer for r in results for s in r.solves))


def _solves(results: Sequence[Result], name: str) -> list[Solve]:
    return [s for r in results for s in r.solves if s.peer == name]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def distribution(counts: Sequence[int | None]) -> dict[str, float | None]:
    """Return median, 90th and 99th percentile and worst of counts; None, in and out, is "never"."""
    values = np.array([np.inf if c is None else c for c in counts], dtype=float)
    # Of an even number the middle two are averaged only where both are finite.
    ranks = np.sort(values)
    middle = ranks[(ranks.size - 1) // 2], ranks[ranks.size // 2]
    return {
        "median": _finite(
            middle[0] + 0.5 * (middle[1] - middle[0]) if middle[0] < np.inf else np.inf
        ),
        "p90": _finite(np.percentile(values, 90, method="inverted_cdf")),
        "p99": _finite(np.percentile(values, 99, method="inverted_cdf")),
        "worst": _finite(values.max()),
    }


def statistics(results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Summarise the results of a suite, scheme by scheme.

    Returns
    -------
    statistics : dict
        By the scheme's name: ``formal_solutions`` (by threshold: median, p90, p99, worst; None if
        not reached), ``most_over_anderson10`` (the largest number of formal solutions more than
        Anderson (10) on one problem, by threshold; None without it), ``seconds`` (median and worst
        of the wall time), ``failed``, ``false_stops``, ``elsewhere``, ``problems``.
    """
    summary: dict[str, dict[str, Any]] = {}
    for name in peer_names(results):
        solves = _solves(results, name)
        seconds = [s.seconds for s in solves if s.seconds is not None]
        summary[name] = {
            "problems": len(solves),
            "formal_solutions": {
                label(t): distribution([s.to(t) for s in solves]) for t in THRESHOLDS
            },
            "most_over_anderson10": {label(t): _excess(results, name, t) for t in THRESHOLDS},
            "seconds": {"median": float(np.median(seconds)), "worst": max(seconds)}
            if seconds
            else None,
            "failed": sum(s.failed for s in solves),
            "false_stops": sum(s.false_stop for s in solves),
            "elsewhere": sum(s.elsewhere is not None for s in solves),
        }
    return summary


def _excess(results: Sequence[Result], name: str, threshold: float) -> float | None:
    """Return by how many formal solutions a scheme exceeds Anderson (10) at most."""
    most = -np.inf
    for r in results:
        found = {s.peer: s.to(threshold) for s in r.solves if s.peer in (name, "anderson10")}
        if len(found) == 2 and found["anderson10"] is not None:
            mine = found[name]
            most = max(most, np.inf if mine is None else mine - found["anderson10"])
    return _finite(most)


def solve_as_dict(solve: Solve, with_errors: bool = True) -> dict[str, Any]:
    """Return a solve as JSON-ready values."""
    fields: dict[str, Any] = {
        "setting": solve.setting,
        "formal_solutions": {label(t): solve.to(t) for t in THRESHOLDS},
        "stop": solve.stop,
        "stop_error": solve.stop_error,
        "seconds": solve.seconds,
        "rejected": solve.rejected,
        "failed": solve.failed,
        "false_stop": solve.false_stop,
        "failure": solve.failure,
        "elsewhere": solve.elsewhere,
    }
    if with_errors:
        # Three figures are what a figure shows; more would only make the file large.
        fields["errors"] = [_finite(float(f"{e:.3g}")) for e in solve.errors]
    return fields


def result_as_dict(result: Result, with_errors: bool = True) -> dict[str, Any]:
    """Return a problem's result as JSON-ready values."""
    return {
        "problem": {**asdict(result.problem), "Nspace": result.Nspace},
        "reference_change": result.reference_change,
        "solves": {s.peer: solve_as_dict(s, with_errors) for s in result.solves},
    }


def policy_costs(
    policies: Sequence[Any], suites: Mapping[str, Sequence[Result]]
) -> dict[str, dict[str, Any]]:
    """Return what each policy's training cost, and after how many solves that is earned back.

    Parameters
    ----------
    policies : sequence of str, path-like or Policy
        As for :func:`lw_rl.benchmark.measure.peers`.
    suites : mapping of str to sequence of Result
        Results by suite.

    Returns
    -------
    costs : dict
        By the scheme's name: ``training_formal_solutions`` (from the policy's
        card, None if it does not say) and ``break_even_solves``, by suite: that number over the
        mean of the formal solutions saved against Anderson (10) to the target error; None if none
        are saved.
    """
    costs: dict[str, dict[str, Any]] = {}
    for policy in policies:
        name = depthwise_name(policy)
        card = getattr(make_policy(policy), "card", {})
        spent = card.get("training_formal_solutions")
        costs[name] = {
            "training_formal_solutions": spent,
            "break_even_solves": {
                suite: _break_even(spent, results, name) for suite, results in suites.items()
            },
        }
    return costs


def _break_even(spent: float | None, results: Sequence[Result], name: str) -> int | None:
    saved = []
    for r in results:
        counts = [s.to(TARGET) for peer in ("anderson10", name) for s in r.solves if s.peer == peer]
        if len(counts) == 2 and counts[0] is not None and counts[1] is not None:
            saved.append(counts[0] - counts[1])
    if spent is None or not saved or np.mean(saved) <= 0.0:
        return None
    return int(np.ceil(spent / np.mean(saved)))


def cost_lines(costs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the costs of :func:`policy_costs` as sentences."""
    lines = []
    for name, cost in costs.items():
        spent = cost["training_formal_solutions"]
        if spent is None:
            lines.append(f"{name}: the policy's card does not say what its training cost")
            continue
        lines.append(f"{name}: training took {spent:,} formal solutions")
        for suite, solves in cost["break_even_solves"].items():
            after = "never" if solves is None else f"after {solves:,} solves"
            lines.append(f"  earned back against Anderson (10) on {suite}: {after}")
    return lines


def document(command: str, suites: Mapping[str, Sequence[Result]], **more: Any) -> dict[str, Any]:
    """Return everything about a run of the benchmark as JSON-ready values.

    Parameters
    ----------
    command : str
        The command that made it.
    suites : mapping of str to sequence of Result
        Results by suite.
    **more
        Further entries.
    """
    return {
        "format": FORMAT,
        "command": command,
        "versions": versions(),
        "platform": f"{sys.platform} {platform.machine()}",
        "entropy": ENTROPY,
        "start": "LTE",
        "Nrays": 5,
        "Nthreads": 1,
        "popsTol": POPS_TOL,
        "seconds_to": TARGET,
        **more,
        "suites": {
            name: {
                "statistics": statistics(results),
                "problems": [result_as_dict(r) for r in results],
            }
            for name, results in suites.items()
        },
    }

"""What was measured, as numbers: statistics, costs, and the JSON document that holds it all."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ..files import Json, versions
from ..policies import card_of, make_policy
from ..policies.base import PolicyLike
from ..problems import ENTROPY
from .peers import depthwise_name
from .solves import (
    POPS_TOL,
    TARGET,
    THRESHOLDS,
    PeerSolve,
    ProblemResult,
    thresholds_of,
)

__all__ = [
    "FORMAT",
    "cost_lines",
    "distribution",
    "document",
    "label",
    "peer_names",
    "policy_costs",
    "read_solve",
    "result_as_dict",
    "solve_as_dict",
    "statistics",
]

#: Version of the layout of the JSON document.
FORMAT = 3

Results = Sequence[ProblemResult]


def label(threshold: float) -> str:
    """Return a threshold as tables and JSON keys write it, e.g. ``"1e-3"``."""
    return f"1e{round(np.log10(threshold)):d}"


def peer_names(results: Results) -> list[str]:
    """Return the names of the schemes in results, in the order of their first appearance."""
    return list(dict.fromkeys(s.peer for r in results for s in r.solves))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def distribution(counts: Sequence[float | None]) -> dict[str, float | None]:
    """Return median, 90th and 99th percentile and worst of counts; None, in and out, is "never"."""
    ranks = np.sort([np.inf if c is None else c for c in counts])
    low, high = ranks[(ranks.size - 1) // 2], ranks[ranks.size // 2]
    return {
        # Of an even number the middle two are averaged, unless that would be inf - inf.
        "median": _finite(low + 0.5 * (high - low) if low < np.inf else np.inf),
        "p90": _finite(np.percentile(ranks, 90, method="inverted_cdf")),
        "p99": _finite(np.percentile(ranks, 99, method="inverted_cdf")),
        "worst": _finite(ranks[-1]),
    }


def statistics(results: Results) -> dict[str, Json]:
    """Summarise the results of a suite, scheme by scheme.

    Returns
    -------
    statistics : dict
        By the scheme's name: ``problems``; ``formal_solutions`` (by threshold: median, p90, p99,
        worst; None if not reached); ``most_over_anderson10`` (the largest number of formal
        solutions more than Anderson (10) on one problem, by threshold; None without it);
        ``seconds`` (median and worst of the wall time [s]); ``seconds_in_iterations`` (the same
        over that of an iteration of MALI, where it was measured); and how many ``failed``, stopped
        with an error above the tolerance (``false_convergence``), converged to another solution
        than the reference (``other_fixed_point``).
    """
    return {name: _summary(results, name) for name in peer_names(results)}


def _summary(results: Results, name: str) -> Json:
    solves = [s for r in results for s in r.solves if s.peer == name]
    counted = thresholds_of(results)
    return {
        "problems": len(solves),
        "formal_solutions": {label(t): distribution([s.to(t) for s in solves]) for t in counted},
        "most_over_anderson10": {label(t): _excess(results, name, t) for t in counted},
        "stop": distribution([s.stop for s in solves]),
        "with_sub_iterations": distribution([s.stop_cost for s in solves])
        if any(s.swept for s in solves)
        else None,
        # What never stops takes for ever.
        "seconds": distribution([s.seconds for s in solves])
        if any(s.seconds is not None for s in solves)
        else None,
        "seconds_in_iterations": distribution([s.seconds_in_iterations for s in solves])
        if any(s.seconds_in_iterations is not None for s in solves)
        else None,
        "failed": sum(s.failed for s in solves),
        "false_convergence": sum(s.false_convergence for s in solves),
        "other_fixed_point": sum(s.other_fixed_point is not None for s in solves),
    }


def _excess(results: Results, name: str, threshold: float) -> float | None:
    """Return by how many formal solutions a scheme exceeds Anderson (10) at most."""
    most = -np.inf
    for theirs, mine in _pairs(results, name, threshold):
        if theirs is not None:
            most = max(most, np.inf if mine is None else mine - theirs)
    return _finite(most)


def _pairs(results: Results, name: str, threshold: float) -> list[tuple[int | None, int | None]]:
    """Return formal solutions of Anderson (10) and of a scheme, where both were measured."""
    counts = [{s.peer: s.to(threshold) for s in r.solves} for r in results]
    return [(c["anderson10"], c[name]) for c in counts if len({"anderson10", name} & c.keys()) == 2]


def solve_as_dict(solve: PeerSolve, with_errors: bool = True) -> Json:
    """Return a solve as JSON-ready values."""
    fields: Json = {
        "setting": solve.setting,
        "formal_solutions": {label(t): solve.to(t) for t in THRESHOLDS},
        "stop": solve.stop,
        "stop_error": solve.stop_error,
        "popsTol": solve.popsTol,
        "seconds": solve.seconds,
        "formal_seconds": solve.formal_seconds,
        "measured": solve.measured,
        "rejected": solve.rejected,
        "failed": solve.failed,
        "false_convergence": solve.false_convergence,
        "failure": solve.failure,
        "other_fixed_point": solve.other_fixed_point,
    }
    if solve.swept:
        fields["with_sub_iterations"] = {
            **{label(t): solve.cost(t) for t in THRESHOLDS},
            "stop": solve.stop_cost,
        }
        fields["swept"] = solve.swept
    if with_errors:
        # Three figures are what a figure shows; more would only make the file large.
        fields["errors"] = [_finite(float(f"{e:.3g}")) for e in solve.errors]
    return fields


def read_solve(peer: str, fields: Mapping[str, Any]) -> PeerSolve:
    """Return a solve as :func:`solve_as_dict` wrote it, without its sub-iterations.

    Parameters
    ----------
    peer : str
        The scheme.
    fields : mapping
        With its errors.

    Raises
    ------
    KeyError, TypeError
        If there is no such thing in them.
    """
    names = (
        "setting", "stop", "stop_error", "seconds", "formal_seconds", "measured", "rejected",
        "failure", "other_fixed_point", "popsTol",
    )  # fmt: skip
    errors = tuple(np.inf if e is None else float(e) for e in fields["errors"])
    return PeerSolve(peer=peer, errors=errors, **{name: fields[name] for name in names})


def result_as_dict(result: ProblemResult, with_errors: bool = True) -> Json:
    """Return a problem's result as JSON-ready values."""
    return {
        "problem": {**asdict(result.problem), "Nspace": result.Nspace},
        "reference_change": result.reference_change,
        "reference_starts": result.reference_starts,
        "reference_plain": result.reference_plain,
        "solves": {s.peer: solve_as_dict(s, with_errors) for s in result.solves},
    }


def policy_costs(policies: Sequence[PolicyLike], suites: Mapping[str, Results]) -> dict[str, Json]:
    """Return what each policy's training cost, and after how many solves that is earned back.

    Parameters
    ----------
    policies : sequence of str, path-like or Policy
        As for :func:`lw_rl.benchmark.peers.peers`.
    suites : mapping of str to sequence of ProblemResult
        Results by suite.

    Returns
    -------
    costs : dict
        By the scheme's name: ``training_formal_solutions`` (from the policy's card, None if it
        does not say) and ``break_even_solves``, by suite: that number over the mean of the formal
        solutions saved against Anderson (10) to the target error; None if none are saved.
    """
    costs: dict[str, Json] = {}
    for policy in policies:
        name = depthwise_name(policy)
        spent = card_of(make_policy(policy)).get("training_formal_solutions")
        costs[name] = {
            "training_formal_solutions": spent,
            "break_even_solves": {
                suite: _break_even(spent, results, name) for suite, results in suites.items()
            },
        }
    return costs


def _break_even(spent: float | None, results: Results, name: str) -> int | None:
    saved = [
        theirs - mine
        for theirs, mine in _pairs(results, name, TARGET)
        if theirs is not None and mine is not None
    ]
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


def document(command: str, suites: Mapping[str, Results], **more: Any) -> Json:
    """Return everything about a run of the benchmark as JSON-ready values.

    Parameters
    ----------
    command : str
        The command that made it.
    suites : mapping of str to sequence of ProblemResult
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
        "seconds_of": "the default call, to its own stop",
        **more,
        "suites": {
            name: {
                "statistics": statistics(results),
                "problems": [result_as_dict(r) for r in results],
            }
            for name, results in suites.items()
        },
    }

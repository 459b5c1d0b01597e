"""What `lw-rl cube-bench` measured, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["markdown", "sentences"]

#: Formal solutions per column below which versions of a policy do not differ.
_LEARNED = 0.05


def sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what a result file holds in words, one line for each finding.

    Parameters
    ----------
    document : mapping
        The result file, with any of the parts.
    """
    return [line for part, say in _SAY.items() if part in document for line in say(document[part])]


def markdown(document: Mapping[str, Any]) -> str:
    """Return the findings as a list in Markdown, with the commands that measured them."""
    commands = dict.fromkeys(document[part]["command"] for part in _SAY if part in document)
    said = "\n".join(f"- {line}." for line in sentences(document))
    return f"{said}\n\nMeasured by {', '.join(f'`{c}`' for c in commands)}."


def _truth(p: Mapping[str, Any]) -> list[str]:
    return [
        f"{p['cube']}: the true error is not above the estimate in {p['within_estimate']} of "
        f"{p['columns']} columns (worst error {p['worst_true_error']:.1e}, worst estimate "
        f"{p['worst_estimate']:.1e}; {p['mean_formal_solutions']:.1f} formal solutions each)"
    ]


def _column(p: Mapping[str, Any]) -> list[str]:
    return [
        f"One process, no Dask: {p['columns_per_second']:.1f} columns/s, "
        f"{p['column_ms']:.1f} ms a column, of which {p['context_ms']:.1f} ms for the context and "
        f"{p['rays_ms']:.1f} ms for the emergent rays ({p['mean_formal_solutions']:.2f} formal "
        "solutions each)"
    ]


def _split(p: Mapping[str, Any]) -> list[str]:
    """Return how much of the factor is the scheme's; older result files do not know."""
    if "prepared_pool" not in p:
        return []
    rate, times = p["prepared_pool"]["columns_per_second"], p["times_prepared_pool"]
    return [
        "The same pool with what does not belong to the scheme (symmetric profiles, a quadrature "
        f"found once, the emergent rays): {rate:.1f} columns/s, {times:.1f} times slower; so the "
        f"scheme's part is a factor {times:.1f}, that of the rest "
        f"{p['times_plain_pool'] / times:.1f}"
    ]


def _rate(p: Mapping[str, Any]) -> list[str]:
    plain, large, one, scaled = p["plain"], p["large"], p["one_worker"], p["scale"]
    memory = ", ".join(
        f"{max(p[name]['worker_peak_bytes']) / 1e6:.0f} MB at {p[name]['columns']}"
        for name in ("small", "middle", "large")
    )
    first = scaled["gives_way_first"]
    return [
        f"{large['columns']} columns on {large['workers']} workers: "
        f"{large['columns_per_second']:.1f} columns/s, {large['mean_formal_solutions']:.2f} formal "
        f"solutions each, {large['failed']} failed",
        f"A plain process pool around `iterate_ctx_se` at `popsTol={plain['popsTol']:.1e}`, the "
        f"largest that keeps a true error of 1e-3 (its {plain['worst_true_error']:.1e}, ours "
        f"{plain['policy_worst_true_error']:.1e}, on {plain['columns']} columns): "
        f"{plain['columns_per_second']:.1f} columns/s, {p['times_plain_pool']:.1f} times slower "
        f"(median of {len(p['rounds'])} rounds, as below)",
        *_split(p),
        f"One worker: {one['columns_per_second']:.1f} columns/s, {p['times_one_worker']:.2f} times "
        "slower",
        f"Peak memory of a worker: {memory} columns",
        f"Each column sends {scaled['per_column']['bytes_sent']} bytes, returns "
        f"{scaled['per_column']['bytes_returned']}, takes "
        f"{scaled['per_column']['bytes_on_disk']:.0f} on disk and "
        f"{scaled['per_column']['scheduler_transitions']:.2f} transitions of the scheduler",
        f"Extrapolated to {scaled['columns']:.0e} columns: {scaled['worker_hours']:.0f} "
        "worker hours, "
        f"{scaled['terabytes_on_disk']:.3g} TB in {scaled['files']} files. The {first} is the "
        f"bottleneck, beyond {scaled['workers_fed_by'][first]:.0f} workers, where it takes "
        f"{scaled['hours_at_that_many_workers']:.1f} h",
    ]


def _start(p: Mapping[str, Any]) -> list[str]:
    names = {
        "policy": "the scheme's own",
        "neighbour": "the neighbour's departure coefficients",
        "measured": "whichever was cheaper so far",
    }
    lines = []
    for cube in ("smooth", "shocks"):
        said = "; ".join(
            f"from {names[start]} {s['mean_formal_solutions']:.2f} formal solutions (worst "
            f"{s['worst_formal_solutions']}), {s['median_ms']:.1f} ms"
            for start, s in p[cube].items()
        )
        lines.append(f"Start, {'a smooth cube' if cube == 'smooth' else 'with shocks'}: {said}")
    return lines


def _kills(p: Mapping[str, Any]) -> list[str]:
    said = ", ".join(f"{who} {times}" for who, times in p["kills"].items())
    verdict = f"different in {', '.join(p['different'])}" if p["different"] else "identical"
    return [
        f"{sum(p['kills'].values())} kills on {p['columns']} columns ({said}): the output is "
        f"{verdict}"
    ]


def _learn(p: Mapping[str, Any]) -> list[str]:
    tried = p["learning"]
    taken = [t for t in tried if t["accepted"]]
    lines = [
        f"Learning on a cube with shocks, {p['columns']} columns: "
        f"{len(tried)} versions tried, {len(taken)} accepted"
        + "".join(
            f"; version {t['version']} {'accepted' if t['accepted'] else 'refused'} at "
            f"{t['before']:.2f} to {t['after']:.2f} formal solutions on held-out columns"
            for t in tried
        )
    ]
    for v in p["by_version"]:
        gain = v["frozen_mean_formal_solutions"] - v["mean_formal_solutions"]
        verdict = "fewer" if gain > _LEARNED else "more" if gain < -_LEARNED else "no difference"
        lines.append(
            f"Policy version {v['version']}: {v['mean_formal_solutions']:.2f} formal solutions on "
            f"{v['columns']} columns, a frozen policy {v['frozen_mean_formal_solutions']:.2f} on "
            f"the same" + (f": {verdict}" if v["version"] else "")
        )
    # Older result files do not hold it.
    if tried and all("formal_solutions" in t for t in tried):
        spent = sum(t["formal_solutions"] for t in tried)
        # At the rate of the last version.
        paid = f", which {spent / gain:.0f} columns pay back" if taken and gain > _LEARNED else ""
        lines.append(f"Learning itself took {spent} formal solutions, comparisons included{paid}")
    return lines


_SAY = {
    "truth": _truth,
    "column": _column,
    "rate": _rate,
    "start": _start,
    "kills": _kills,
    "learn": _learn,
}

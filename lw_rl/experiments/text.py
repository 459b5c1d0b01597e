"""How the reports word a number, a range, a verdict, a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from textwrap import fill
from typing import Any

Result = dict[str, Any]
Section = Callable[[Result, dict[str, str]], str]
"""From the result and the figures' file names to Markdown."""


def table(head: tuple[str, ...], rows: list[Any]) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def ablation_table(label: str, summary: dict[str, Any]) -> str:
    """Return the table of an entry made by `lw_rl.experiments.paper.summary`."""
    rows = [
        (
            k,
            error_span(v["true_error_halfway"]),
            error_span(v["true_error"]),
            span(v["residual_mse"]),
            str(v["true_error"]["n"]),
        )
        for k, v in summary["by"].items()
    ]
    return table((label, "true error halfway", "at the end", "residual MSE", "seeds"), rows)


def told(s: dict[str, Any], label: str) -> str:
    """Return which member of an ablation is best and which is worst."""
    best, worst = (s["by"][s[k]]["true_error"] for k in ("best", "worst"))
    return (
        f"the least median error is {error(best['median'])} ({label} {s['best']}), the largest "
        f"{error(worst['median'])} ({label} {s['worst']}); {apart(s)}."
    )


def apart(s: dict[str, Any]) -> str:
    """Say whether the seeds tell best and worst apart."""
    if s["told_apart"]:
        return "their quartile ranges do not overlap"
    return "these seeds do not tell them apart (quartile ranges overlap, or fewer than 3 seeds)"


def settings_that_differ(r: Result, name: str) -> str:
    """Return what an experiment sets, of the environment and of SAC, that is not the paper's."""
    runs = (r["sac"][n][0] for n in (name, "published"))
    ours, paper = ({**run["options"], **run["settings"]} for run in runs)
    return ", ".join(f"{k} = {v}" for k, v in ours.items() if v != paper.get(k))


def parameters(p: list[float] | None) -> str:
    """Return the parameters of a sigmoid, if there are any."""
    return "" if p is None else "(" + ", ".join(f"{x:.3g}" for x in p) + ")"


def verdict(agrees: bool) -> str:
    """Say whether a finding agrees with the paper."""
    return "agrees with the paper" if agrees else "does not agree with the paper"


def choose(condition: bool, yes: str, no: str) -> str:
    """Return the one text or the other."""
    return yes if condition else no


def count(value: int | None) -> str:
    """Return a number of formal solutions, or a dash for never."""
    return "-" if value is None else str(value)


def span(s: dict[str, Any]) -> str:
    """Return median and quartiles."""
    if s["median"] is None:
        return "none"
    return f"{s['median']:.3g} [{s['q25']:.3g}, {s['q75']:.3g}]"


def error(value: float | None) -> str:
    """Return a relative error as a reader would say it."""
    if value is None:
        return "none"
    if value < 1e-3:
        return f"{value:.1e}"
    digits = 2 if value < 0.1 else 3
    return f"{float(f'{100 * value:.{digits}g}'):,g} %"


def error_span(s: dict[str, Any]) -> str:
    """Return median and quartiles of a relative error."""
    return f"{error(s['median'])} [{error(s['q25'])}, {error(s['q75'])}]"


def solves(value: float | None) -> str:
    """Return a number of solves, or "never"."""
    return "never" if value is None else f"{value:,.0f}"


def assemble(sections: Iterable[Section], result: Result, figures: dict[str, str]) -> str:
    """Return a report, the sections one after the other."""
    return flow("\n\n".join(section(result, figures) for section in sections)) + "\n"


def flow(text: str) -> str:
    """Fill the paragraphs of Markdown, and leave headings, tables and figures as they are."""
    blocks = text.split("\n\n")
    return "\n\n".join(
        b
        if b.startswith(("#", "|", "!"))
        else fill(b, 100, break_on_hyphens=False, break_long_words=False)
        for b in blocks
    )

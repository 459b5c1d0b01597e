"""The tally of a soak: counts whose size does not depend on the number of problems."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import numpy as np
from rich.table import Table

from ..errors import LwRlError
from ..files import Json, plain, write_json
from .robustness import REFERENCE_SHARE
from .robustness_records import ProblemRecord, SolveRecord
from .tables import markdown_table, narrow_table

__all__ = ["FORMAT", "LEGEND", "Counts", "SoakFileError", "Tally", "load", "markdown", "tables"]

#: Version of the layout of the result file.
FORMAT = 2
#: Solves that are listed because something is wrong with them; all are counted.
_LISTED = 100
#: Edges of the histogram of log10(true error / estimate), so that quantiles survive a resume.
_EDGES = np.linspace(-4.0, 2.0, 121)


class SoakFileError(LwRlError, ValueError):
    """A result file that is not one of this soak."""


@dataclass
class Counts:
    """What one scheme, or one adversarial policy, did.

    Attributes
    ----------
    solves, converged, judged : int
        Solves, those that report convergence, and those of them with a reference.
    false_convergence : int
        True error above the tolerance.
    covered, within_5x : int
        True error not above the estimate (less the uncertainty of the reference); estimate not
        above five times the true error.
    bounded, bound_covered : int
        Stops with a bound, and those where the true error is not above it.
    compared, over_budget : int
        Solves where MALI did solve the problem, and those that took more than 1.1 times its formal
        solutions and 3.
    other_fixed_point : int
        Stops at another solution of the host's equations than the reference, judged by that one.
    unphysical, raised : int
        Unphysical populations left behind, exceptions.
    outcomes, methods : dict of str to int
        How the solves ended, and by which estimate they stopped.
    ratios : list of int
        Histogram of log10(true error / estimate).
    """

    solves: int = 0
    converged: int = 0
    judged: int = 0
    false_convergence: int = 0
    covered: int = 0
    within_5x: int = 0
    bounded: int = 0
    bound_covered: int = 0
    compared: int = 0
    over_budget: int = 0
    other_fixed_point: int = 0
    unphysical: int = 0
    raised: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    methods: dict[str, int] = field(default_factory=dict)
    ratios: list[int] = field(default_factory=lambda: [0] * (len(_EDGES) + 1))

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both."""
        both: Json = {}
        for name, mine in asdict(self).items():
            theirs = getattr(other, name)
            if isinstance(mine, dict):
                both[name] = dict(Counter(mine) + Counter(theirs))
            elif isinstance(mine, list):
                both[name] = [a + b for a, b in zip(mine, theirs, strict=True)]
            else:
                both[name] = mine + theirs
        return Counts(**both)

    def add(self, solve: SolveRecord, popsTol: float) -> list[str]:
        """Count a solve; return what is wrong with it."""
        wrong = []
        self.solves += 1
        self.outcomes[solve.outcome] = self.outcomes.get(solve.outcome, 0) + 1
        if not solve.physical:
            self.unphysical += 1
            wrong.append("unphysical")
        if solve.message:
            self.raised += 1
            wrong.append("raised")
        if np.isfinite(solve.budget):
            self.compared += 1
            if solve.over_budget:
                self.over_budget += 1
                wrong.append("over budget")
        if solve.converged:
            self.converged += 1
            self.methods[solve.method] = self.methods.get(solve.method, 0) + 1
            if solve.error is not None:
                wrong += self._judge(solve, solve.error, popsTol)
        return wrong

    def _judge(self, solve: SolveRecord, error: float, popsTol: float) -> list[str]:
        wrong = []
        self.judged += 1
        self.other_fixed_point += solve.other_fixed_point
        if error > popsTol:
            self.false_convergence += 1
            wrong.append("false convergence")
        least = error - REFERENCE_SHARE * popsTol
        self.covered += least <= solve.estimate
        self.within_5x += solve.estimate <= 5.0 * error
        ratio = np.log10(max(error, 1e-300) / solve.estimate)
        self.ratios[int(np.searchsorted(_EDGES, ratio))] += 1
        if solve.bound is not None:
            self.bounded += 1
            if least <= solve.bound:
                self.bound_covered += 1
            else:
                wrong.append("error above bound")
        return wrong


@dataclass
class Tally:
    """The result of a soak so far.

    Attributes
    ----------
    arguments : dict
        Of the soak (`lw_rl.benchmark.robustness.Soak`). A tally continues with the same only.
    done : int
        Problems that are counted: those of index 0 to ``done - 1``.
    no_reference : int
        Problems without a reference.
    entries : dict of str to Counts
        By what solved.
    offenders : list of dict
        The first of the solves with which something is wrong.
    seconds : float
        Processor time [s].
    command : str
        The command that made it.
    """

    arguments: Json
    done: int = 0
    no_reference: int = 0
    entries: dict[str, Counts] = field(default_factory=dict)
    offenders: list[Json] = field(default_factory=list)
    seconds: float = 0.0
    command: str = ""

    def add(self, record: ProblemRecord) -> None:
        """Count the solves of one problem."""
        self.done += 1
        self.seconds += record.seconds
        self.no_reference += not record.has_reference
        for solve in record.solves:
            counts = self.entries.setdefault(solve.entry, Counts())
            wrong = counts.add(solve, self.arguments["popsTol"])
            if wrong and len(self.offenders) < _LISTED:
                said = {k: v for k, v in asdict(solve).items() if v not in (None, "")}
                self.offenders.append({"problem": record.name, "wrong": wrong, **said})

    def as_dict(self) -> Json:
        """Return the tally as JSON-ready values."""
        return {"format": FORMAT, **plain(asdict(self), digits=None)}

    def save(self, path: Path, versions: dict[str, str]) -> None:
        """Write the tally in one step."""
        content = {"format": FORMAT, "versions": versions, **self.as_dict()}
        write_json(path, content, readable=True)


def load(path: Path, arguments: Json) -> Tally:
    """Read a tally to continue, or begin one if there is no such file.

    Raises
    ------
    SoakFileError
        If the file is not a soak's, or one of another format or of other arguments.
    """
    if not path.exists():
        return Tally(arguments)
    try:
        found = json.loads(path.read_bytes())
        layout, entries = found.get("format", 1), found["entries"]
    except (ValueError, KeyError, AttributeError) as err:
        raise SoakFileError(f"{path} is not the result file of a soak: {err}") from err
    if layout != FORMAT:
        raise SoakFileError(
            f"{path} is a result file of format {layout}, this lw_rl has format {FORMAT}: give "
            "another --out, or continue with the lw_rl that wrote it"
        )
    try:
        tally = Tally(**{f.name: found[f.name] for f in fields(Tally)})
        tally.entries = {k: Counts(**v) for k, v in entries.items()}
    except (KeyError, TypeError, AttributeError) as err:
        raise SoakFileError(f"{path} is not the result file of a soak: {err}") from err
    if tally.arguments != arguments:
        raise SoakFileError(
            f"{path} is of another soak ({tally.arguments}, now {arguments}): give another --out"
        )
    return tally


def tables(tally: Tally) -> list[Table]:
    """Return the tally as tables for the terminal: how solves ended, and what estimates held."""
    title = f"{tally.done} problems, {tally.no_reference} without a reference"
    ends = narrow_table(
        title, "\nsolves", "con-\nverged", "\nfalse", "other\nfixed p.", "\nraised", first="entry"
    )
    held = narrow_table(
        "estimates", "covers\nerror", "within\n5x", "bound\ncovers", "over\nbudget", first="entry"
    )
    for name, e in sorted(tally.entries.items()):
        counts = (e.solves, e.converged, e.false_convergence, e.other_fixed_point)
        ends.add_row(name, *map(str, counts), str(e.raised + e.unphysical))
        shares = (
            (e.covered, e.judged), (e.within_5x, e.judged), (e.bound_covered, e.bounded),
        )  # fmt: skip
        over = f"{e.over_budget} of {e.compared}" if e.compared else "-"
        held.add_row(name, *(_share(*share).partition(" of")[0] for share in shares), over)
    return [ends, held]


#: What the columns of :func:`tables` mean.
LEGEND = (
    "false: true error above the tolerance; other fixed p.: converged to another solution of the "
    "host's equations than the reference; covers error: true error not above the estimate, or the "
    "bound; within 5x: estimate at most 5 times the true error; over budget: more than 1.1 x MALI "
    "+ 3 formal solutions"
)

_HEAD = (
    "scheme", "stops", "false convergence", "other fixed point", "estimate covers error",
    "within 5x", "bound covers error", "over budget",
)  # fmt: skip


def _cells(e: Counts) -> list[str]:
    return [
        f"{e.false_convergence:,}",
        f"{e.other_fixed_point:,}",
        _share(e.covered, e.judged),
        _share(e.within_5x, e.judged),
        _share(e.bound_covered, e.bounded),
        f"{e.over_budget:,} of {e.compared:,}" if e.compared else "-",
    ]


def markdown(tally: Tally) -> str:
    """Return the tally as a table in Markdown, all adversarial policies in one row."""
    rows: dict[str, Counts] = {}
    for name, counts in tally.entries.items():
        row = "depthwise, adversarial policies" if name.startswith("adversarial ") else name
        rows[row] = rows.get(row, Counts()) + counts
    broken = sum(e.raised + e.unphysical for e in tally.entries.values())
    return "\n".join(
        [
            markdown_table(
                _HEAD, [[name, f"{e.judged:,}", *_cells(e)] for name, e in sorted(rows.items())]
            ),
            "",
            f"{tally.done:,} problems, {tally.no_reference:,} without a reference; {broken} "
            f"exceptions or unphysical populations; `{tally.command}`, {tally.seconds / 60:.0f} "
            "minutes of one core.",
        ]
    )


def _share(part: int, whole: int) -> str:
    # Rounded down: 100 % is all of them.
    return f"{1000 * part // whole / 10:.1f} % of {whole:,}" if whole else "-"

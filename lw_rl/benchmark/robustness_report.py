"""The tally of a soak: counts that stay small, however many problems go into them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from ..errors import LwRlError
from ..files import write_atomically
from .robustness import REFERENCE_SHARE, Trial

#: Offenders that are listed by name; all are counted.
_LISTED = 100
#: Edges of the histogram of log10(true error / estimate), so that quantiles survive a resume.
_EDGES = np.linspace(-4.0, 2.0, 121)


class SoakFileError(LwRlError, ValueError):
    """A result file that is not one of this soak."""


@dataclass
class Entry:
    """Counts of what one scheme, or one hostile policy, did.

    Attributes
    ----------
    solves, converged, judged : int
        Solves, those that claim to have converged, and those of them with a reference.
    false : int
        True error above the tolerance.
    held, within : int
        True error not above the estimate (less what the reference may be wrong by); estimate not
        above five times the true error.
    bounded, bound_held : int
        Stops with a bound, and those where it is not below the true error.
    compared, dear : int
        Solves where MALI did solve the problem, and those that took more than 1.1 times as much
        and 3.
    elsewhere : int
        Stops at another solution of the host's equations than the reference, judged by that one.
    unphysical, raised : int
        Broken populations left behind, exceptions.
    outcomes, methods : dict of str to int
        How the solves ended, and by which estimate they stopped.
    ratios : list of int
        Histogram of log10(true error / estimate).
    """

    solves: int = 0
    converged: int = 0
    judged: int = 0
    false: int = 0
    held: int = 0
    within: int = 0
    bounded: int = 0
    bound_held: int = 0
    compared: int = 0
    dear: int = 0
    elsewhere: int = 0
    unphysical: int = 0
    raised: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    methods: dict[str, int] = field(default_factory=dict)
    ratios: list[int] = field(default_factory=lambda: [0] * (len(_EDGES) + 1))

    def __add__(self, other: Entry) -> Entry:
        """Return the counts of both."""
        both: dict[str, Any] = {}
        for name, mine in asdict(self).items():
            theirs = getattr(other, name)
            if isinstance(mine, dict):
                both[name] = dict(Counter(mine) + Counter(theirs))
            elif isinstance(mine, list):
                both[name] = [a + b for a, b in zip(mine, theirs, strict=True)]
            else:
                both[name] = mine + theirs
        return Entry(**both)

    def add(self, trial: Trial, popsTol: float) -> list[str]:
        """Count a trial; return what is wrong with it."""
        wrong = []
        self.solves += 1
        self.outcomes[trial.outcome] = self.outcomes.get(trial.outcome, 0) + 1
        if not trial.physical:
            self.unphysical += 1
            wrong.append("unphysical")
        if trial.message:
            self.raised += 1
            wrong.append("raised")
        if np.isfinite(trial.limit):
            self.compared += 1
            if trial.dear:
                self.dear += 1
                wrong.append("dear")
        if not trial.converged:
            return wrong
        self.converged += 1
        self.methods[trial.method] = self.methods.get(trial.method, 0) + 1
        if trial.error is None:
            return wrong
        self.judged += 1
        self.elsewhere += trial.elsewhere
        if trial.error > popsTol:
            self.false += 1
            wrong.append("false")
        least = trial.error - REFERENCE_SHARE * popsTol
        self.held += least <= trial.estimate
        self.within += trial.estimate <= 5.0 * trial.error
        ratio = np.log10(max(trial.error, 1e-300) / trial.estimate)
        self.ratios[int(np.searchsorted(_EDGES, ratio))] += 1
        if trial.bound is not None:
            self.bounded += 1
            if least <= trial.bound:
                self.bound_held += 1
            else:
                wrong.append("above bound")
        return wrong


@dataclass
class Tally:
    """The result of a soak so far.

    Attributes
    ----------
    arguments : dict
        Of the soak: seed, family, schemes, policy, tolerance. A tally goes on with the same only.
    done : int
        Problems that are counted: those of index 0 to ``done - 1``.
    no_reference : int
        Problems without a reference.
    entries : dict of str to Entry
        By what solved.
    offenders : list of dict
        The first of those that did something wrong.
    seconds : float
        Processor time [s].
    command : str
        The command that made it.
    """

    arguments: dict[str, Any]
    done: int = 0
    no_reference: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    offenders: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    command: str = ""

    def add(self, name: str, trials: list[Trial], known: bool, seconds: float = 0.0) -> None:
        """Count what was done with one problem, and the processor time that it took."""
        self.done += 1
        self.seconds += seconds
        self.no_reference += not known
        for trial in trials:
            wrong = self.entries.setdefault(trial.entry, Entry()).add(
                trial, self.arguments["popsTol"]
            )
            if wrong and len(self.offenders) < _LISTED:
                fields = {k: v for k, v in asdict(trial).items() if v not in (None, "")}
                self.offenders.append({"problem": name, "wrong": wrong, **fields})

    def save(self, path: Path, versions: dict[str, str]) -> None:
        """Write the tally in one step."""
        fields = {"versions": versions, **asdict(self)}
        write_atomically(path, (json.dumps(_finite(fields), indent=1) + "\n").encode())


def load(path: Path, arguments: dict[str, Any]) -> Tally:
    """Read a tally to go on with, or begin one if there is no such file.

    Raises
    ------
    SoakFileError
        If the file is not a soak's, or one of other arguments.
    """
    if not path.exists():
        return Tally(arguments)
    try:
        fields = json.loads(path.read_bytes())
        tally = Tally(**{k: fields[k] for k in Tally.__dataclass_fields__})
        tally.entries = {k: Entry(**v) for k, v in fields["entries"].items()}
    except (ValueError, KeyError, TypeError) as err:
        raise SoakFileError(f"{path} is not the result file of a soak: {err}") from err
    if tally.arguments != arguments:
        raise SoakFileError(
            f"{path} is of another soak ({tally.arguments}, now {arguments}): give another --out"
        )
    return tally


def table(tally: Tally) -> Table:
    """Return the tally as a table."""
    found = Table(
        title=f"{tally.done} problems, {tally.no_reference} without a reference",
        caption="false: true error above the tolerance; elsewhere: at another solution of the "
        "host's equations; held: not above the estimate; within: estimate at most 5x the error; "
        "dear: over 1.1 x MALI + 3 formal solutions",
    )
    found.add_column("entry")
    counts = ("solves", "converged", "false", "elsewhere")
    for name in (*counts, "held", "within", "bound held", "dear", "raised"):
        found.add_column(name, justify="right")
    for name, e in sorted(tally.entries.items()):
        found.add_row(
            name,
            str(e.solves),
            str(e.converged),
            str(e.false),
            str(e.elsewhere),
            _share(e.held, e.judged),
            _share(e.within, e.judged),
            _share(e.bound_held, e.bounded),
            f"{e.dear} of {e.compared}",
            str(e.raised + e.unphysical),
        )
    return found


def markdown(tally: Tally) -> str:
    """Return the tally as a table in Markdown, all hostile policies in one row."""
    rows: dict[str, Entry] = {}
    for name, entry in sorted(tally.entries.items()):
        if name.startswith("hostile "):
            rows["depthwise, hostile policies"] = (
                rows.get("depthwise, hostile policies", Entry()) + entry
            )
        else:
            rows[name] = entry
    head = ("scheme", "stops", "false", "elsewhere", "held", "within 5x", "bound held", "dear")
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    for name, e in rows.items():
        cells = (
            f"{e.judged:,}",
            f"{e.false:,}",
            f"{e.elsewhere:,}",
            _share(e.held, e.judged),
            _share(e.within, e.judged),
            _share(e.bound_held, e.bounded),
            f"{e.dear:,} of {e.compared:,}" if e.compared else "-",
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    broken = sum(e.raised + e.unphysical for e in tally.entries.values())
    lines += [
        "",
        f"{tally.done:,} problems, {tally.no_reference:,} without a reference; {broken} exceptions "
        f"or broken populations; `{tally.command}`, {tally.seconds / 60:.0f} minutes of one core.",
    ]
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    # Rounded down: 100 % is all of them.
    return f"{1000 * part // whole / 10:.1f} % of {whole:,}" if whole else "-"


def _finite(value: Any) -> Any:
    """Return a value for JSON, which has no infinities."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value

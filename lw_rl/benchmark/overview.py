"""What the package does on which kind of problem: one table and one figure from result files.

Nothing is measured here: what `lw-rl bench` and `lw-rl cube-bench` wrote is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import LwRlError
from ..files import Json
from .peers import LABELS
from .report import FORMAT, label, read_solve
from .solves import TARGET, PeerSolve
from .tables import markdown_table

__all__ = ["LEGEND", "Measured", "ResultFileError", "overview", "overview_markdown", "read"]

#: Suites of `lw_rl.problems.suite` in the order of the table, and what they are.
_KINDS = {
    "fal": "two-level line",
    "prd": "two-level line, partial redistribution",
    "grid": "two-level line, 41 to 656 depths",
    "moving": "two-level line, moving atmospheres",
    "photosphere": "two-level line, photospheres",
    "random": "two-level line, random atmospheres",
    "2d": "two-level line, two dimensions",
    "2d-grid": "two-level line, two dimensions, other grids",
    "2d-random": "two-level line, random planes",
    "gallery": "H + Ca II of Lightweaver's gallery",
    "atoms": "atoms with 6 to 11 levels",
    "atoms-grid": "Ca II with 6 levels, 41 to 328 depths",
    "atoms-random": "atoms with many levels, random atmospheres",
    "atoms-prd": "many levels, partial redistribution",
    "atoms-charge": "many levels, charge conserved",
}
#: The scheme of the default call, and what is not a peer of it.
_OURS, _HOST = "depthwise", "lightweaver to 1e-3"
_NO_PEERS = (_OURS, "nonlocal", "lightweaver", _HOST)


#: What the columns of :func:`overview` mean.
LEGEND = (
    f"Formal solutions to a true error of {label(TARGET)} from LTE, median of the problems; of "
    "lw_rl also the worst. Sub-iterations of partial redistribution count on the share of "
    "wavelengths that they sweep. Faster: wall time of iterate_ctx_se to the same true error over "
    "that of the default call, median."
)


class ResultFileError(LwRlError, ValueError):
    """A file that is no result file of `lw-rl bench` or `lw-rl cube-bench`."""


@dataclass(frozen=True)
class Measured:
    """One problem, as a result file has it.

    Attributes
    ----------
    name : str
        Of the problem.
    Nspace : int
        Number of depths.
    solves : tuple of PeerSolve
        One per peer.
    counts : dict
        Formal solutions to a true error of 1e-3 by peer, infinite if it never came there;
        sub-iterations of partial redistribution on the share of wavelengths that they sweep.
    """

    name: str
    Nspace: int
    solves: tuple[PeerSolve, ...]
    counts: dict[str, float]


def read(paths: Iterable[Path]) -> tuple[dict[str, list[Measured]], Json | None]:
    """Return the problems of every suite, and how fast cubes were, if that was measured.

    Of a suite that is in several files the one with most problems counts, or the last of those.

    Raises
    ------
    ResultFileError
        If a file is none of ours, or of another format.
    """
    suites: dict[str, list[Measured]] = {}
    cubes: Json | None = None
    for path in paths:
        try:
            found = json.loads(path.read_text())
            if "rate" in found:
                cubes = found["rate"]
                continue
            if found["format"] != FORMAT:
                raise ResultFileError(
                    f"{path} has format {found['format']}, this lw_rl reads {FORMAT}: measure "
                    f"again with `{found.get('command', 'lw-rl bench')}`"
                )
            for suite, entry in found["suites"].items():
                if len(entry["problems"]) >= len(suites.get(suite, ())):
                    suites[suite] = [_problem(p) for p in entry["problems"]]
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            if isinstance(err, ResultFileError):
                raise
            raise ResultFileError(
                f"{path} is no result file of lw-rl bench (bench.json) or lw-rl cube-bench"
            ) from err
    return suites, cubes


def _problem(fields: Mapping[str, Any]) -> Measured:
    solves = tuple(read_solve(peer, s) for peer, s in fields["solves"].items())
    made = {
        peer: s.get("with_sub_iterations", s["formal_solutions"])[label(TARGET)]
        for peer, s in fields["solves"].items()
    }
    counts = {peer: np.inf if count is None else float(count) for peer, count in made.items()}
    return Measured(fields["problem"]["name"], fields["problem"]["Nspace"], solves, counts)


def overview(suites: Mapping[str, list[Measured]], cubes: Json | None = None) -> list[list[str]]:
    """Return head and rows: formal solutions to a true error of 1e-3, and wall time.

    Parameters
    ----------
    suites : mapping of str to list of Measured
        Problems by suite.
    cubes : dict, optional
        The part ``rate`` of `lw-rl cube-bench`.
    """
    head = [
        "problem", "problems", "MALI", "best other", "lw_rl", "worst", "faster than iterate_ctx_se",
    ]  # fmt: skip
    rows = [_row(suite, suites[suite]) for suite in _KINDS if suite in suites]
    if cubes is not None:
        large = cubes["large"]
        rows.append(
            [
                "cube, columns of FAL-C", f"{large['columns']:,}", "-", "-",
                f"**{_counted(large['mean_formal_solutions'])}**", "-",
                f"{cubes['times_plain_pool']:.1f} x (process pool)",
            ]
        )  # fmt: skip
    return [head, *rows]


def overview_markdown(rows: list[list[str]]) -> str:
    """Return the rows of :func:`overview` as a table in Markdown, with what its columns mean."""
    return f"{markdown_table(rows[0], rows[1:])}\n\n{LEGEND}"


def _row(suite: str, problems: list[Measured]) -> list[str]:
    counts: dict[str, list[float]] = {}
    for problem in problems:
        for peer, count in problem.counts.items():
            counts.setdefault(peer, []).append(count)
    medians = {peer: float(np.median(made)) for peer, made in counts.items()}
    others = [peer for peer in medians if peer not in (*_NO_PEERS, "mali")]
    best = min(others, key=medians.__getitem__, default=None)
    ratios = [r for r in map(_speedup, problems) if r is not None]
    return [
        _KINDS[suite],
        str(len(problems)),
        _counted(medians.get("mali")),
        "-" if best is None else f"{_counted(medians[best])}, {LABELS.get(best, best)}",
        f"**{_counted(medians.get(_OURS))}**",
        _counted(max(counts.get(_OURS, [np.inf]))),
        f"{np.median(ratios):.1f} x" if ratios else "-",
    ]


def _speedup(problem: Measured) -> float | None:
    """Return how much longer the host's own call takes to the same true error."""
    seconds = {s.peer: s.seconds for s in problem.solves}
    theirs, ours = seconds.get(_HOST), seconds.get(_OURS)
    return None if theirs is None or ours is None else theirs / ours


def _counted(value: float | None) -> str:
    return "-" if value is None or not np.isfinite(value) else f"{round(value, 1):g}"

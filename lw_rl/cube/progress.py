"""How far a cube is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .store import Output

__all__ = ["Listener", "Progress", "progress_of"]


@dataclass
class Progress:
    """How far a cube is.

    Attributes
    ----------
    columns, total, failed : int
        Columns done, of how many, and how many of those failed.
    already : int
        Columns that were there when the run began.
    Nformal : int
        Formal solutions of the columns that converged.
    version : int
        Version of the policy that is sent out.
    workers : int
        Threads of the workers at the last look.
    in_flight : int
        Blocks sent and not back.
    note : str
        The last unusual event.
    seconds : float
        Wall time of the run so far [s].
    """

    columns: int = 0
    total: int = 0
    failed: int = 0
    already: int = 0
    Nformal: int = 0
    version: int = 0
    workers: int = 0
    in_flight: int = 0
    note: str = ""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Columns per second of this run; NaN before the first is back."""
        done = self.columns - self.already
        return done / self.seconds if done and self.seconds else float("nan")

    @property
    def left(self) -> float:
        """Seconds until all columns are done at this rate; NaN before the first is back."""
        return (self.total - self.columns) / self.rate

    @property
    def mean_Nformal(self) -> float:  # noqa: N802 (the count's name)
        """Formal solutions per converged column."""
        converged = self.columns - self.failed
        return self.Nformal / converged if converged else float("nan")


Listener = Callable[[Progress], None]


def progress_of(output: Output) -> Progress:
    """Return how far an output is that nobody works on."""
    done, failed, Nformal = output.totals()
    total = Output.columns(output.windows)
    return Progress(columns=done, total=total, failed=failed, already=done, Nformal=Nformal)

"""One column, in a worker: its context, its solution, and what becomes of a failure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np

from .. import atmospheres, atoms, schemes
from ..errors import AtmosphereError, LwRlError
from ..host.adapter import Adapter
from ..host.context import radiative_set
from ..host.state import LinePhysics
from ..iterate import solve
from ..result import Result
from .profile import with_symmetric_profiles
from .rays import Emergent, emergent
from .recorder import Recorder, Visited
from .settings import Settings

Array = np.ndarray

#: How a column ends, in the order of their codes; 0 stands for a column not solved yet.
OUTCOMES = (
    "pending",
    "converged",
    "invalid_atmosphere",
    "max_iterations",
    "diverged",
    "nonfinite",
    "error",
    "worker_lost",
)
#: Which scheme made the last step, in the order of their codes.
FINISHERS = ("none", *schemes.known(), "other")

#: What a column gets that its own scheme fails on, each from LTE.
_SAFER = ("anderson", "mali")
#: Iterations of the last of them.
_PATIENCE = 2000


@dataclass(frozen=True)
class Neighbour:
    """What a solved column tells the next one, arrays of shape [Nspace].

    Attributes
    ----------
    log_tau : Array
        Natural logarithm of the line-centre optical depth.
    departure : Array
        ln(S / B) of the line.
    """

    log_tau: Array
    departure: Array


@dataclass(frozen=True)
class Solved:
    """A column when it is done with.

    Attributes
    ----------
    outcome, finisher : str
        One of :data:`OUTCOMES` and of :data:`FINISHERS`.
    reason : str
        Why it failed, or why it took more than one attempt; else empty.
    attempts, Nformal : int
        Schemes tried, and formal solutions of all of them (the emergent rays not counted).
    estimate, seconds : float
        Estimate of the largest relative error of the populations; wall time [s], the context
        and the emergent rays included.
    line : Emergent or None
        The emergent line; None if the column failed.
    kept : Array or None
        Departure coefficients or populations [m-3], shape [Nlevel, Nspace].
    neighbour : Neighbour or None
        For the next column, if it is to begin here.
    visited : Visited or None
        The states visited, if they were recorded.
    """

    outcome: str
    finisher: str = "none"
    reason: str = ""
    attempts: int = 0
    Nformal: int = 0
    estimate: float = np.nan
    seconds: float = 0.0
    line: Emergent | None = None
    kept: Array | None = None
    neighbour: Neighbour | None = None
    visited: Visited | None = None


class Workshop:
    """What all columns of a cube share: radiative set, wavelength grid, quadrature, schemes.

    Parameters
    ----------
    settings : Settings
        What the cube is solved with.
    """

    def __init__(self, settings: Settings):
        self.settings = settings
        atom = with_symmetric_profiles(atoms.make(settings.line))
        self.radSet, self.spect = radiative_set(atom)
        self._quadrature: tuple[Array, Array] | None = None

    def context(self, column: dict[str, Array]) -> lw.Context:
        """Return the context of a column, the populations in LTE.

        Parameters
        ----------
        column : dict
            Keywords of :func:`lw_rl.atmospheres.from_arrays`.

        Raises
        ------
        AtmosphereError
            If no formal solution can be made for the column.
        """
        atmos = atmospheres.from_arrays(**column)
        if self._quadrature is None:
            atmos.quadrature(self.settings.Nrays)
            self._quadrature = np.array(atmos.muz), np.array(atmos.wmu)
        else:
            mu, wmu = self._quadrature
            atmos.quadrature(mu=mu, wmu=wmu)
        eqPops = self.radSet.compute_eq_pops(atmos)
        return lw.Context(atmos, self.spect, eqPops, Nthreads=1)

    @property
    def wavelength(self) -> Array:
        """Wavelengths of the line [nm], vacuum, shape [Nwave]."""
        return np.asarray(self.radSet.activeAtoms[0].lines[0].wavelength())

    @property
    def line_centre(self) -> float:
        """Wavelength of line centre [nm], vacuum."""
        return float(self.radSet.activeAtoms[0].lines[0].lambda0)

    def _attempts(self) -> list[str]:
        first = self.settings.scheme
        safer = _SAFER[_SAFER.index(first) + 1 :] if first in _SAFER else _SAFER
        return [first, *safer]

    def solve(
        self,
        column: dict[str, Array],
        policy: Any = None,
        neighbour: Neighbour | None = None,
        record: bool = False,
    ) -> Solved:
        """Solve a column; whatever happens, there is an answer.

        Parameters
        ----------
        column : dict
            Keywords of :func:`lw_rl.atmospheres.from_arrays`.
        policy : object, optional
            The policy of the scheme, if that has one.
        neighbour : Neighbour, optional
            Where the first attempt begins instead of where the scheme does by itself.
        record : bool, optional
            Whether to return the states visited (default: False).
        """
        start = perf_counter()
        outcome, Nformal = "error", 0
        reasons: list[str] = []
        attempts = self._attempts()
        along = None
        for k, name in enumerate(attempts):
            try:
                ctx = self.context(column)
                guarded = schemes.make_scheme(name, policy if k == 0 else "default")
                if self.settings.start != "policy":
                    along = _begin_at(ctx, neighbour if k == 0 else None)
                recorder = Recorder(ctx) if record and k == 0 else None
                last = k == len(attempts) - 1
                result = solve(
                    ctx,
                    scheme=guarded,
                    callback=recorder,
                    # It would take a fifth of the time of a column, and nothing stops by it.
                    bound=False,
                    popsTol=self.settings.popsTol,
                    NmaxIter=_PATIENCE if last else self.settings.NmaxIter,
                    quiet=True,
                )
                Nformal += result.Nformal
                if result.outcome == "interrupted":
                    raise KeyboardInterrupt
                if result.converged:
                    return self._answer(
                        ctx, column, result, k + 1, Nformal, start, reasons, recorder, along
                    )
                outcome, reason = result.outcome, f"after {result.Nformal} formal solutions"
            except AtmosphereError as err:
                return Solved("invalid_atmosphere", reason=str(err), seconds=perf_counter() - start)
            except Exception as err:  # the cube goes on, whatever it was
                outcome, reason = "error", str(err)
                if not isinstance(err, LwRlError):
                    reason = f"{type(err).__name__}: {err}"
            reasons.append(f"{name}: {outcome}: {reason}")
        return Solved(
            outcome,
            reason="; ".join(reasons),
            attempts=len(attempts),
            Nformal=Nformal,
            seconds=perf_counter() - start,
        )

    def _answer(
        self,
        ctx: lw.Context,
        column: dict[str, Array],
        result: Result,
        attempts: int,
        Nformal: int,
        start: float,
        reasons: list[str],
        recorder: Recorder | None,
        along: LinePhysics | None,
    ) -> Solved:
        settings = self.settings
        line = emergent(ctx, settings.mus, settings.tau_one)
        if not np.all(np.isfinite(line.intensity)):
            raise ArithmeticError("the emergent intensity is not finite")
        adapter = Adapter(ctx)
        n = adapter.populations()[0]
        kept = None
        if settings.keep != "none":
            kept = n if settings.keep == "populations" else n / adapter.lte_populations()[0]
        by = result.records[-1].by
        return Solved(
            "converged",
            finisher=by if by in FINISHERS else "other",
            reason="; ".join(reasons),
            attempts=attempts,
            Nformal=Nformal,
            estimate=result.estimate.value,
            seconds=perf_counter() - start,
            line=line,
            kept=kept,
            neighbour=None
            if along is None
            else Neighbour(along.log_tau, adapter.read() - along.log_B),
            visited=recorder.visited(column) if recorder is not None else None,
        )


@cache
def workshop(settings: Settings, thread: int) -> Workshop:
    """Return the workshop of a thread, made once: the host's objects are not for two at a time."""
    return Workshop(settings)


def _begin_at(ctx: lw.Context, neighbour: Neighbour | None) -> LinePhysics:
    """Start a column from its neighbour's departure coefficients at equal optical depth.

    Returns
    -------
    physics : LinePhysics
        The line's physics in LTE, whose optical depth all columns are compared by.
    """
    adapter = Adapter(ctx)
    physics = adapter.line_physics(adapter.blocks[0])
    if neighbour is not None:
        departure = np.interp(physics.log_tau, neighbour.log_tau, neighbour.departure)
        adapter.write(physics.log_B + departure)
    return physics

"""One column, in a worker: its context, its solution, and what becomes of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import lightweaver as lw
import numpy as np
from lightweaver.atomic_model import AtomicModel

from .. import atmospheres, schemes
from ..analysis.refine import refine
from ..arrays import Array
from ..errors import AtmosphereError, LwRlError, PopulationsError
from ..host.adapter import Adapter
from ..host.context import radiative_set
from ..host.names import Named
from ..host.state import LinePhysics
from ..iterate import solve
from ..policies.base import Policy
from ..result import Result
from ..schemes import Scheme
from .lines import KeptLine, choose
from .profile import with_symmetric_profiles
from .rays import Emergent, emergent
from .recorder import StateRecorder, VisitedStates
from .settings import CubeSettings

__all__ = ["FINISHERS", "OUTCOMES", "Neighbour", "Solved", "Workshop", "workshop"]


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
    "rounding",
)
#: Which scheme made the last step, in the order of their codes.
FINISHERS = ("none", *schemes.known(), "other")

#: What is tried on a column that its own scheme fails on, each from LTE.
_SAFER = ("anderson", "mali")
#: The same on atoms with many levels, where what scatters in the background is slowest.
_SAFER_LEVELS = ("mali_scattering",)


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
    """What came of a column.

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
        The emergent lines; None if the column failed.
    kept : Array or None
        Departure coefficients or populations [m-3], shape [Nlevel, Nspace], the levels of several
        atoms one after another.
    neighbour : Neighbour or None
        For the next column, if it is to begin here.
    visited : VisitedStates or None
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
    visited: VisitedStates | None = None


class Workshop:
    """What all columns of a cube share: radiative set, wavelength grid, quadrature, schemes.

    Parameters
    ----------
    settings : CubeSettings
        What the cube is solved with.
    patience : int, optional
        Iterations of the last attempt at a column (default: 2000).
    models : mapping, optional
        Models of the user's own among the active atoms (`lw_rl.cube.lines.named_atoms`).

    Attributes
    ----------
    lines : tuple of KeptLine
        The lines whose light is kept, by wavelength.
    two_level : bool
        Whether one two-level atom is active: only then are the neighbour's start, and learning.
    elements : dict
        Number of levels of every active atom, by element, in the order in which they are kept.
    levels : list of str
        Their names.

    Raises
    ------
    UnknownNameError, CubeSettingsError, ContextError
        If there is no such atom or line, or the atoms cannot be active together.
    """

    def __init__(
        self,
        settings: CubeSettings,
        patience: int = 2000,
        models: Mapping[str, AtomicModel] | None = None,
    ):
        self.settings = settings
        self.patience = patience
        chosen = choose(settings.line, settings.atoms, settings.lines, models)
        self.lines: tuple[KeptLine, ...] = chosen.lines
        self.two_level = chosen.two_level
        self.radSet, self.spect = radiative_set(*map(with_symmetric_profiles, chosen.atoms))
        self.elements = {
            str(atom.element.name): len(atom.levels) for atom in Named(self.radSet).active_atoms
        }
        self.levels = [
            " ".join(level.label.split())
            for atom in Named(self.radSet).active_atoms
            for level in atom.levels
        ]
        grid = np.asarray(self.spect.wavelength)
        self._kept = np.zeros(grid.shape, dtype=bool)
        for line in self.lines:
            near = 1e-9 * line.lambda0
            self._kept |= (grid >= line.blue - near) & (grid <= line.red + near)
        self._quadrature: tuple[Array, Array] | None = None
        self._made: tuple[str, Policy | None, Scheme] | None = None

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
        atmos = atmospheres.from_arrays(**{"ne": None, **column})
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
        """Wavelengths that the light is kept at [nm], vacuum, shape [Nwave]."""
        if self.settings.wavelengths:
            return np.array(self.settings.wavelengths)
        return np.asarray(self.spect.wavelength)[self._kept]

    @property
    def line_centre(self) -> float:
        """Wavelength of the first line's centre [nm], vacuum."""
        return self.lines[0].lambda0

    def _scheme(self, name: str, policy: Policy | None) -> Scheme:
        """Return a scheme, the same as for the column before where that had the same policy."""
        made = self._made
        if made is None or made[0] != name or made[1] is not policy:
            scheme = schemes.make_scheme(name, "default" if policy is None else policy)
            made = self._made = name, policy, scheme
        return made[2]

    def _attempts(self) -> list[str]:
        first = self.settings.scheme
        safer = _SAFER if self.two_level else _SAFER_LEVELS
        return [first, *(safer[safer.index(first) + 1 :] if first in safer else safer)]

    def solve(
        self,
        column: dict[str, Array],
        policy: Policy | None = None,
        neighbour: Neighbour | None = None,
        record: bool = False,
        given: dict[str, Any] | None = None,
    ) -> Solved:
        """Solve a column; whatever happens, there is an answer.

        Parameters
        ----------
        column : dict
            Keywords of :func:`lw_rl.atmospheres.from_arrays`.
        policy : Policy, optional
            The policy of the scheme, if that has one.
        neighbour : Neighbour, optional
            Where the first attempt begins instead of where the scheme does by itself.
        record : bool, optional
            Whether to return the states visited (default: False).
        given : dict, optional
            Keywords of :func:`lw_rl.refine`: populations that the first attempt begins with.
            Where they are no populations of the column it begins without, and the reason says so.
        """
        start = perf_counter()
        Nformal = 0
        outcome: str
        reasons: list[str] = []
        attempts = self._attempts()
        for k, name in enumerate(attempts):
            try:
                ctx = self.context(column)
                # Only the scheme that was asked for takes the policy, and the neighbour's start.
                scheme = self._scheme(name, None if k else policy)
                physics = self._begin(ctx, None if k else neighbour)
                recorder = StateRecorder(ctx) if record and self.two_level and k == 0 else None
                last = k == len(attempts) - 1
                how: dict[str, Any] = dict(
                    scheme=scheme,
                    callback=recorder,
                    # It would take a fifth of the time of a column, and nothing stops by it.
                    bound=False,
                    popsTol=self.settings.popsTol,
                    NmaxIter=self.patience if last else self.settings.NmaxIter,
                    quiet=True,
                )
                try:
                    result = solve(ctx, **how) if given is None else refine(ctx, **given, **how)
                except PopulationsError as err:
                    reasons.append(f"not begun with the populations given: {err}")
                    result = solve(ctx, **how)
                given = None
                Nformal += result.Nformal
                if result.outcome == "interrupted":
                    raise KeyboardInterrupt
                if result.converged:
                    solved = self._answer(ctx, result, physics)
                    if recorder is not None:
                        solved = replace(solved, visited=recorder.visited(column))
                    break
                outcome, reason = result.outcome, f"after {result.Nformal} formal solutions"
            except AtmosphereError as err:
                return Solved("invalid_atmosphere", reason=str(err), seconds=perf_counter() - start)
            except Exception as err:  # the cube goes on, whatever it was
                outcome, reason = "error", str(err)
                if not isinstance(err, LwRlError):
                    reason = f"{type(err).__name__}: {err}"
            reasons.append(f"{name}: {outcome}: {reason}")
            solved = Solved(outcome)
        return replace(
            solved,
            reason="; ".join(reasons),
            attempts=k + 1,
            Nformal=Nformal,
            seconds=perf_counter() - start,
        )

    def _begin(self, ctx: lw.Context, neighbour: Neighbour | None) -> LinePhysics | None:
        """Start a column from its neighbour's departure coefficients at equal optical depth.

        Returns
        -------
        physics : LinePhysics or None
            The line's physics in LTE, by whose optical depth all columns are compared; None where
            columns do not begin at their neighbours.
        """
        if self.settings.start not in ("neighbour", "measured") or not self.two_level:
            return None
        adapter = Adapter(ctx)
        physics = adapter.line_physics(adapter.blocks[0])
        if neighbour is not None:
            departure = np.interp(physics.log_tau, neighbour.log_tau, neighbour.departure)
            adapter.write(physics.log_B + departure)
        return physics

    def _answer(self, ctx: lw.Context, result: Result, physics: LinePhysics | None) -> Solved:
        """Return what leaves a converged column, and what is kept of it."""
        settings = self.settings
        line = emergent(
            ctx, settings.mus, settings.tau_one, self._kept, settings.wavelengths, settings.stokes
        )
        if not np.all(np.isfinite(line.intensity)):
            raise ArithmeticError("the emergent intensity is not finite")
        adapter = Adapter(ctx)
        kept = None
        if settings.keep != "none":
            kept = adapter.levels()
            if settings.keep == "departure":
                kept /= np.concatenate(adapter.lte_populations())
        neighbour = None
        if physics is not None:
            neighbour = Neighbour(physics.log_tau, adapter.read() - physics.log_B)
        by = result.records[-1].by
        return Solved(
            "converged",
            finisher=by if by in FINISHERS else "other",
            estimate=result.estimate.value,
            line=line,
            kept=kept,
            neighbour=neighbour,
        )


_WORKSHOPS: dict[tuple[CubeSettings, int], Workshop] = {}


def workshop(
    settings: CubeSettings, thread: int, models: Mapping[str, AtomicModel] | None = None
) -> Workshop:
    """Return the workshop of a thread, made once: the host's objects are not for two at a time.

    Parameters
    ----------
    settings : CubeSettings
        The names of a user's own models in it have a digest of what they are.
    thread : int
        The thread's number.
    models : mapping, optional
        The user's own models.
    """
    key = settings, thread
    if key not in _WORKSHOPS:
        _WORKSHOPS[key] = Workshop(settings, models=models)
    return _WORKSHOPS[key]

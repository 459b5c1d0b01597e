"""What a cube is solved with: everything that the numbers of its output depend on."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np

from .. import schemes
from ..errors import CubeSettingsError, UnknownNameError
from ..files import Json
from .lines import check_line

__all__ = ["DATASET", "CubeSettings", "Keep", "Start", "as_plain", "differences"]

#: What is kept of a column's solution: departure coefficients, populations, or neither.
Keep = Literal["departure", "populations", "none"]
#: Where the iteration of a column begins: as the policy does by itself, at a solved neighbour, or
#: at whichever of them has needed fewer formal solutions in the same block.
Start = Literal["policy", "neighbour", "measured"]

#: What `start` says where populations were given as a dataset.
DATASET = "a dataset"

#: Settings that release 0.1 did not have.
_NEW = ("atoms", "lines", "wavelengths", "stokes")


@dataclass(frozen=True)
class CubeSettings:
    """Settings of a cube; two runs with equal settings make equal outputs.

    Parameters
    ----------
    line : str, optional
        The line of a two-level atom: one of ``lw_rl.atoms.known_lines()``, or an ion and a
        wavelength, ``"CaII 8542"`` (default: ``"CaII_K"``). Without a meaning where `atoms` or
        `lines` are given.
    atoms : sequence of str, optional
        The active atoms, by their names (`lw_rl.cube.lines.named_atoms`).
    lines : sequence of str, optional
        The lines whose light is kept (default: all of `atoms`); without `atoms` those are solved
        that the lines belong to, with all their levels.
    wavelengths : sequence of float, optional
        Vacuum wavelengths [nm] to keep the emergent intensity at, in the place of the lines' own.
    scheme : str, optional
        One of ``lw_rl.schemes.known()`` (default: ``"depthwise"``).
    policy : str, optional
        What the policy is recorded as: its name and a digest (`lw_rl.cube.cluster.policy_id`).
    mus : float or sequence of float, optional
        Cosines of the angles at which the emergent intensity is kept (default: disc centre).
    Nrays : int, optional
        Rays per hemisphere of the angle quadrature (default: 5).
    popsTol : float, optional
        Relative error of the populations at which a column is finished (default: 1e-3).
    NmaxIter : int, optional
        Iterations of one attempt at a column (default: 300).
    start : {"policy", "neighbour", "measured"} or path-like, optional
        Begin as the scheme does by itself, at the departure coefficients of the neighbour solved
        before in the same block, or as was cheaper so far in the block (`lw_rl.cube.starts`;
        ``lw-rl cube-bench --part start`` compares them); or a file of populations to begin with
        (`lw_rl.cube.given`). With ``"neighbour"`` and ``"measured"`` columns depend on their block,
        otherwise on nothing but themselves (default: ``"policy"``, which is seldom beaten: a line
        begins with its operator's own solution, and most end there).
    keep : {"departure", "populations", "none"}, optional
        What of the solution is kept at every depth (default: ``"departure"``).
    tau_one : bool, optional
        Keep the height at which tau = 1 for every wavelength (default: False).
    stokes : bool, optional
        Keep Stokes Q, U and V too, in the magnetic field of the cube; the populations are those
        without it (default: False).
    frozen : bool, optional
        Use one and the same policy throughout: no learning as it goes (default: False).

    Raises
    ------
    UnknownNameError, CubeSettingsError
        If a setting has no meaning; the message names it, its value and what is allowed.
    """

    line: str = "CaII_K"
    scheme: str = "depthwise"
    policy: str = "default"
    mus: tuple[float, ...] = (1.0,)
    Nrays: int = 5
    popsTol: float = 1e-3
    NmaxIter: int = 300
    start: str = "policy"
    keep: Keep = "departure"
    tau_one: bool = False
    frozen: bool = False
    atoms: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    wavelengths: tuple[float, ...] = ()
    stokes: bool = False

    def __post_init__(self) -> None:
        try:
            mus = tuple(map(float, np.atleast_1d(self.mus)))
            object.__setattr__(self, "mus", mus)
            object.__setattr__(self, "popsTol", float(self.popsTol))
            grid = np.unique(np.asarray(self.wavelengths, dtype=float))
            object.__setattr__(self, "wavelengths", tuple(map(float, grid)))
            for name in ("Nrays", "NmaxIter"):
                object.__setattr__(self, name, operator.index(getattr(self, name)))
        except (TypeError, ValueError) as err:
            raise CubeSettingsError(
                f"mus and popsTol are numbers, as wavelengths, Nrays and NmaxIter whole ones: {err}"
            ) from err
        for name in ("atoms", "lines"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        if not (self.atoms or self.lines):
            object.__setattr__(self, "line", check_line(self.line))
        if not all(0.0 < w < np.inf for w in self.wavelengths):
            raise CubeSettingsError("wavelengths must be positive and finite [nm]")
        if self.scheme not in schemes.known():
            raise UnknownNameError("scheme", self.scheme, schemes.known())
        if not self.mus or not all(0.0 < mu <= 1.0 for mu in self.mus):
            raise CubeSettingsError(f"mus must lie above 0 and up to 1, got {self.mus!r}")
        if len(set(self.mus)) < len(self.mus):
            raise CubeSettingsError(f"mus must differ from one another, got {self.mus!r}")
        if not 0.0 < self.popsTol < 1.0:
            raise CubeSettingsError(f"popsTol must lie between 0 and 1, got {self.popsTol!r}")
        for name in ("Nrays", "NmaxIter"):
            if getattr(self, name) < 1:
                raise CubeSettingsError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        object.__setattr__(self, "start", os.fspath(self.start))
        if self.start not in (*get_args(Start), DATASET) and not os.path.exists(self.start):
            allowed = (*get_args(Start), "the path of a file of populations")
            raise UnknownNameError("start", self.start, allowed)
        if self.keep not in get_args(Keep):
            raise UnknownNameError("keep", self.keep, get_args(Keep))

    @property
    def title(self) -> str:
        """What is solved, in a few words."""
        return ", ".join(self.lines or self.atoms) or self.line

    def to_json(self) -> str:
        """Return the settings as JSON, as the output's attributes carry them."""
        return json.dumps(asdict(self))


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """Return what differs between two sets of settings, one phrase for each difference."""
    return [
        f"{name} was {before.get(name)!r}, is {now.get(name)!r}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    ]


def as_plain(settings: CubeSettings) -> Json:
    """Return the settings as JSON would give them back (tuples become lists).

    Those that were not there in release 0.1 are left out where they say nothing, so that an output
    of that release can be gone on with.
    """
    plain: Json = json.loads(settings.to_json())
    return {k: v for k, v in plain.items() if v or k not in _NEW}

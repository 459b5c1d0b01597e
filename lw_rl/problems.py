"""Named problems to train on, to validate with and to measure on.

A problem is a recipe, small and hashable; :meth:`Problem.context` builds a fresh context from it,
the populations in LTE. The random problems come from numbered streams. Every stream draws from
``SeedSequence(ENTROPY, spawn_key=(stream number, problem number, ...))``, so no number of problems
taken from one stream ever runs into another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightweaver as lw
import numpy as np

from . import atmospheres, atoms
from .errors import UnknownNameError
from .host.context import build_context

__all__ = [
    "ATOMS",
    "ENTROPY",
    "GRID_DEPTHS",
    "LEVELS_DEPTHS",
    "LOG_COLLISION_SCALE",
    "MULTILEVEL",
    "RANDOM_ATOMS",
    "RANDOM_DEPTHS",
    "STREAMS",
    "FileModel",
    "Problem",
    "RandomModel",
    "ShippedModel",
    "Stream",
    "file_problem",
    "known",
    "random_problem",
    "shipped_problem",
    "suite",
]

#: Root of every random draw of this module.
ENTROPY = 917_014_2021

#: Lines that the random problems draw from.
ATOMS = ("CaII_K", "CaII_H", "MgII_k", "MgII_h", "NaI_D2")

#: Range of log10 of the factor on the collisional rates of the random problems.
LOG_COLLISION_SCALE = (-3.0, 2.0)

#: Depths of the suite ``"grid"``.
GRID_DEPTHS = (41, 82, 164, 328, 656)


#: Active atoms of the suite ``"atoms"``.
MULTILEVEL = ("CaII", "H", "MgII", "H+CaII", "H+CaII+MgII")

#: Atoms that the suite ``"atoms-random"`` draws from.
RANDOM_ATOMS = ("CaII", "H", "MgII", "HeI", "H+CaII")

#: Range of its number of depths, drawn uniformly in the logarithm.
RANDOM_DEPTHS = (40, 160)

#: Depths of the suite ``"atoms-grid"``.
LEVELS_DEPTHS = (41, 82, 164, 328)

#: Velocity at the top of the moving atmospheres that ship [m/s], that of the host's own example.
_FLOW = 1e4


@dataclass(frozen=True)
class Stream:
    """One of the disjoint sequences of random problems.

    Attributes
    ----------
    number : int
        Its place in the spawn key; never reused.
    kind : str or None
        Kind of atmosphere (`lw_rl.atmospheres.random`), drawn if None.
    moving : bool or None
        Whether there is a velocity field, drawn if None.
    levels : bool
        Whether the atoms have many levels: one of :data:`RANDOM_ATOMS`, with their own collisions.
    """

    number: int
    kind: str | None = None
    moving: bool | None = None
    levels: bool = False


STREAMS = {
    "train": Stream(0),
    "validation": Stream(1),
    "test": Stream(2),
    "moving": Stream(3, moving=True),
    "photosphere": Stream(4, kind="photosphere"),
    "atoms": Stream(5, levels=True),
}


@dataclass(frozen=True)
class ShippedModel:
    """An atmosphere that ships.

    Attributes
    ----------
    name : str
        One of ``lw_rl.atmospheres.known()``.
    Nspace : int or None
        Depths it is resampled to, if given.
    flow : float
        Upflow above 1.8 Mm [m/s], which falls to zero below 1.2 Mm, as in the host's example of
        chromospheric lines (``plot_PrdChromosphericLines.py``).
    """

    name: str
    Nspace: int | None = None
    flow: float = 0.0

    def make(self) -> lw.Atmosphere:
        """Return a fresh atmosphere."""
        atmos = atmospheres.load(self.name, self.Nspace)
        if self.flow:
            height = np.asarray(atmos.z)
            atmos.vz[:] = 0.5 * self.flow * (1.0 + np.tanh((height - 1.5e6) / 0.15e6))
        return atmos


@dataclass(frozen=True)
class RandomModel:
    """An atmosphere of the random family, by the spawn key of its seed.

    What is None is drawn (`lw_rl.atmospheres.random`).
    """

    key: tuple[int, ...]
    kind: str | None = None
    moving: bool | None = None
    Nspace: int | None = None

    def make(self) -> lw.Atmosphere:
        """Return a fresh atmosphere."""
        seed = np.random.SeedSequence(ENTROPY, spawn_key=self.key)
        return atmospheres.random(seed, kind=self.kind, moving=self.moving, Nspace=self.Nspace)


@dataclass(frozen=True)
class FileModel:
    """An atmosphere of a file in the MULTI format, resampled if `Nspace` is given."""

    path: str
    Nspace: int | None = None

    def make(self) -> lw.Atmosphere:
        """Return a fresh atmosphere."""
        return atmospheres.read(self.path, self.Nspace)


@dataclass(frozen=True)
class Problem:
    """One line, or atoms with many, in one atmosphere.

    Attributes
    ----------
    name : str
        Its name in tables.
    atom : str
        One of ``lw_rl.atoms.known()``, or several, joined by plus signs.
    atmosphere : ShippedModel, RandomModel or FileModel
        Recipe of the atmosphere.
    collision_scale : float
        Factor on the collisional rates.
    prd : bool
        Whether the line is in partial redistribution, or those lines that the host's model has so.
    conserve_charge : bool
        Whether the host adjusts the electron density.
    background : tuple of str
        Symbols of the passive elements beside hydrogen, of ``lw_rl.atoms.BACKGROUND``.
    lte_ne : bool
        Whether the electron density is, or starts from, that of LTE, not the atmosphere's.
    hprd : bool
        Whether partial redistribution is that of Leenaarts et al. (2012, A&A 543, A109), in the
        frame of the moving gas.
    """

    name: str
    atom: str
    atmosphere: ShippedModel | RandomModel | FileModel
    collision_scale: float = field(default=1.0)
    prd: bool = False
    conserve_charge: bool = False
    background: tuple[str, ...] = ()
    lte_ne: bool = False
    hprd: bool = False

    @property
    def two_level(self) -> bool:
        """Whether it is one line of a two-level atom."""
        return self.atom in atoms.known_lines()

    def context(self, Nrays: int = 5, Nthreads: int = 1, **ctx_kwargs: Any) -> lw.Context:
        """Build a fresh context, the populations in LTE.

        Parameters
        ----------
        Nrays, Nthreads, **ctx_kwargs
            As for :func:`lw_rl.build_context`.
        """
        if self.conserve_charge:
            ctx_kwargs = {"conserve_charge": True, **ctx_kwargs}
        if self.hprd:
            ctx_kwargs = {"hprd": True, **ctx_kwargs}
        return build_context(
            atoms.make_all(self.atom, prd=self.prd, collision_scale=self.collision_scale),
            self.atmosphere.make(),
            Nrays=Nrays,
            Nthreads=Nthreads,
            background=self.background,
            lte_ne=self.lte_ne,
            **ctx_kwargs,
        )


def shipped_problem(atom: str, atmosphere: str, Nspace: int | None = None) -> Problem:
    """Return the problem of ready-made atoms in an atmosphere that ships.

    Parameters
    ----------
    atom : str
        One of ``lw_rl.atoms.known()``, or several: ``"H+CaII"``.
    atmosphere : str
        One of ``lw_rl.atmospheres.known()``.
    Nspace : int, optional
        Resample to so many depths.

    Raises
    ------
    UnknownNameError
        If there is no such atom or atmosphere; the message lists those that there are.
    """
    for one in atom.split("+"):
        if one not in atoms.known():
            raise UnknownNameError("atom", one, atoms.known())
    model = ShippedModel(atmospheres.canonical(atmosphere), Nspace)
    size = "" if Nspace is None else f" {Nspace}"
    return Problem(f"{atom} {model.name}{size}", atom, model)


def file_problem(atom: str, path: str, Nspace: int | None = None) -> Problem:
    """Return the problem of ready-made atoms in an atmosphere of one's own.

    Parameters
    ----------
    atom : str
        As for :func:`shipped_problem`.
    path : str
        Its file (:func:`lw_rl.atmospheres.read`).
    Nspace : int, optional
        Resample to so many depths.

    Raises
    ------
    UnknownNameError
        If there is no such atom.
    AtmosphereError
        If there is no such atmosphere in the file.
    """
    model = FileModel(path, Nspace)
    model.make()
    names = "+".join(atoms.canonical(one) for one in atom.split("+"))
    size = "" if Nspace is None else f" {Nspace}"
    return Problem(f"{names} {Path(path).stem}{size}", names, model)


def random_problem(stream: str, index: int) -> Problem:
    """Return a problem of the random family.

    The line is drawn from :data:`ATOMS`, log10 of the collision scale uniformly from
    :data:`LOG_COLLISION_SCALE`, the atmosphere by :func:`lw_rl.atmospheres.random`. In the stream
    ``"atoms"`` the atoms are drawn from :data:`RANDOM_ATOMS` and the depths from
    :data:`RANDOM_DEPTHS`, and collisions are those of the models.

    Parameters
    ----------
    stream : str
        One of :data:`STREAMS`. Train on ``"train"`` and nothing else.
    index : int
        Number of the problem in its stream, from 0.

    Raises
    ------
    UnknownNameError
        If there is no such stream; the message lists those that there are.
    ValueError
        If the number is negative.
    """
    if stream not in STREAMS:
        raise UnknownNameError("stream of random problems", stream, STREAMS)
    if index < 0:
        raise ValueError(f"problems are numbered from 0, got {index}")
    s = STREAMS[stream]
    key = (s.number, int(index))
    rng = np.random.default_rng(np.random.SeedSequence(ENTROPY, spawn_key=(*key, 0)))
    if s.levels:
        atom = str(rng.choice(RANDOM_ATOMS))
        Nspace = round(float(np.exp(rng.uniform(*np.log(RANDOM_DEPTHS)))))
        return Problem(f"{stream} {index} {atom}", atom, RandomModel((*key, 1), Nspace=Nspace))
    atom = str(rng.choice(ATOMS))
    scale = float(10.0 ** rng.uniform(*LOG_COLLISION_SCALE))
    model = RandomModel((*key, 1), kind=s.kind, moving=s.moving)
    return Problem(f"{stream} {index} {atom}", atom, model, scale)


def _fal(number: int | None) -> list[Problem]:
    return [shipped_problem(a, m) for m in atmospheres.known() for a in ("CaII_K", "MgII_k")]


def _prd(number: int | None) -> list[Problem]:
    return [replace(p, name=f"{p.name} prd", prd=True) for p in _fal(number)]


def _grid(number: int | None) -> list[Problem]:
    return [shipped_problem("CaII_K", "FALC", N) for N in GRID_DEPTHS]


def _atoms(number: int | None) -> list[Problem]:
    return [shipped_problem(a, m) for m in atmospheres.known() for a in MULTILEVEL]


def _atoms_grid(number: int | None) -> list[Problem]:
    return [shipped_problem("CaII", "FALC", N) for N in LEVELS_DEPTHS]


def _flowing(problem: Problem) -> Problem:
    """Return a problem in one of the models that ship, with an upflow in its chromosphere."""
    assert isinstance(problem.atmosphere, ShippedModel)
    moving = replace(problem.atmosphere, flow=_FLOW)
    return replace(problem, name=f"{problem.name} flow", atmosphere=moving)


def _redistributed(problem: Problem, hprd: bool = False) -> Problem:
    kind = "hprd" if hprd else "prd"
    return replace(problem, name=f"{problem.name} {kind}", prd=True, hprd=hprd)


def _atoms_prd(number: int | None) -> list[Problem]:
    lines = ("CaII", "MgII", "H")
    static = [shipped_problem(a, m) for m in atmospheres.known() for a in lines]
    moving = [_flowing(shipped_problem(a, "FALC")) for a in lines]
    return [*map(_redistributed, static), *(_redistributed(p, hprd=True) for p in moving)]


def _conserving(problem: Problem) -> Problem:
    """Return the problem with charge conserved from the electron density of LTE on."""
    return replace(problem, name=f"{problem.name} charge", conserve_charge=True, lte_ne=True)


def _atoms_charge(number: int | None) -> list[Problem]:
    active = ("H", "H+CaII")
    return [_conserving(shipped_problem(a, m)) for m in atmospheres.known() for a in active]


def _gallery(number: int | None) -> list[Problem]:
    line = replace(
        shipped_problem("H+CaII", "FALC"),
        name="H+CaII FALC gallery",
        background=tuple(atoms.BACKGROUND),
    )
    prd = _flowing(shipped_problem("H+CaII+MgII", "FALC"))
    prd = replace(prd, name=f"{prd.name} charge", conserve_charge=True)
    return [
        line,
        _conserving(line),
        replace(line, name=f"{line.name} ne of LTE", lte_ne=True),
        prd,
        _redistributed(prd),
        _redistributed(prd, hprd=True),
    ]


def _random(stream: str, default: int) -> Callable[[int | None], list[Problem]]:
    def problems(number: int | None) -> list[Problem]:
        return [random_problem(stream, k) for k in range(default if number is None else number)]

    return problems


_SUITES: dict[str, Callable[[int | None], list[Problem]]] = {
    "fal": _fal,
    "grid": _grid,
    "prd": _prd,
    "atoms": _atoms,
    "atoms-grid": _atoms_grid,
    "atoms-prd": _atoms_prd,
    "atoms-charge": _atoms_charge,
    "atoms-random": _random("atoms", 100),
    "gallery": _gallery,
    "random": _random("test", 100),
    "moving": _random("moving", 40),
    "photosphere": _random("photosphere", 40),
}


def known() -> list[str]:
    """Return the names of the suites."""
    return list(_SUITES)


def suite(name: str, number: int | None = None) -> list[Problem]:
    """Return the problems of a named suite.

    Parameters
    ----------
    name : str
        Of two-level lines: ``"fal"``: FAL A, C, F, X with Ca II K and Mg II k. ``"prd"``: the same
        in partial redistribution. ``"grid"``: FAL-C, Ca II K at :data:`GRID_DEPTHS` depths.
        ``"random"``: the test stream of the random family. ``"moving"``, ``"photosphere"``:
        streams of their own, the one with velocity fields only, the other cut below the
        temperature minimum.

        Of atoms with many levels: ``"atoms"``: FAL A, C, F, X with :data:`MULTILEVEL`.
        ``"atoms-grid"``: FAL-C, Ca II at :data:`LEVELS_DEPTHS` depths. ``"atoms-prd"``: FAL A, C,
        F, X with Ca II, Mg II, H, their resonance lines in partial redistribution, and FAL-C with a
        flow and the redistribution in the gas's frame. ``"atoms-charge"``: FAL A, C, F, X with H,
        and H and Ca II, charge conserved. ``"atoms-random"``: the stream ``"atoms"``.
        ``"gallery"``: the problems of the host's gallery in one dimension: H and Ca II active among
        twelve elements in FAL-C at the model's electron density, with charge conserved, at that of
        LTE (``plot_SimpleLineTest.py``); H, Ca II and Mg II in FAL-C with a flow, charge conserved,
        in complete, partial, and hybrid redistribution (``plot_PrdChromosphericLines.py``).
    number : int, optional
        The first so many problems (default: all; of random suites 100, of ``"moving"`` and
        ``"photosphere"`` 40).

    Raises
    ------
    UnknownNameError
        If there is no such suite; the message lists those that there are.
    ValueError
        If `number` is not positive.
    """
    if name not in _SUITES:
        raise UnknownNameError("suite", name, _SUITES)
    if number is not None and number < 1:
        raise ValueError(f"a suite needs at least 1 problem, got {number}")
    return _SUITES[name](number)[:number]

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
    "PLANES",
    "RANDOM_ATOMS",
    "RANDOM_DEPTHS",
    "STREAMS",
    "FileModel",
    "PlaneModel",
    "Problem",
    "RandomModel",
    "ShippedModel",
    "Stream",
    "file_problem",
    "known",
    "plane_problem",
    "random_atoms",
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

#: The same of the many problems of :func:`random_atoms`, and their rays.
SMALL_DEPTHS, SMALL_RAYS = (24, 60), 2

#: Depths of the suite ``"atoms-grid"``.
LEVELS_DEPTHS = (41, 82, 164, 328)

#: Atmospheres of two dimensions by name, and their kind (`lw_rl.atmospheres.slab_2d`).
PLANES = {
    "slab2d": "smooth",
    "slab2d-homogeneous": "homogeneous",
    "slab2d-blobs": "blobs",
    "slab2d-threads": "threads",
    "slab2d-corrugated": "corrugated",
    "slab2d-prominence": "prominence",
}

#: Their rows, and columns per row.
_ROWS, _COLUMNS = 41, 32 / 82

#: Rows of the random ones, and the range of log10 of the factor on their collisional rates.
_RANDOM_ROWS, _RANDOM_COLLISIONS = (41, 82), (-1.0, 1.0)

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
    plane : bool
        Whether the atmospheres have two dimensions.
    """

    number: int
    kind: str | None = None
    moving: bool | None = None
    levels: bool = False
    plane: bool = False


STREAMS = {
    "train": Stream(0),
    "validation": Stream(1),
    "test": Stream(2),
    "moving": Stream(3, moving=True),
    "photosphere": Stream(4, kind="photosphere"),
    "atoms": Stream(5, levels=True),
    "2d": Stream(6, plane=True),
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
class PlaneModel:
    """An atmosphere of two dimensions (`lw_rl.atmospheres.slab_2d`).

    Attributes
    ----------
    kind : str
        One of ``lw_rl.atmospheres.PLANE_KINDS``.
    Nz, Nx : int
        Rows and columns.
    key : tuple of int
        Spawn key of its seed.
    """

    kind: str
    Nz: int
    Nx: int
    key: tuple[int, ...] = (0,)

    def make(self) -> lw.Atmosphere:
        """Return a fresh atmosphere."""
        seed = np.random.SeedSequence(ENTROPY, spawn_key=self.key)
        return atmospheres.slab_2d(self.kind, self.Nz, self.Nx, seed)


@dataclass(frozen=True)
class Problem:
    """One line, or atoms with many, in one atmosphere.

    Attributes
    ----------
    name : str
        Its name in tables.
    atom : str
        One of ``lw_rl.atoms.known()``, or several, joined by plus signs.
    atmosphere : ShippedModel, RandomModel, FileModel or PlaneModel
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
    Nrays : int or None
        Rays of its quadrature (default: those of :func:`lw_rl.build_context`).
    """

    name: str
    atom: str
    atmosphere: ShippedModel | RandomModel | FileModel | PlaneModel
    collision_scale: float = field(default=1.0)
    prd: bool = False
    conserve_charge: bool = False
    background: tuple[str, ...] = ()
    lte_ne: bool = False
    hprd: bool = False
    Nrays: int | None = None

    @property
    def two_level(self) -> bool:
        """Whether it is one line of a two-level atom."""
        return self.atom in atoms.known_lines()

    @property
    def lines(self) -> int:
        """Lines of its atoms."""
        return sum(len(atom.lines) for atom in atoms.make_all(self.atom))

    @property
    def plane(self) -> bool:
        """Whether it has two dimensions."""
        return isinstance(self.atmosphere, PlaneModel)

    @property
    def columns(self) -> int:
        """Columns of its atmosphere; 1 in one dimension."""
        return self.atmosphere.Nx if isinstance(self.atmosphere, PlaneModel) else 1

    @property
    def size(self) -> str:
        """How many depths there are, or rows and columns, where the problem says so."""
        model = self.atmosphere
        return f"{model.Nz} x {model.Nx} points" if isinstance(model, PlaneModel) else ""

    def context(self, Nrays: int | None = None, Nthreads: int = 1, **ctx_kwargs: Any) -> lw.Context:
        """Build a fresh context, the populations in LTE.

        Parameters
        ----------
        Nrays, Nthreads, **ctx_kwargs
            As for :func:`lw_rl.build_context`; `Nrays` goes before its own.
        """
        if self.conserve_charge:
            ctx_kwargs = {"conserve_charge": True, **ctx_kwargs}
        if self.hprd:
            ctx_kwargs = {"hprd": True, **ctx_kwargs}
        return build_context(
            atoms.make_all(self.atom, prd=self.prd, collision_scale=self.collision_scale),
            self.atmosphere.make(),
            Nrays=self.Nrays if Nrays is None else Nrays,
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


def plane_problem(atom: str, name: str = "slab2d", Nz: int | None = None) -> Problem:
    """Return the problem of ready-made atoms in an atmosphere of two dimensions.

    Parameters
    ----------
    atom : str
        As for :func:`shipped_problem`.
    name : str, optional
        One of :data:`PLANES` (default: ``"slab2d"``).
    Nz : int, optional
        Rows; columns follow (default: 41, with 16 columns).

    Raises
    ------
    UnknownNameError
        If there is no such atom or atmosphere.
    """
    if name not in PLANES:
        raise UnknownNameError("atmosphere of two dimensions", name, PLANES)
    names = "+".join(atoms.canonical(one) for one in atom.split("+"))
    rows = _ROWS if Nz is None else Nz
    model = PlaneModel(PLANES[name], rows, max(3, round(_COLUMNS * rows)))
    return Problem(f"{names} {name} {model.Nz}x{model.Nx}", names, model)


def random_problem(stream: str, index: int) -> Problem:
    """Return a problem of the random family.

    The line is drawn from :data:`ATOMS`, log10 of the collision scale uniformly from
    :data:`LOG_COLLISION_SCALE`, the atmosphere by :func:`lw_rl.atmospheres.random`. In the stream
    ``"atoms"`` the atoms are drawn from :data:`RANDOM_ATOMS` and the depths from
    :data:`RANDOM_DEPTHS`, and collisions are those of the models. In the stream ``"2d"`` the
    atmosphere is one of :func:`lw_rl.atmospheres.slab_2d` with 41 to 82 rows, and the collision
    scale is between 0.1 and 10.

    Parameters
    ----------
    stream : str
        One of :data:`STREAMS`. Train on ``"train"``, or on problems of ``"atoms"`` and ``"2d"``
        whose numbers no benchmark counts to, and nothing else.
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
    if s.plane:
        scale = float(10.0 ** rng.uniform(*_RANDOM_COLLISIONS))
        kind = str(rng.choice([k for k in atmospheres.PLANE_KINDS if k != "homogeneous"]))
        rows = round(float(np.exp(rng.uniform(*np.log(_RANDOM_ROWS)))))
        plane = PlaneModel(kind, rows, round(_COLUMNS * rows), (*key, 1))
        return Problem(f"{stream} {index} {atom} {kind}", atom, plane, scale)
    scale = float(10.0 ** rng.uniform(*LOG_COLLISION_SCALE))
    model = RandomModel((*key, 1), kind=s.kind, moving=s.moving)
    return Problem(f"{stream} {index} {atom}", atom, model, scale)


def random_atoms(index: int) -> Problem:
    """Return a problem of the stream ``"atoms"`` on few depths and rays, some of them harder.

    Thousands can be solved by MALI as well. Of every eight one is in partial redistribution, unless
    it is helium, which has no such line, and one conserves charge where hydrogen is active.

    Parameters
    ----------
    index : int
        Number of the problem, from 0.
    """
    problem = random_problem("atoms", index)
    assert isinstance(problem.atmosphere, RandomModel)
    seed = np.random.SeedSequence(ENTROPY, spawn_key=(STREAMS["atoms"].number, index, 2))
    Nspace = round(float(np.exp(np.random.default_rng(seed).uniform(*np.log(SMALL_DEPTHS)))))
    model = replace(problem.atmosphere, Nspace=Nspace)
    problem = replace(problem, atmosphere=model, Nrays=SMALL_RAYS)
    if index % 8 == 6 and problem.atom != "HeI":
        return _redistributed(problem)
    return _conserving(problem) if index % 8 == 7 and "H" in problem.atom.split("+") else problem


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


#: The suite of two dimensions: a letter, the kind, rows, columns and the number of the seed.
_PLANE_SUITE = (
    ("A", "smooth", 82, 32, 1),
    ("B", "smooth", 82, 32, 2),
    ("C", "blobs", 82, 32, 3),
    ("D", "threads", 82, 32, 4),
    ("E", "corrugated", 82, 32, 5),
    ("F", "prominence", 82, 32, 6),
    ("G", "smooth", 82, 64, 7),
)


def _plane(letter: str, kind: str, Nz: int, Nx: int, seed: int) -> Problem:
    return Problem(f"{letter} CaII_K {kind} {Nz}x{Nx}", "CaII_K", PlaneModel(kind, Nz, Nx, (seed,)))


def _planes(number: int | None) -> list[Problem]:
    return [_plane(*row) for row in _PLANE_SUITE]


def _planes_grid(number: int | None) -> list[Problem]:
    """Return the first problem with half, once and twice as many rows and columns."""
    letter, kind, _, _, seed = _PLANE_SUITE[0]
    return [_plane(letter, kind, Nz, Nx, seed) for Nz, Nx in ((41, 16), (82, 32), (164, 64))]


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
    "2d": _planes,
    "2d-grid": _planes_grid,
    "2d-random": _random("2d", 50),
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

        Of two dimensions: ``"2d"``: seven problems of Ca II K, smooth fields, blobs, moving
        threads, a corrugated chromosphere and a prominence. ``"2d-grid"``: the first of them with
        half and twice the points in each direction. ``"2d-random"``: the stream ``"2d"``.
    number : int, optional
        The first so many problems (default: all; of random suites 100, of ``"moving"`` and
        ``"photosphere"`` 40, of ``"2d-random"`` 50).

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

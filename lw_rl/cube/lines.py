"""The active atoms of a cube, and those of their lines whose light is kept.

Atoms go by the names of `lw_rl.atoms` or are the user's own models; lines go by the names of
two-level atoms (``"CaII_K"``) or by ion and wavelength (``"CaII 8542"``, ``"MgII 279.6"``), in
Angstrom or nanometres, in air or vacuum: the nearest line is meant.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import lightweaver as lw
import numpy as np
import xarray as xr
from lightweaver.atomic_model import AtomicLine, AtomicModel

from .. import atoms as ready_made
from ..errors import CubeSettingsError, UnknownNameError
from ..host.context import active_atoms

__all__ = [
    "AtomLike",
    "Chosen",
    "KeptLine",
    "check_line",
    "choose",
    "line_labels",
    "named_atoms",
    "select_line",
]

AtomLike: TypeAlias = str | AtomicModel

_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
_BY_WAVELENGTH = re.compile(r"\s*([A-Za-z]+)[\s_-]*(\d+(?:\.\d+)?)\s*(?:nm|A|Å)?\s*")
#: Largest relative distance of a wavelength that someone writes from that of the line.
_NEAR = 1e-3
#: Above this wavelength those of air are in use [nm].
_AIR = 200.0


@dataclass(frozen=True)
class KeptLine:
    """A line whose emergent light is kept.

    Attributes
    ----------
    name : str
        What the output calls it.
    element : str
        Symbol of its element.
    i, j : int
        Its lower and upper level in the atom that is solved.
    lambda0 : float
        Vacuum wavelength of line centre [nm].
    blue, red : float
        Vacuum wavelengths between which the line is computed [nm].
    """

    name: str
    element: str
    i: int
    j: int
    lambda0: float
    blue: float
    red: float


@dataclass(frozen=True)
class Chosen:
    """What is solved, and what is kept of the light.

    Attributes
    ----------
    atoms : tuple of AtomicModel
        The active atoms, fresh copies.
    lines : tuple of KeptLine
        By wavelength.
    """

    atoms: tuple[AtomicModel, ...]
    lines: tuple[KeptLine, ...]

    @property
    def two_level(self) -> bool:
        """Whether it is one two-level atom."""
        return len(self.atoms) == 1 and len(self.atoms[0].levels) == 2


def named_atoms(atoms: Iterable[AtomLike]) -> tuple[tuple[str, ...], dict[str, AtomicModel]]:
    """Return the names that atoms are recorded by, and the user's own models by these names.

    A model of one's own is called by its ion and a digest of its definition, so that another model
    of the same ion is another setting.

    Raises
    ------
    UnknownNameError
        If there is no atom of a name.
    CubeSettingsError
        If something is neither a name nor a model.
    """
    names: list[str] = []
    models: dict[str, AtomicModel] = {}
    for atom in atoms:
        if isinstance(atom, str):
            names += [ready_made.canonical(one) for one in atom.split("+")]
        elif isinstance(atom, AtomicModel):
            digest = hashlib.sha256(repr(atom).encode()).hexdigest()[:12]
            name = f"{_ion(atom, atom.lines[0]) if atom.lines else atom.element.name} {digest}"
            names.append(name)
            models[name] = atom
        else:
            raise CubeSettingsError(
                f"an atom is a name or a lightweaver AtomicModel, got {type(atom).__name__}"
            )
    return tuple(names), models


def check_line(name: str) -> str:
    """Return the name of a line that there is, spelled as the package spells it.

    Raises
    ------
    UnknownNameError
        If there is no such line; the message lists those with a name of their own.
    """
    return _two_level(name)[1].name


def choose(
    line: str,
    atoms: Sequence[str] = (),
    lines: Sequence[str] = (),
    models: Mapping[str, AtomicModel] | None = None,
) -> Chosen:
    """Return the atoms that are solved and the lines that are kept.

    Parameters
    ----------
    line : str
        The line of a two-level atom, if neither of the others is given.
    atoms : sequence of str, optional
        The active atoms, by the names of :func:`named_atoms`; those of `lines`, with all their
        levels, if only these are given.
    lines : sequence of str, optional
        The lines to keep (default: all of the atoms).
    models : mapping, optional
        Models of the user's own, by the names that `atoms` has for them.

    Raises
    ------
    UnknownNameError, CubeSettingsError, ContextError
        If there is no such atom or line, or the atoms cannot be active together.
    """
    if not atoms and not lines:
        atom, kept = _two_level(line)
        return Chosen((atom,), (kept,))
    own = models or {}
    names = atoms or _parents(lines)
    made = [copy.deepcopy(own[n]) if n in own else ready_made.make(n) for n in names]
    active = active_atoms(made)
    wanted = [_find(name, active) for name in lines] if lines else _all_lines(active)
    if len({(k.element, k.i, k.j) for k in wanted}) < len(wanted):
        raise CubeSettingsError(f"two of the lines are the same: {', '.join(lines)}")
    return Chosen(tuple(active), tuple(sorted(wanted, key=lambda k: k.lambda0)))


def line_labels(atom: AtomicModel) -> list[str]:
    """Return the names of an atom's lines by ion and wavelength [Angstrom], in its own order."""
    short = [_label(atom, line, 0) for line in atom.lines]
    return [
        name if short.count(name) == 1 else _label(atom, line, 2)
        for name, line in zip(short, atom.lines, strict=True)
    ]


def select_line(ds: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """Return the part of an output that is of one line.

    Parameters
    ----------
    ds : xarray.Dataset
        The output of a cube.
    name : str, optional
        One of ``ds.line`` (default: the first); case does not matter.

    Returns
    -------
    part : xarray.Dataset
        With the wavelengths between the line's ends, and its centre in
        ``attrs["line_centre_nm"]``.

    Raises
    ------
    UnknownNameError
        If the output has no such line.
    """
    if "line" not in ds:
        # Of release 0.1: it is of one line.
        return ds
    names = [str(line) for line in np.atleast_1d(ds.line.values)]
    folded = [_spaced(line) for line in names]
    if name is not None and _spaced(name) not in folded:
        raise UnknownNameError("line", name, names)
    k = 0 if name is None else folded.index(_spaced(name))
    centre, blue, red = (float(ds[n].values[k]) for n in ("line_centre", "line_blue", "line_red"))
    near = 1e-9 * centre
    inside = (ds.wavelength >= blue - near) & (ds.wavelength <= red + near)
    part = ds.isel(wavelength=np.flatnonzero(inside.values), line=[k])
    return part.assign_attrs(line_centre_nm=centre, line_name=names[k])


def _spaced(name: str) -> str:
    return name.lower().replace("_", " ")


# ---- names --------------------------------------------------------------------------------------


def _ion(atom: AtomicModel, line: AtomicLine) -> str:
    return f"{atom.element.name}{_ROMAN[int(atom.levels[line.i].stage)]}"


def _label(atom: AtomicModel, line: AtomicLine, decimals: int) -> str:
    return f"{_ion(atom, line)} {10.0 * _customary(line):.{decimals}f}"


def _customary(line: AtomicLine) -> float:
    """Return the wavelength that a line goes by [nm]: in air where that is transparent."""
    vacuum = float(line.lambda0)
    return float(lw.vac_to_air(np.array([vacuum]))[0]) if vacuum > _AIR else vacuum


def _kept(atom: AtomicModel, line: AtomicLine, name: str) -> KeptLine:
    centre, *ends = map(float, (line.lambda0, *line.wavelength()[[0, -1]]))
    return KeptLine(name, atom.element.name, line.i, line.j, centre, *ends)


def _all_lines(active: Sequence[AtomicModel]) -> list[KeptLine]:
    return [
        _kept(atom, line, name)
        for atom in active
        for line, name in zip(atom.lines, line_labels(atom), strict=True)
    ]


def _named_line(name: str) -> AtomicModel | None:
    """Return the two-level atom of a line with a name of its own."""
    try:
        known = ready_made.canonical(name)
    except UnknownNameError:
        return None
    return ready_made.make(known) if known in ready_made.known_lines() else None


def _find(name: str, active: Sequence[AtomicModel]) -> KeptLine:
    """Return the line of active atoms that a name means."""
    alone = _named_line(name)
    if alone is not None:
        for atom in active:
            for line in atom.lines:
                if atom.element == alone.element and _distance(alone.lines[0].lambda0, line) < 1e-6:
                    return _kept(atom, line, ready_made.canonical(name))
    else:
        found = _nearest(name, active)
        if found is not None:
            return found
    there = [label for atom in active for label in line_labels(atom)]
    raise CubeSettingsError(f"there is no line {name!r}; the active atoms have {', '.join(there)}")


def _nearest(name: str, models: Iterable[AtomicModel]) -> KeptLine | None:
    matched = _BY_WAVELENGTH.fullmatch(name)
    if matched is None:
        return None
    ion, number = matched[1].lower(), float(matched[2])
    near = [
        (_distance(number, line), k, atom, label)
        for atom in models
        for k, label in enumerate(line_labels(atom))
        for line in (atom.lines[k],)
        if ion in (atom.element.name.lower(), _ion(atom, line).lower())
    ]
    distance, k, atom, label = min(near, key=lambda n: n[0], default=(np.inf, 0, None, ""))
    if atom is None or distance > _NEAR:
        return None
    return _kept(atom, atom.lines[k], label)


def _distance(number: float, line: AtomicLine) -> float:
    """Return how far a wavelength, in whatever unit, is from that of a line, relatively."""
    values = (float(line.lambda0), _customary(line))
    return min(abs(number / (unit * value) - 1.0) for value in values for unit in (1.0, 10.0))


# ---- atoms of lines -----------------------------------------------------------------------------


def _many_levels() -> list[str]:
    return [name for name in ready_made.known() if name not in ready_made.known_lines()]


def _parents(lines: Sequence[str]) -> list[str]:
    """Return the atoms with many levels that lines belong to."""
    found: list[str] = []
    for name in lines:
        for parent in _many_levels():
            try:
                _find(name, [ready_made.make(parent)])
            except CubeSettingsError:
                continue
            found += [parent] if parent not in found else []
            break
        else:
            raise _unknown(name)
    return found


def _unknown(name: str) -> UnknownNameError:
    """Return the error of a line that there is not, with those of its ion or with all names."""
    matched = _BY_WAVELENGTH.fullmatch(name)
    models = [ready_made.make(parent) for parent in _many_levels()]
    labels = [label for model in models for label in line_labels(model)]
    ion = "" if matched is None else matched[1].lower()
    there = [label for label in labels if label.split()[0].lower() in (ion, f"{ion}i")]
    return UnknownNameError(
        "line", name, there or [*ready_made.known_lines(), "an ion and a wavelength ('CaII 8542')"]
    )


def _two_level(name: str) -> tuple[AtomicModel, KeptLine]:
    """Return the two-level atom of a line."""
    alone = _named_line(name)
    if alone is not None:
        return alone, _kept(alone, alone.lines[0], ready_made.canonical(name))
    for parent in _many_levels():
        model = ready_made.make(parent)
        found = _nearest(name, [model])
        if found is not None:
            atom = ready_made.two_level_atom(model, found.i, found.j)
            return atom, _kept(atom, atom.lines[0], found.name)
    raise _unknown(name)

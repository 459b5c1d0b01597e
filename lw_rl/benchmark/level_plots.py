"""Panels for atoms with many levels: departure coefficients, and the lines that leave."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from lightweaver.atomic_model import AtomicModel
from matplotlib.axes import Axes

from ..files import Json
from ..host.adapter import Adapter
from ..host.emergent_lines import StrongLine
from ..host.names import Named

__all__ = ["COLOURS", "draw_departures", "draw_lines", "level_labels", "line_label"]

#: Okabe and Ito's palette without its yellow, which is faint on white.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7")
_DASHED, _DOTTED = (0, (4, 1.5)), (0, (1, 1))
#: Dashes of every second colour, round by round: of neighbouring levels, which are often the same
#: curve, one is dashed.
_STYLES: tuple[tuple[Any, Any], ...] = (("-", _DASHED), (_DOTTED, "-"), (_DASHED, _DOTTED))
#: Temperature [K] above which departure coefficients may run out of the axes.
_TRANSITION_REGION = 1e4
_ROMAN = ("I", "II", "III", "IV", "V", "VI")
_TERM = re.compile(r"(\d[spdfghi]) (\d)([spdfghi])[eo]\S*(?: \d)?$")
#: Names of lines that have one, by element and vacuum wavelength to 0.1 nm.
_NAMES = {
    ("H", 121.6): "Ly$\\alpha$",
    ("H", 102.6): "Ly$\\beta$",
    ("H", 656.5): "H$\\alpha$",
    ("H", 486.3): "H$\\beta$",
    ("H", 434.2): "H$\\gamma$",
    ("Ca", 393.5): "Ca II K",
    ("Ca", 397.0): "Ca II H",
    ("Mg", 279.6): "Mg II k",
    ("Mg", 280.4): "Mg II h",
    ("Na", 589.2): "Na I D$_2$",
    ("Na", 589.8): "Na I D$_1$",
}


def level_labels(model: AtomicModel) -> list[str]:
    """Return a name for each level of a model atom, as Lightweaver's labels give its term."""
    element, levels = model.element.name, model.levels
    names = []
    for k, level in enumerate(levels):
        ion = f"{element} {_ROMAN[level.stage]}"
        term = _TERM.search(" ".join(level.label.lower().split()))
        if level.stage != levels[0].stage and level.stage == levels[-1].stage:
            names.append(ion)
        elif element == "H":
            names.append(f"$n = {k + 1}$")
        elif term is None:
            names.append(f"{ion}, {k}")
        else:
            orbital, multiplicity, letter = term.groups()
            names.append(f"{orbital} $^{multiplicity}${letter.upper()}")
    return [_with_weight(name, names, level.g) for name, level in zip(names, levels, strict=True)]


def _with_weight(name: str, names: Sequence[str], g: float) -> str:
    """Tell the levels of a multiplet by their J."""
    if names.count(name) == 1:
        return name
    twice = round(g) - 1
    return f"{name}$_{{{twice}/2}}$" if twice % 2 else f"{name}$_{{{twice // 2}}}$"


def line_label(line: StrongLine) -> str:
    """Return a line's name, or its ion and wavelength."""
    known = _NAMES.get((line.element, round(line.lambda0, 1)))
    return known or f"{line.element} {_ROMAN[line.stage]} {line.lambda0:.1f} nm"


def _style(k: int) -> Json:
    again, colour = divmod(k, len(COLOURS))
    dash = _STYLES[again % len(_STYLES)][colour % 2]
    return {"color": COLOURS[colour], "ls": dash, "lw": 1.5}


def draw_departures(ax: Axes, adapter: Adapter, index: int) -> str:
    """Draw the departure coefficients of every level of an active atom against height.

    Parameters
    ----------
    ax : Axes
    adapter : Adapter
        Of a context in one dimension.
    index : int
        Number of the active atom.

    Returns
    -------
    element : str
        Its symbol.
    """
    atom = Named(Named(adapter.ctx).active_atoms[index])
    b = adapter.populations()[index] / adapter.lte_populations()[index]
    height = adapter.grid.height * 1e-6
    for k, name in enumerate(level_labels(atom.atomic_model)):
        ax.semilogy(height, b[k], label=name, **_style(k))
    # The few depths of the transition region would flatten everything else.
    below = b[:, adapter.circumstances()[0] < _TRANSITION_REGION]
    if below.size:
        ax.set_ylim(0.3 * below.min(), 3.0 * below.max())
    ax.axhline(1.0, color="0.4", lw=0.7, zorder=0)
    ax.set_xlabel("height  [Mm]")
    ax.set_ylabel("departure coefficient  $n / n^*$")
    ax.set_xmargin(0.0)
    return str(atom.element.name)


def draw_lines(ax: Axes, lines: Sequence[StrongLine]) -> None:
    """Draw brightness temperatures of lines against the distance from line centre."""
    for k, line in enumerate(lines):
        inside = np.abs(line.velocity) < 100.0
        ax.plot(
            line.velocity[inside],
            line.brightness[inside] * 1e-3,
            label=line_label(line),
            **_style(k + 1 if k < 6 else k),
        )
    ax.set_xlabel("distance from line centre  [km s$^{-1}$]")
    ax.set_ylabel("brightness temperature at $\\mu = 1$  [kK]")
    ax.set_xmargin(0.0)

"""Tuned constants of the rooms that decide: how many there are, and that each says what set it.

Counted are numbers at the top of modules, and, but for 0, 1, 2, a half and guards against division
by zero, defaults of fields and arguments and numbers inside functions; and the calibrated settings.
Not counted is what `EXEMPT` lists with its reason.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import lw_rl

ROOT = Path(lw_rl.__file__).parent
#: As many as are allowed.
MOST = 25
EXEMPT = {
    "newton._MOST_UNKNOWNS": "memory",
    "bounds._ROUNDING": "rounding of double precision",
    "bounds._MAX_EXPONENT": "range of double precision",
    "settings.FORMAT": "version of a file",
    "settings._RANGES": "what is refused",
    "sigmoid.PAPER_GRID": "Panos and Milic (2025)",
    "sigmoid: 10.0": "a decimal logarithm",
    "sigmoid: 0.99": "inside the bounds of an action",
    "sigmoid: 4": "length of an action",
    "history: 3": "states that a combination or two ratios need",
    "ng.order": "Auer (1987)",
    "budget.share": "what over budget means",
    "allowance": "what over budget means",
    "coupled._CUTOFF": "rank of a least-squares problem in double precision",
    "bounds: 0.001": "scale of a linear programme",
}
_PLAIN = {0, 1, 2, 0.5, 1e-300}


def _numbers(node: ast.AST, plain: set[float] = _PLAIN) -> list[float]:
    return [
        c.value
        for c in ast.walk(node)
        if isinstance(c, ast.Constant)
        and isinstance(c.value, int | float)
        and not isinstance(c.value, bool)
        and c.value not in plain
    ]


def constants(source: str, module: str) -> list[str]:
    """Return the names of a module's tuned constants, numbers in functions by their value."""
    found = []
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            names = [e.id for e in ast.walk(target) if isinstance(e, ast.Name)]
            if node.value is not None and _numbers(node.value, set()):
                found += [f"{module}.{name}" for name in names]
        elif isinstance(node, ast.ClassDef):
            for child in node.body:
                if isinstance(child, ast.AnnAssign) and child.value and _numbers(child.value):
                    found.append(f"{module}.{child.target.id}")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            found += [f"{module}: {number}" for number in _numbers(node)]
    return found


def tuned() -> list[str]:
    """Return all tuned constants of the two rooms, and the calibrated settings."""
    found = []
    for room in ("schemes", "certificate"):
        for path in sorted((ROOT / room).glob("*.py")):
            found += constants(path.read_text(), path.stem)
    settings = json.loads((ROOT / "certificate" / "calibrated.json").read_text())
    return [name for name in (*found, *settings["values"]) if name not in EXEMPT]


def test_there_are_no_more_than_can_be_held_in_ones_head():
    assert len(tuned()) <= MOST, tuned()


def test_what_is_exempt_is_there():
    found = {
        name
        for room in ("schemes", "certificate")
        for path in (ROOT / room).glob("*.py")
        for name in constants(path.read_text(), path.stem)
    }
    assert set(EXEMPT) - {"allowance"} <= found


def test_numbers_are_found_wherever_they_hide():
    source = (
        "A = 0.3\nB, C = 4, (5, 6)\nclass D:\n    e: int = 7\ndef f(x=8):\n    return 9.0 * x + 1"
    )
    assert constants(source, "m") == ["m.A", "m.B", "m.C", "m.e", "m: 8", "m: 9.0"]


def test_each_constant_says_what_set_it():
    """In the comment above it."""
    for room in ("schemes", "certificate"):
        for path in sorted((ROOT / room).glob("*.py")):
            lines = path.read_text().splitlines()
            for name in constants("\n".join(lines), path.stem):
                short = name.rpartition(".")[2]
                if ":" in name or name in EXEMPT or not short.strip("_").isupper():
                    continue
                (at,) = (k for k, line in enumerate(lines) if line.startswith(f"{short} ="))
                above = []
                while lines[at - 1 - len(above)].startswith("#:"):
                    above.append(lines[at - 1 - len(above)])
                assert above, f"{name} of {path.name}"

"""The layout of the package, read from its source: who imports what, and what each module has.

A list of exceptions is one of faults: an entry that is none any more fails as well.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: The sources of this checkout, installed or not: a package that stands beside ``lw_rl`` here is
#: inside it once it is installed.
PACKAGE = TESTS.parent / "lw_rl"
BESIDE = tuple(TESTS.parent / name for name in ("atoms", "atmospheres"))

#: Packages and modules from the top down: each imports from lower rows only, or from itself.
ROWS = (
    ("cli",),
    ("experiments",),
    ("training",),
    ("envs", "benchmark"),
    ("cube",),
    ("problems",),
    ("analysis",),
    ("iterate",),
    ("accelerated_context",),
    ("schemes",),
    ("certificate",),
    ("operator",),
    ("policies",),
    ("host", "slab"),
    (
        "arrays", "errors", "files", "norms", "extrapolation", "resample", "result", "processes",
        "terminal", "atoms", "atmospheres",
    ),
)  # fmt: skip
#: What stands outside: the package's own names, and those of 0.1.
OUTSIDE = {"__init__", "compatibility"}

#: Modules of the leaves that import other leaves.
LEAF = {name: row for row, names in enumerate(ROWS) for name in names}

# ---- what is not as it should be, yet -------------------------------------------------------

UPWARDS: set[tuple[str, str]] = set()
WITHOUT_ALL: set[str] = set()
WITHOUT_TESTS: set[str] = set()
TOUCHES_A_CONTEXT: set[str] = {
    "benchmark.level_plots", "benchmark.robustness", "benchmark.sub_iterations", "cube.column",
    "cube.profile",
}  # fmt: skip


# ---- reading the source ---------------------------------------------------------------------


@cache
def modules() -> dict[str, ast.Module]:
    """Every module by its dotted name in the package, ``host.adapter``; ``host`` for a package."""
    found = {}
    sources = [(PACKAGE, path) for path in PACKAGE.rglob("*.py")]
    sources += [(folder.parent, path) for folder in BESIDE for path in folder.rglob("*.py")]
    for base, path in sorted(sources):
        parts = list(path.relative_to(base).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def is_package(name: str) -> bool:
    inside = name.replace(".", "/")
    return (PACKAGE / inside).is_dir() or PACKAGE.parent / inside in BESIDE


def imports(name: str) -> Iterator[str]:
    """The modules of the package that one imports anywhere, in functions too."""
    base = name.split(".") if is_package(name) else name.split(".")[:-1]
    if name == "__init__":
        base = []
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            targets = [a.name.split(".") for a in node.names]
            yield from (".".join(t[1:]) for t in targets if t[0] == "lw_rl" and len(t) > 1)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                start = base[: len(base) - node.level + 1] + (node.module or "").split(".")
            elif (node.module or "").split(".")[0] == "lw_rl":
                start = node.module.split(".")[1:]
            else:
                continue
            start = [part for part in start if part]
            for alias in node.names:
                whole = ".".join([*start, alias.name])
                yield whole if whole in modules() or not start else ".".join(start)


def top(name: str) -> str:
    return name.split(".")[0]


def others(name: str) -> Iterator[str]:
    """What it imports from other packages and modules of the top level."""
    for target in imports(name):
        if top(target) != top(name) and top(target) in LEAF:
            yield target


def external(name: str) -> set[str]:
    """The first names of what it imports from elsewhere."""
    found = set()
    for node in ast.walk(modules()[name]):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found.add(node.module.split(".")[0])
    return found


# ---- the rules ------------------------------------------------------------------------------


def test_everything_has_its_place():
    tops = {top(name) for name in modules()}
    assert tops - OUTSIDE == set(LEAF)


def test_every_package_and_its_data_are_installed():
    settings = tomllib.loads((TESTS.parent / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {
        ".".join(("lw_rl", *folder.relative_to(PACKAGE).parts)): folder
        for folder in (path.parent for path in PACKAGE.rglob("__init__.py"))
    } | {f"lw_rl.{folder.name}": folder for folder in BESIDE}
    assert set(settings["packages"]) == set(folders)
    installed = {
        path
        for name, patterns in settings["package-data"].items()
        for pattern in patterns
        for path in folders[name].glob(pattern)
    }
    written_here = {".py", ".pyc", ".nbi", ".nbc"}
    data = {
        path
        for folder in (PACKAGE, *BESIDE)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in written_here
    }
    assert installed == data


def test_imports_go_down():
    upwards = {
        (name, target)
        for name in modules()
        if top(name) not in OUTSIDE
        for target in others(name)
        if not LEAF[top(target)] > LEAF[top(name)] and LEAF[top(name)] < len(ROWS) - 1
    }
    assert upwards == UPWARDS


def test_there_is_no_circle_of_files():
    graph = {
        name: {t for t in imports(name) if t in modules() and t != name}
        for name in modules()
        if name not in OUTSIDE
    }
    while graph:
        free = {n for n, targets in graph.items() if not targets & graph.keys()}
        assert free, f"these import each other: {sorted(graph)}"
        graph = {n: t for n, t in graph.items() if n not in free}


def test_the_top_level_is_small():
    flat = [p for p in PACKAGE.glob("*.py") if p.stem != "__init__"]
    assert len(flat) <= 14


def test_only_what_trains_imports_torch():
    heavy = {
        name for name in modules() if external(name) & {"torch", "stable_baselines3", "tensorboard"}
    }
    assert {top(name) for name in heavy} <= {"training", "experiments"}


#: Attributes of a context and of its atoms, in both spellings of the host.
_INSIDES = {"activeAtoms", "active_atoms", "eqPops", "eq_pops", "detailedAtoms", "detailed_atoms"}


def touches_a_context(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if node.attr in _INSIDES:
                return True
            if node.attr == "J" and isinstance(node.value, ast.Attribute):
                if node.value.attr == "spect":
                    return True
    return False


def test_only_the_host_touches_the_insides_of_a_context():
    found = {n for n, tree in modules().items() if top(n) != "host" and touches_a_context(tree)}
    assert found == TOUCHES_A_CONTEXT


def test_every_public_module_lists_its_names():
    without = {
        name
        for name, tree in modules().items()
        if not any(part.startswith("_") for part in name.split(".") if part != "__init__")
        and not is_package(name)
        and not any(
            isinstance(node, ast.Assign | ast.AnnAssign)
            and any(
                isinstance(t, ast.Name) and t.id == "__all__"
                for t in (node.targets if isinstance(node, ast.Assign) else [node.target])
            )
            for node in tree.body
        )
    }
    assert without == WITHOUT_ALL


def file_of_tests(name: str) -> Path:
    """Where a module is tested; the small modules of atoms and atmospheres share a file."""
    *rooms, last = name.split(".")
    if top(name) in {folder.name for folder in BESIDE}:
        rooms, last = [], top(name)
    return TESTS.joinpath(*rooms) / f"test_{last}.py"


def test_every_module_has_a_test_file():
    without = {
        name
        for name in modules()
        if top(name) not in OUTSIDE and not is_package(name)
        if not file_of_tests(name).exists()
    }
    assert without == WITHOUT_TESTS


@pytest.mark.parametrize("package", [n for n in modules() if is_package(n)])
def test_every_package_says_what_it_is_for(package):
    text = ast.get_docstring(modules()[package]) or ""
    assert len(text.splitlines()) > 2, "what may be changed there, and what it may import"

"""The parts of `lw-rl cube-bench`: what each measures, and what its numbers depend on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...cube.cluster import policy_id
from ...cube.settings import CubeSettings
from ...cube.source import Source
from ...cube.synthetic import synthetic_cube
from ...files import Json, versions, write_json
from ...policies.base import make_policy
from . import measure, truth
from . import parts as experiments
from .endurance import endure

__all__ = ["PARTS", "Plan", "conditions", "kept", "load", "run"]

Notify = Callable[[str], None]

#: Side of the synthetic cube that stands in where no file is given.
_SIDE = 5
#: Columns that are timed one after another.
_TIMED = 192


@dataclass(frozen=True)
class Plan:
    """What is measured, as the options of the command say.

    Attributes
    ----------
    side, seed : int
        The large cube.
    line : str
        The line.
    start : str or None
        As in `CubeSettings`; None for its default.
    workers : int
        Processes.
    sample : int
        Columns that the plain process pool is timed on.
    kills : int
        Kills.
    cube : str or None
        File of the cube whose columns are compared with references.
    """

    side: int = 64
    seed: int = 0
    line: str = "CaII_K"
    start: str | None = None
    workers: int = 2
    sample: int = 256
    kills: int = 20
    cube: str | None = None

    @property
    def settings(self) -> Json:
        """What `lw_rl.cube.solve` is given."""
        return {"line": self.line, **({"start": self.start} if self.start else {})}


def _truth(plan: Plan, work: Path, notify: Notify) -> Json:
    data = plan.cube or synthetic_cube(_SIDE, _SIDE, seed=plan.seed)
    found = truth.against_references(
        work, Source(data), data, plan.workers, notify, **plan.settings
    )
    return {"cube": Path(plan.cube).name if plan.cube else "synthetic", **found}


def _column(plan: Plan, work: Path, notify: Notify) -> Json:
    cube = synthetic_cube(16, 16, seed=plan.seed)
    return truth.stages(measure.subsample(Source(cube), _TIMED), **plan.settings)


def _start(plan: Plan, work: Path, notify: Notify) -> Json:
    cubes = {
        "smooth": synthetic_cube(plan.side, plan.side, seed=plan.seed),
        "shocks": experiments.shocked_cube(plan.side, plan.seed),
    }
    return {
        name: experiments.compare_starts(Source(cube), plan.line) for name, cube in cubes.items()
    }


def _rate(plan: Plan, work: Path, notify: Notify) -> Json:
    return measure.rates(
        work, plan.side, plan.seed, plan.workers, plan.sample, notify, **plan.settings
    )


def _kills(plan: Plan, work: Path, notify: Notify) -> Json:
    return asdict(endure(work, plan.kills, plan.side, plan.seed, notify=notify))


def _learn(plan: Plan, work: Path, notify: Notify) -> Json:
    return experiments.learning_curve(
        work,
        experiments.shocked_cube(plan.side, plan.seed),
        plan.workers,
        lambda p: notify(f"learn: {p.columns} of {p.total}"),
        **plan.settings,
    )


#: By part: what measures it, and the fields of the plan that its numbers depend on.
PARTS: Mapping[str, tuple[Callable[[Plan, Path, Notify], Json], tuple[str, ...]]] = {
    "truth": (_truth, ("line", "start", "seed", "cube")),
    "column": (_column, ("line", "start", "seed")),
    "start": (_start, ("line", "side", "seed")),
    "rate": (_rate, ("line", "start", "side", "seed", "workers", "sample")),
    "kills": (_kills, ("side", "seed", "kills")),
    "learn": (_learn, ("line", "start", "side", "seed", "workers")),
}


def conditions(part: str, plan: Plan) -> Json:
    """Return what a part's numbers depend on: fields of the plan, versions, the policy."""
    found = {name: getattr(plan, name) for name in PARTS[part][1]}
    if "start" in found:
        found["start"] = plan.start or CubeSettings.start
    return {
        **found,
        "versions": versions(),
        "policy": policy_id(make_policy("default")),
    }


def load(file: Path) -> Json:
    """Return what a result file holds, nothing if there is none."""
    return json.loads(file.read_text()) if file.exists() else {}


def kept(document: Mapping[str, Any], part: str, plan: Plan) -> bool:
    """Return whether a result file has a part, measured under the same conditions."""
    return document.get(part, {}).get("conditions") == conditions(part, plan)


def run(part: str, plan: Plan, out: Path, command: str, notify: Notify) -> None:
    """Measure a part and put it into the result file, beside what was measured before.

    Parameters
    ----------
    part : str
        One of :data:`PARTS`.
    plan : Plan
        What to measure it on.
    out : Path
        Directory of the result file, ``cube_bench.json``, and of the outputs, which are removed
        once the part is done.
    command : str
        The command, which the file records.
    notify : callable
        Called with what is going on.
    """
    work = out / f"work_{part}"
    # What an interrupted run left is no measurement.
    shutil.rmtree(work, ignore_errors=True)
    notify(part)
    found = PARTS[part][0](plan, work, notify)
    shutil.rmtree(work, ignore_errors=True)
    file = out / "cube_bench.json"
    document = load(file)
    document[part] = {"command": command, "conditions": conditions(part, plan), **found}
    write_json(file, document, readable=True)

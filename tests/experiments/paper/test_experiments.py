"""The paper's experiments: what they are recognised by."""

from __future__ import annotations

from dataclasses import dataclass

from lw_rl.experiments.paper.experiments import FACTS, RUNS, experiments
from lw_rl.slab import source_shapes


@dataclass(frozen=True, eq=False)
class CoarserSpline(source_shapes.MonotoneSpline):
    Ncoef: int = 8


def test_another_spline_is_another_experiment(monkeypatch):
    """It names its family of source functions; the family's parameters decide it, too."""

    def configs():
        return {e.key: e.config for e in experiments(1, True)}

    before = configs()
    monkeypatch.setitem(source_shapes.SHAPES, "spline", CoarserSpline)
    after = configs()
    changed = {key for key in before if before[key] != after[key]}
    splines = {name for name, run in RUNS.items() if run.options.get("shape") == "spline"}
    assert changed == {"facts-expressiveness"} | {
        e.key for e in experiments(1, True) if e.kind == "sac" and e.name in splines
    }


def test_facts_come_first_and_then_seed_by_seed():
    work = experiments(2, False)
    assert [e.name for e in work[: len(FACTS)]] == list(FACTS)
    seeds = [e.seed for e in work[len(FACTS) :]]
    assert seeds == sorted(seeds) and set(seeds) == {0, 1}
    assert len({e.key for e in work}) == len(work)

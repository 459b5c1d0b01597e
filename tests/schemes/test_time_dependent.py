"""The corrections of one step in time: they fall, and give up where they do not."""

from __future__ import annotations

import numpy as np
from multilevel_helpers import problem

from lw_rl.certificate.history import RUN
from lw_rl.host.adapter import Adapter
from lw_rl.schemes.time_dependent import TimeDependentStep


def heated():
    ctx = problem("hydrogen")
    ctx.atmos.temperature[20:40] *= 1.2
    ctx.update_deps()
    return Adapter(ctx)


def test_corrections_fall():
    adapter = heated()
    step = TimeDependentStep(adapter, 1.0, adapter.populations())
    sizes = []
    for _ in range(4):
        adapter.formal_solution()
        n = step.propose(adapter.populations())
        adapter.write(adapter.unknown(n))
        sizes.append(step.size)
    assert sizes[-1] < 1e-2 * sizes[0]


def test_without_progress_the_hosts_updates_go_on():
    adapter = heated()
    step = TimeDependentStep(adapter, 1.0, adapter.populations())
    n = adapter.populations()
    step._least = 0.0
    proposals = []
    for _ in range(RUN + 1):
        adapter.formal_solution()
        proposals.append(step.propose(n))
    assert proposals[0] is not None
    assert proposals[-1] is None
    assert not step.by_operator


def test_equations_without_a_solution_are_left_to_the_host(monkeypatch):
    adapter = heated()
    step = TimeDependentStep(adapter, 1.0, adapter.populations())
    adapter.formal_solution()

    def singular(*_):
        raise np.linalg.LinAlgError

    monkeypatch.setattr(step._operator, "solve", singular)
    assert step.propose(adapter.populations()) is None

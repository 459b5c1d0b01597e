"""A problem made ready for episodes: context at its start, operator, and solution, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..arrays import Array
from ..errors import ContextError
from ..host.adapter import Adapter
from ..host.state import Evaluation, LinePhysics, Snapshot
from ..iterate import iterate_ctx_rl
from ..operator.base import (
    EquilibriumOperator,
    KnowsRadiation,
    able,
    geometry_for,
    lit,
    operator_for,
)
from ..operator.lambda_1d import Plane1D
from ..operator.plane_2d import Plane2D
from ..policies.observation import Frame, make_frame
from ..problems import Problem
from ..schemes import Depthwise
from . import cache

__all__ = ["Prepared", "prepare", "solve_once"]

#: Tolerance of the solutions.
_TOLERANCE = 1e-9
#: Formal solutions after which a solution is taken as it is.
_BUDGET = 400


@dataclass
class Prepared:
    """A problem whose context can be put back to its start.

    Attributes
    ----------
    adapter : Adapter
        Of its context.
    start : Snapshot
        The start, in LTE.
    physics : LinePhysics
        Of its line.
    geometry : Plane1D or Plane2D
        Where it is.
    operator : EquilibriumOperator
        Around its own solution, which is `first`, shape [Nspace].
    frame : Frame
        Of its observations.
    solution : Array or None
        The unknown at statistical equilibrium, shape [Nspace], if it is known.
    Nformal : int
        Formal solutions that the solution took, now or when it was found.
    """

    adapter: Adapter
    start: Snapshot
    physics: LinePhysics
    geometry: Plane1D | Plane2D
    operator: EquilibriumOperator
    first: Array
    frame: Frame
    solution: Array | None = None
    Nformal: int = 0

    def begin(self) -> None:
        """Put the context back to its start, and the operator to what it was there.

        In two dimensions the operator is linearised around the states that it sees, and remembers
        them: an episode must not know of the one before.
        """
        self.adapter.restore(self.start)
        if isinstance(self.geometry, Plane2D):
            atom = self.adapter.atom(self.adapter.blocks[0])
            operator = operator_for(atom, self.geometry, self.first)
            assert operator is not None
            self.operator = operator

    def evaluate(self, y: Array | None) -> Evaluation:
        """Make a formal solution, at the present populations or a state, as a solve does."""
        return lit(self.adapter.evaluate(y), {self.adapter.blocks[0]: self.operator})

    def shine(self) -> None:
        """Write the mean intensity of the operator's own solution, where it is known."""
        if able(self.operator, KnowsRadiation):
            J = cast(KnowsRadiation, self.operator).start_radiation()
            if J is not None:
                self.adapter.write_line_radiation(self.adapter.blocks[0], J)


def prepare(problem: Problem, Npoints: int, solved: bool) -> Prepared:
    """Prepare a problem.

    Parameters
    ----------
    problem : Problem
        Of one two-level atom.
    Npoints : int
        Points of the policy.
    solved : bool
        Whether to find its solution.

    Raises
    ------
    ContextError
        If it is another kind of problem.
    """
    adapter = Adapter(problem.context())
    block, geometry = adapter.blocks[0], geometry_for(adapter.grid)
    operator = operator_for(adapter.atom(block), geometry)
    if len(adapter.blocks) != 1 or geometry is None or operator is None:
        raise ContextError(f"problem {problem.name!r} is not a single two-level atom")
    physics = adapter.line_physics(block)
    prepared = Prepared(
        adapter,
        adapter.snapshot(),
        physics,
        geometry,
        operator,
        operator.start(),
        make_frame(physics, Npoints),
    )
    if solved:
        prepared.solution, prepared.Nformal = solve_once(adapter, physics, problem.atom)
    return prepared


def solve_once(adapter: Adapter, physics: LinePhysics, atom: str) -> tuple[Array, int]:
    """Return a problem's solution, and the formal solutions it took, now or when it was found.

    The context is left in some state on the way.

    Parameters
    ----------
    adapter : Adapter
        Of one two-level atom, in LTE.
    physics : LinePhysics
        Its line's.
    atom : str
        The line's name.

    Returns
    -------
    y : Array
        The unknown at statistical equilibrium, shape [Nspace].
    Nformal : int
    """
    counted = [0]

    def count(accelerated: Any) -> None:
        counted[0] = accelerated.report.Nformal

    def find() -> dict[str, Array]:
        iterate_ctx_rl(
            adapter.ctx,
            scheme=Depthwise(None),
            quiet=True,
            popsTol=_TOLERANCE,
            JTol=np.inf,
            NmaxIter=_BUDGET,
            callback=count,
        )
        return {"y": adapter.read(), "Nformal": np.array(counted[0])}

    found = cache.kept(cache.key(f"solution {_TOLERANCE:.0e}", physics, atom), find)
    return found["y"], int(found["Nformal"])

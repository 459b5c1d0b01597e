"""Episodes on atoms with many levels: one agent for each line and depth, all alike."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, Single
from ..certificate.history import History
from ..errors import ContextError, PolicyOutputError
from ..host.adapter import Adapter
from ..host.state import Evaluation
from ..policies.observation import (
    NCHANNELS,
    Frame,
    Previous,
    correction,
    make_frame,
    observe,
    observe_depths,
    size_of,
)
from ..problems import Problem
from ..schemes.lines import LineByLine, LinesState, Look, SeenLine, lines_of
from .prepared import solve_once
from .reward import REWARD_CLIP, reward_map

__all__ = ["LineAgents"]

_BESIDE = LineByLine(None)


class LineAgents:
    """A problem of atoms with many levels, beside whose coupled operator agents correct lines.

    Parameters
    ----------
    problem : Problem
        In one dimension, at complete redistribution.
    Npoints : int
        Points of the policy.
    solved : bool
        Whether to find its solution, for a reward by the true error.

    Attributes
    ----------
    adapter : Adapter
        Of its context.
    Nline : int
        Lines of its atoms. Those that are thin, or inverted somewhere, are nobody's: their
        observations are zero, and their actions do nothing.
    solution : Array or None
        The unknown at statistical equilibrium, shape [Nunknown], if it is known.
    size : float
        Size of the operator's next step, in the logarithm of the populations.

    Raises
    ------
    ContextError
        If it is another kind of problem.
    """

    def __init__(self, problem: Problem, Npoints: int, solved: bool):
        self.adapter = Adapter(problem.context())
        self._points = Npoints
        self._start = self.adapter.snapshot()
        state = lines_of(self.adapter, History())
        if state is None or problem.prd:
            raise ContextError(
                f"problem {problem.name!r} is in two dimensions or in partial redistribution: "
                "there no policy acts on the lines of atoms with many levels"
            )
        self.solution: Array | None = None
        self.Nformal = 0
        if solved:
            any_line = next(iter(state.lines.lines.values())).physics()
            self.solution, self.Nformal = solve_once(self.adapter, any_line, problem.atom)
        self.begin()

    def begin(self) -> None:
        """Put the context back to its start, LTE, and make the first formal solution."""
        self.adapter.restore(self._start)
        state = lines_of(self.adapter, History())
        assert state is not None
        self._state: LinesState = state
        self._places = {k: place for place, k in enumerate(state.lines.lines)}
        self.Nline = len(self._places)
        if not self._evaluate(None):
            raise ContextError("the host's equations cannot be solved in LTE")

    @property
    def error(self) -> float | None:
        """The largest true error of the logarithm of the populations, if it is known."""
        if self.solution is None:
            return None
        return float(np.max(np.abs(self._evaluation.y - self.solution)))

    def step(self, action: Single) -> tuple[Array, bool]:
        """Correct all lines and make one formal solution.

        Parameters
        ----------
        action : Array
            Values in [-1, 1], [Npoints, Nline].

        Returns
        -------
        rewards : Array
            Point by point, [Npoints, Nline].
        valid : bool
            Whether there is a residual; if not, this goes back to the state before.
        """
        look, state, before = self._look, self._state, self._evaluation
        steps = {
            k: correction(self._frame(k), action[:, self._places[k]], s.estimate)
            for k, s in look.seen.items()
        }
        try:
            away = _BESIDE.lead(look, steps, state)
        except np.linalg.LinAlgError:
            return np.full(action.shape, -REWARD_CLIP), False
        y = look.y if away is None else look.y + away
        state.last = {k: (step, look.seen[k].estimate) for k, step in steps.items()}
        state.history.add(before, False, image=y)
        rewards = np.zeros(action.shape)
        if not self._evaluate(y):
            rewards[:] = -REWARD_CLIP
            return rewards, False
        for k, seen in look.seen.items():
            if k not in self._look.seen:
                continue
            if self.solution is None:
                errors = seen.estimate, self._look.seen[k].estimate
            else:
                there = state.lines.source(k, self.adapter.levels(self.solution))
                if there is None:
                    continue
                errors = seen.line.y - there, self._look.seen[k].line.y - there
            frame = self._frame(k)
            rewards[:, self._places[k]] = reward_map(*(observe_depths(frame, e) for e in errors))
        return rewards, True

    def observe(self) -> Single:
        """Return what all agents see, float32, [NCHANNELS, Npoints, Nline]."""
        observation = np.zeros((NCHANNELS, self._points, self.Nline), np.float32)
        for k, s in self._look.seen.items():
            observation[:, :, self._places[k]] = observe(
                self._frame(k), s.line.y, s.r, s.estimate, self._state.previous(k, s)
            )
        return observation

    def solved(self) -> list[tuple[SeenLine, Array, Previous | None]]:
        """Return every line that is seen, its ln S at the solution, and what the last step did.

        Raises
        ------
        ContextError
            If the solution is not known.
        """
        if self.solution is None:
            raise ContextError("the solution of this problem was not asked for")
        n, state, found = self.adapter.levels(self.solution), self._state, []
        for k, seen in self._look.seen.items():
            there = state.lines.source(k, n)
            if there is not None:
                found.append((seen, there, state.previous(k, seen)))
        return found

    @property
    def size(self) -> float:
        """Size of the operator's next step, in the logarithm of the populations."""
        return size_of(self._look.y - self._evaluation.y)

    def _frame(self, k: int) -> Frame:
        return make_frame(self._look.seen[k].line.physics, self._points)

    def _evaluate(self, y: Array | None) -> bool:
        before = self.adapter.snapshot()
        evaluation = self.adapter.evaluate(y)
        if not evaluation.valid:
            self.adapter.restore(before)
            return False
        try:
            look = self._looked(evaluation)
        except np.linalg.LinAlgError:
            # So far away that the operator's equations have no solution.
            self.adapter.restore(before)
            return False
        self._evaluation: Evaluation = evaluation
        self._look: Look = look
        return True

    def _looked(self, evaluation: Evaluation) -> Look:
        try:
            return _BESIDE.look(evaluation, self._state)
        except PolicyOutputError:
            # The coupled operator gets nowhere: an agent may.
            self._state.coupled.vain = 0
            return _BESIDE.look(evaluation, self._state)

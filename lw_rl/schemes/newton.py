"""Complete linearisation: a Newton step of the host's own equations, as a step of an iteration."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array, Integers
from ..certificate.settings import shipped
from ..errors import ContextError
from ..host.adapter import Adapter
from ..host.medium import Medium, check_differentiable, medium
from ..norms import largest, limit_step, to_log
from ..operator.effort import Effort
from ..operator.linearised import LinearisedEquilibrium, State, scatters
from .anderson import MAX_STEP

__all__ = ["SLOW", "NewtonStep", "newton_step"]

#: A step that is not smaller than the last one by this is slow. The operator's hand over to
#: complete linearisation: problem 3002 of the stream atoms takes 7 formal solutions, without
#: it more than 10. A linearisation is made anew: hydrogen in FAL-C heated by 1.6 takes 9, else 25.
SLOW = 0.3

#: Unknowns above which it is left: hydrogen with six levels at 328 depths, 1968 of them, takes the
#: time of 120 formal solutions for a linearisation, at 82 depths that of 20. Problem 5012 of
#: the stream atoms, with 1728, takes 7 formal solutions, without it 23.
_MOST_UNKNOWNS = 2000


@dataclass
class NewtonStep:
    """Newton steps of statistical equilibrium, opacities, light and scattering included.

    Complete linearisation (Auer and Mihalas 1969, ApJ 158, 641) of the host's own discrete
    equations (`lw_rl.operator.linearised`). It converges quadratically where it converges, and a
    step is dearer than one of `lw_rl.operator.multilevel`, whose mean intensities are its own and
    only tied to the host's.

    Attributes
    ----------
    adapter : Adapter
        Access to the context.
    effort : Effort
        What it took.

    It remembers its last linearisation, and the size of the last step, whether taken or not.
    """

    adapter: Adapter
    effort: Effort = field(default_factory=Effort)
    _medium: Medium | None = field(default=None, repr=False)
    _last: LinearisedEquilibrium | None = field(default=None, repr=False)
    _size: float = np.inf

    def propose(self, y: Array) -> tuple[Array, float, tuple[Integers, Array]] | None:
        """Return the next unknown and the size of the step to it, None if there is none.

        And the wavelengths at which light is scattered, with the mean intensity there that goes
        with it.

        Parameters
        ----------
        y : Array
            The unknown, in the logarithm, shape [Nunknown].
        """
        if not self.adapter.settled or np.any(self.adapter.profiles() != 1.0):
            return None
        if self._medium is None:
            self._medium = medium(self.adapter.ctx)
        m = self._medium
        n = self.adapter.levels(y)
        state = State(m, n, self.adapter.scattered_radiation())
        # Rates and light are the host's own, derivatives are ours: in the dark, where populations
        # of a share of 1e-70 take their rates from, intensities are what rounding makes of them.
        state.J = self.adapter.iterated_radiation()
        try:
            change = self._corrected(state, self.adapter.net_rates(y))
        except (np.linalg.LinAlgError, ValueError):
            return None
        if not np.isfinite(change.sum()):
            return None
        log = to_log(change)
        new = np.exp(limit_step(np.log(n), np.log(n) + log, MAX_STEP))
        waves = np.flatnonzero(scatters(m.height, state.total, m.sca))
        J = state.J[waves]
        J *= np.exp(to_log(state.following(waves, new - n) / J - 1.0))
        return self.adapter.unknown(np.split(new, m.first_level[1:])), largest(log), (waves, J)

    def _corrected(self, state: State, net: Array) -> Array:
        """Return the relative change of the populations, by a linearisation as old as serves."""
        none = np.zeros_like(state.medium.nTotal)
        last, before = self._last, self._size
        if last is not None and largest(np.log(state.n / last.state.n)) < shipped().moved:
            change = last.solve(net, none) / state.n
            self._size = largest(change)
            if self._size < SLOW * before:
                return change
        Nwave, Nspace = state.J.shape
        self.effort.did("complete", Nwave * Nspace * state.n.size)
        self._last = linear = LinearisedEquilibrium(state, (state.lagging(),))
        change = linear.solve(net + linear.gained(), none) / state.n
        self._size = largest(change)
        return change


def newton_step(adapter: Adapter, effort: Effort) -> NewtonStep | None:
    """Return the Newton steps of a context, None where its equations cannot be differentiated."""
    unknowns = sum(p.size for p in adapter.populations())
    if adapter.conserves_charge or unknowns > _MOST_UNKNOWNS:
        return None
    try:
        check_differentiable(adapter.ctx)
    except ContextError:
        return None
    return NewtonStep(adapter, effort)

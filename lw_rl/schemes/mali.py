"""The host's own iteration: multilevel accelerated lambda iteration, and plain Lambda iteration."""

from __future__ import annotations

from dataclasses import dataclass

from ..certificate.history import History
from ..host.adapter import Adapter
from ..host.state import Evaluation
from .base import Step

__all__ = ["Lambda", "Mali", "MaliScattering"]


@dataclass(frozen=True)
class Mali:
    """Accelerated lambda iteration with full preconditioning, exactly as the host does it.

    Rybicki and Hummer 1992, A&A 262, 209.
    """

    name: str = "mali"
    lambdaIterate: bool = False
    solves_scattering: bool = False

    def init(self, adapter: Adapter, history: History) -> None:
        """There is no state."""

    def step(self, evaluation: Evaluation, state: None) -> Step:
        """Keep the host's update."""
        return Step(None, by=self.name)


@dataclass(frozen=True)
class MaliScattering(Mali):
    """MALI with the background's coherent scattering solved (`lw_rl.operator.scattering`)."""

    name: str = "mali_scattering"
    solves_scattering: bool = True


@dataclass(frozen=True)
class Lambda(Mali):
    """Classical Lambda iteration: the approximate operator is left out."""

    name: str = "lambda"
    lambdaIterate: bool = True

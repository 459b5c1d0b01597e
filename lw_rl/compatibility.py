"""Modules of 0.1 under their old names, for one release, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["install"]

#: Where the modules of 0.1 are now, and what is called otherwise in them.
_MOVED: dict[str, tuple[str, dict[str, str]]] = {
    "actor": ("policies.actor", {}),
    "adapter": ("host.adapter", {}),
    "approximate_operator": ("operator.two_level", {"ApproximateOperator": "TwoLevelOperator"}),
    "blas": ("host.threads", {}),
    "cache": ("envs.cache", {}),
    "calibration": ("benchmark.calibration", {}),
    "context": ("host.context", {}),
    "convergence": ("certificate.convergence", {}),
    "enclosure": ("certificate.bounds", {}),
    "line_physics": ("host.line_physics", {}),
    "network": ("policies.network", {}),
    "observation": ("policies.observation", {}),
    "paper": ("experiments.paper.run", {}),
    "peers": ("slab.peers", {}),
    "plots": ("benchmark.plots", {}),
    "readme": ("benchmark.readme", {}),
    "reference": ("benchmark.reference", {}),
    "report": ("benchmark.report", {}),
    "results": ("benchmark.solves", {"Result": "ProblemResult", "Solve": "PeerSolve"}),
    "schemes.guard": ("schemes.safeguarded", {"Guard": "SafeguardState"}),
    "schemes.history": ("extrapolation", {}),
    "second_opinion": ("certificate.defect_correction", {"SecondOpinion": "DefectCorrection"}),
    "soak": ("benchmark.robustness", {}),
    "soak_problems": ("benchmark.robustness_problems", {}),
    "source_shapes": ("slab.source_shapes", {}),
    "state": ("host.state", {}),
    "tables": ("benchmark.tables", {}),
    "training.held_actor": (
        "training.target_entropy",
        {"HeldActor": "TargetEntropyActor", "HeldPolicy": "TargetEntropyPolicy"},
    ),
    "training_plots": ("training.plots", {}),
    "unknown": ("host.unknown", {}),
    "visited": ("certificate.history", {"Visited": "History"}),
}


class _Moved(MetaPathFinder, Loader):
    """Finds a module under its old name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, old = fullname.partition(".")
        return ModuleSpec(fullname, self) if package == "lw_rl" and old in _MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new, renamed = _MOVED[spec.name.partition(".")[2]]
        warnings.warn(
            f"{spec.name} is now lw_rl.{new}; the old name goes with the next release",
            DeprecationWarning,
            stacklevel=2,
        )
        module = ModuleType(spec.name, f"Moved to lw_rl.{new}.")

        def attribute(name: str) -> Any:
            return getattr(import_module(f"lw_rl.{new}"), renamed.get(name, name))

        module.__getattr__ = attribute  # type: ignore[method-assign]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Everything is in place."""


def install() -> None:
    """Let the old names be imported."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())

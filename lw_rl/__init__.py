"""Accelerated non-LTE iterations for Lightweaver, with a certified error.

One line of code changes: ``lw_rl.iterate_ctx_rl(ctx)`` instead of ``lw.iterate_ctx_se(ctx)``.
Importing this package imports neither torch nor stable-baselines3; the public names are imported
when they are first used, so that ``lw-rl --help`` need not wait for Lightweaver.
"""

from __future__ import annotations

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from pathlib import Path as _Path
from typing import TYPE_CHECKING, Any

import gymnasium as _gymnasium

from .compatibility import install as _install_old_names

if TYPE_CHECKING:
    # The type checker looks for lw_rl.atoms in this folder; it is mapped from the top level.
    from . import atmospheres, atoms, cube, errors, problems, schemes  # type: ignore[attr-defined]
    from .analysis.refine import refine
    from .analysis.response_functions import response_functions
    from .analysis.time_step import TimeStep, time_step
    from .certificate.convergence import Certified
    from .errors import LwRlError
    from .host.context import build_context
    from .iterate import accelerate, iterate_ctx_rl, solve
    from .result import ErrorEstimate, Result

__all__ = [
    "Certified",
    "ErrorEstimate",
    "LwRlError",
    "Result",
    "TimeStep",
    "__version__",
    "accelerate",
    "atmospheres",
    "atoms",
    "build_context",
    "cube",
    "errors",
    "iterate_ctx_rl",
    "problems",
    "refine",
    "response_functions",
    "schemes",
    "solve",
    "time_step",
]

__version__ = _version("lw-rl")

# A script that is run in the root of a checkout imports these sources, not what is installed, and
# here `atoms` and `atmospheres` stand beside the package.
_ROOT = _Path(__file__).parents[1]
if not (_Path(__file__).parent / "atoms").is_dir() and (_ROOT / "atoms/__init__.py").is_file():
    __path__.append(str(_ROOT))

#: Where each public name lives; the empty string stands for a module of that name.
_HOMES = {
    "Certified": "certificate.convergence",
    "ErrorEstimate": "result",
    "LwRlError": "errors",
    "Result": "result",
    "accelerate": "iterate",
    "atmospheres": "",
    "atoms": "",
    "build_context": "host.context",
    "cube": "",
    "errors": "",
    "iterate_ctx_rl": "iterate",
    "problems": "",
    "refine": "analysis.refine",
    "response_functions": "analysis.response_functions",
    "schemes": "",
    "solve": "iterate",
    "TimeStep": "analysis.time_step",
    "time_step": "analysis.time_step",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _import_module(f"{__name__}.{_HOMES[name] or name}")
    value = getattr(module, name) if _HOMES[name] else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, whether they are imported yet or not."""
    return sorted({*globals(), *__all__})


_install_old_names()

# Strings, so that neither environment is imported before it is made. An id that is there already
# means that this module was reloaded; registering again would only warn.
for _id, _entry_point, _limit in (
    ("lw_rl/SigmoidSource-v0", "lw_rl.envs.sigmoid_source:SigmoidSource", None),
    ("lw_rl/StatEquil-v0", "lw_rl.envs.stat_equil:StatEquil", 20),
    ("lw_rl/Drive-v0", "lw_rl.envs.drive:Drive", None),
    ("lw_rl/MultiGoal-v0", "lw_rl.envs.multigoal:MultiGoal", 20),
):
    if _id not in _gymnasium.registry:
        _gymnasium.register(id=_id, entry_point=_entry_point, max_episode_steps=_limit)

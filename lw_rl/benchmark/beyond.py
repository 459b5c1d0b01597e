"""What response functions, refined populations, steps in time and sequences cost, beside the host.

Run as ``python -m lw_rl.benchmark.beyond RESULT.json``; finite differences of many depths take an
hour. References are made by MALI with the background's scattering solved, or by the host's own
loops, never by what is measured. Times are processor times of this process.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import process_time
from typing import Any

import lightweaver as lw
import numpy as np
from lightweaver.rh_atoms import H_4_atom

from .. import atmospheres, atoms
from ..analysis.refine import refine
from ..analysis.response_functions import response_functions
from ..analysis.time_step import TimeStep, time_step
from ..arrays import Array
from ..files import Json, write_json
from ..host.adapter import Adapter
from ..host.context import build_context
from ..host.medium import QUANTITIES, perturbed
from ..iterate import solve
from ..operator.scattering import SolvedScattering

__all__ = ["main", "refined", "responses", "sequence", "time_series"]

#: Change at which a solution for differences ends, and that at which it is counted, the steps being
#: these times those of the derivatives.
_SETTLED, _COUNTED, _STEPS = 1e-10, 1e-6, 10.0
#: How wrong the populations are that are refined, in the logarithm.
_WRONG = {"3 %": 0.03, "30 %": np.log(1.3), "ten": np.log(10.0), "upper": np.log(3.0)}


def _settle(ctx: lw.Context) -> int:
    """Solve by MALI with scattering solved, and return the formal solutions to `_COUNTED`."""
    adapter = Adapter(ctx)
    formal, counted = SolvedScattering(adapter), 0
    for _ in range(3000):
        formal.formal_solution()
        before = adapter.populations()
        adapter.plain_update()
        pairs = zip(adapter.populations(), before, strict=True)
        change = max(float(np.max(np.abs(n / m - 1.0))) for n, m in pairs)
        if change < _COUNTED and not counted:
            counted = adapter.Nformal
        if change < _SETTLED:
            break
    return counted


def responses(atom: str, quantity: str, atmosphere: str = "FALC", every: int = 1) -> Json:
    """Measure response functions against central differences of solutions at every so many depths.

    Parameters
    ----------
    atom, quantity, atmosphere : str
        Names.
    every : int, optional
        Depths that are compared: one of so many (default: 1). What differences cost is that of all.
    """
    ctx = build_context(atom, atmosphere)
    solve(ctx, quiet=True)
    response_functions(ctx, quantity)  # compiled
    start = process_time()
    ds = response_functions(ctx, quantity)
    seconds = process_time() - start
    _settle(ctx)
    value = ds.value.values[0]
    relative = QUANTITIES[quantity][0] in ("K", "m-3")
    step = _STEPS * QUANTITIES[quantity][1] * (np.abs(value) if relative else np.ones_like(value))
    depths = range(0, len(value), every)
    counted, error, start = 0, np.zeros(ds.sizes["wavelength"]), process_time()
    for depth in depths:
        light = []
        for sign in (1.0, -1.0):
            change = np.zeros_like(value)
            change[depth] = sign * step[depth]
            other = perturbed(ctx, quantity, change)
            counted += _settle(other)
            light.append(np.asarray(other.compute_rays(mus=1.0)))
        difference = (light[0] - light[1]) / (2.0 * step[depth])
        error = np.maximum(error, np.abs(ds.response.values[0, :, depth] - difference))
    share = len(value) / len(depths)
    size = np.abs(ds.response.values[0]).max(axis=1)
    seen = size > 1e-2 * size.max()
    return {
        "formal_solutions": ds.attrs["formal_solutions"],
        "seconds": seconds,
        "estimate": float(ds.error[0]),
        "error": float(error.max() / size.max()),
        "error_of_a_wavelength": float((error / size)[seen].max()),
        "differences_formal_solutions": int(counted * share),
        "differences_seconds": (process_time() - start) * share,
    }


def refined(atom: str, atmosphere: str = "FALC", seed: int = 0) -> Json:
    """Measure what wrong populations take to a certified error of 1e-3, beside LTE."""
    ctx = build_context(atom, atmosphere)
    found: Json = {"LTE": solve(ctx, quiet=True).Nformal}
    _settle(ctx)
    adapter, rng = Adapter(ctx), np.random.default_rng(seed)
    for name, size in _WRONG.items():
        given = {
            element: _wrong(n, size, name == "upper", rng)
            for element, n in zip(adapter.elements, adapter.populations(), strict=True)
        }
        fresh = build_context(atom, atmosphere)
        result = refine(fresh, given, quiet=True)
        pairs = zip(Adapter(fresh).populations(), adapter.populations(), strict=True)
        error = max(float(np.max(np.abs(n / m - 1.0))) for n, m in pairs)
        found[name] = {"formal_solutions": result.Nformal, "error": error}
    return found


def _wrong(n: Array, size: float, upper: bool, rng: np.random.Generator) -> Array:
    """Return populations with a smooth error, or one that is in the upper atmosphere only."""
    x = np.linspace(0.0, 1.0, n.shape[1])
    if upper:
        error = rng.normal(size=(len(n), 1)) * np.exp(-7.0 * x)
    else:
        k = np.arange(1, 6)
        phase = rng.uniform(0.0, 2.0 * np.pi, (len(n), 1, 5))
        waves = np.sin(np.pi * k * x[:, None] + phase) / k
        error = (rng.normal(size=(len(n), 1, 5)) * waves).sum(axis=2)
    other = n * np.exp(size * error / np.abs(error).max())
    wrong: Array = other * n.sum(axis=0) / other.sum(axis=0)
    return wrong


def time_series(steps: int = 30, dt: float = 0.1, finer: int = 8) -> Json:
    """Measure the time-dependent problem of the host's gallery (Judge 2017, ApJ 851, 5)."""
    found: Json = {}
    ends = {}
    for name, count, length, tolerance in (
        ("host", steps, dt, 1e-3),
        ("host, tight", steps, dt, 1e-6),
        ("host, finer", steps * finer, dt / finer, 1e-6),
        ("time_step", steps, dt, 1e-3),
    ):
        ctx = _heated()
        formal, start = 0, process_time()
        step: TimeStep | None = None
        for _ in range(count):
            ctx.update_deps()
            if name == "time_step":
                step = time_step(ctx, length, step, popsTol=tolerance)
                formal += step.Nformal
            else:
                formal += _host_step(ctx, length, tolerance)
        ends[name] = np.concatenate(Adapter(ctx).populations())
        found[name] = {
            "steps": count,
            "formal_solutions": formal,
            "seconds": process_time() - start,
        }
    for name, end in ends.items():
        for other in ("host, tight", "host, finer"):
            found[name][f"against {other}"] = float(np.max(np.abs(end / ends[other] - 1.0)))
    return found


def _heated() -> lw.Context:
    ctx = build_context(
        H_4_atom(), "FALC", background=atoms.BACKGROUND, lte_ne=True, conserve_charge=True
    )
    solve(ctx, popsTol=1e-4, quiet=True)
    i = np.arange(11, 31)
    ctx.kwargs["atmos"].temperature[i] *= 1.0 + 2.0 * np.exp(-(((i - 20.0) / 3.0) ** 2))
    return ctx


def _host_step(ctx: Any, dt: float, tolerance: float) -> int:
    """Make a step as the host's gallery does, and return its formal solutions."""
    before, made = None, 0
    while made < 1000:
        made += 1
        light = ctx.formal_sol_gamma_matrices()
        _, before = ctx.time_dep_update(dt, before)
        update = ctx.nr_post_update(timeDependentData={"dt": dt, "nPrev": before})
        if update.dPopsMax < tolerance and light.dJMax < 3.0 * tolerance:
            break
    return made


def sequence(atom: str, members: int = 50) -> Json:
    """Measure atmospheres through which a wave in temperature goes, in place and from LTE."""
    atmosphere = atmospheres.load("FALC")
    quiet = np.array(atmosphere.temperature)
    x = np.arange(len(quiet)) / len(quiet)
    ctx = build_context(atom, atmosphere)
    counts: dict[str, list[int]] = {"in place": [], "from LTE": []}
    for k in range(members):
        atmosphere.temperature[:] = quiet * (1.0 + 0.05 * np.sin(2.0 * np.pi * (k / 50.0 + x)))
        ctx.update_deps()
        counts["in place"].append(solve(ctx, quiet=True).Nformal)
        other = atmospheres.load("FALC")
        other.temperature[:] = atmosphere.temperature
        counts["from LTE"].append(solve(build_context(atom, other), quiet=True).Nformal)
    return {name: {"mean": float(np.mean(n)), "most": max(n)} for name, n in counts.items()}


def main(path: str, every: int = 4) -> None:
    """Measure it all and write the result as it goes.

    Parameters
    ----------
    path : str
        The result's file.
    every : int, optional
        As for :func:`responses` (default: 4).
    """
    found: Json = {"responses": {}, "refined": {}, "sequence": {}}
    for atom in ("CaII", "H", "MgII"):
        found["refined"][atom] = refined(atom)
        found["sequence"][atom] = sequence(atom)
        write_json(Path(path), found)
    found["time_series"] = time_series()
    for atom in ("CaII", "H", "MgII"):
        for quantity in ("temperature", "vlos"):
            found["responses"][f"{atom} {quantity}"] = responses(atom, quantity, every=every)
            write_json(Path(path), found)


if __name__ == "__main__":
    main(sys.argv[1])

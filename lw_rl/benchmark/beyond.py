"""What response functions, refined populations, steps in time and sequences cost, beside the host.

Run as ``python -m lw_rl.benchmark.beyond RESULT.json [PAGE.md]``: half an hour of one core, most of
it finite differences. What the file has already is not measured again, nor are differences of a
response that was begun, which are kept beside it; with a page its block ``beyond`` is written from
the file. References are made by MALI with the
background's scattering solved, or by the host's own loops, never by what is measured. Times are
processor times of this process.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
from ..extrapolation import anderson_mix
from ..files import Json, versions, write_atomically, write_json
from ..host.adapter import Adapter
from ..host.context import build_context
from ..host.medium import QUANTITIES, perturbed
from ..iterate import solve
from ..operator.scattering import SolvedScattering
from ..terminal import progress_bar
from .readme import renew_block

__all__ = ["LINES", "main", "markdown", "refined", "responses", "sequence", "time_series"]

#: Change at which a solution for differences ends, and that at which it is counted, the steps being
#: these times those of the derivatives, and shares of them at kinks.
_SETTLED, _COUNTED, _STEPS, _SHORTER = 1e-10, 1e-6, 10.0, (0.1, 0.01)
#: Depths of the atmosphere.
_DEPTHS = 82
#: Iterates that are combined on the way to the former.
_WINDOW = 10
#: How wrong the populations are that are refined, in the logarithm.
_WRONG = {"3 %": 0.03, "30 %": np.log(1.3), "ten": np.log(10.0), "upper": np.log(3.0)}
#: Lines whose responses are compared, vacuum wavelengths of their centres, and how far from these
#: they are looked at [nm].
LINES = {
    "CaII": {"Ca II 8542": 854.444, "Ca II K": 393.478},
    "H": {"H alpha": 656.469},
    "MgII": {"Mg II k": 279.636},
    "CaII_K": {"Ca II K": 393.478},
}
_WIDTH = 0.15
#: Where differences to the two sides differ by more than this share of a line's largest response,
#: the host's intensity has a kink within the step: there they are made again with shorter ones.
_KINK = 0.01


def _settle(ctx: lw.Context) -> tuple[int, float]:
    """Solve by MALI with scattering solved; return formal solutions and seconds to `_COUNTED`.

    From there on to `_SETTLED` its iterates are combined by Anderson acceleration in the logarithm
    of the populations, which leaves its fixed point as it is.
    """
    adapter = Adapter(ctx)
    formal, counted, start = SolvedScattering(adapter), (0, 0.0), process_time()
    states: list[Array] = []
    images: list[Array] = []
    for _ in range(3000):
        formal.formal_solution()
        before = adapter.populations()
        adapter.plain_update()
        pairs = zip(adapter.populations(), before, strict=True)
        change = max(float(np.max(np.abs(n / m - 1.0))) for n, m in pairs)
        if change < _COUNTED and not counted[0]:
            counted = adapter.Nformal, process_time() - start
        if change < _SETTLED:
            break
        if counted[0]:
            states = [*states, adapter.unknown(before)][-_WINDOW:]
            images = [*images, adapter.read()][-_WINDOW:]
            adapter.write(anderson_mix(states, images))
    return counted


@dataclass
class _Kept:
    """Differences at depths that were made already, in a file.

    Parameters
    ----------
    path : Path or None
        The file; None for none.
    advance : callable, optional
        Called once for every depth (default: nothing is).
    """

    path: Path | None = None
    advance: Callable[[], object] = lambda: None
    _made: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            with np.load(self.path) as file:
                self._made = dict(file)

    def made(self, name: str, make: Callable[[], Array]) -> Array:
        """Return what has a name, made if it is not there."""
        if name not in self._made:
            self._made[name] = make()
            if self.path is not None:
                content = io.BytesIO()
                np.savez(content, **self._made)  # type: ignore[arg-type]
                write_atomically(self.path, content.getvalue())
        self.advance()
        return self._made[name]

    def done(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def _difference(
    ctx: lw.Context, quantity: str, step: Array, depth: int, light: Array
) -> Array:  # fmt: skip
    """Return differences to both sides at a depth, formal solutions and seconds they cost, flat.

    What is counted is the way to a change of `_COUNTED`; the differences are of solutions to
    `_SETTLED`. The seconds are those of copies of the context, solutions, and emergent intensities.
    """
    sides, counted, spent = [], 0, 0.0
    for sign in (1.0, -1.0):
        change = np.zeros_like(step)
        change[depth] = sign * step[depth]
        start = process_time()
        other = perturbed(ctx, quantity, change)
        spent += process_time() - start
        formal, cost = _settle(other)
        start = process_time()
        difference = np.asarray(other.compute_rays(mus=1.0)) - light
        counted, spent = counted + formal, spent + cost + process_time() - start
        sides.append(sign * difference / step[depth])
    return np.concatenate([*sides, [counted, spent]])


def _differences(
    ctx: lw.Context, quantity: str, step: Array, depths: list[int], light: Array, kept: _Kept
) -> tuple[Array, int, float]:
    """Return differences to both sides, [2, Nwave, depth], and what they cost.

    See :func:`_difference`.
    """
    sides = np.zeros((2, len(light), len(step)))
    counted, spent = 0, 0.0
    for depth in depths:
        found = kept.made(
            f"{depth} {step[depth]!r}", partial(_difference, ctx, quantity, step, depth, light)
        )
        sides[:, :, depth] = found[:-2].reshape(2, -1)
        counted, spent = counted + int(found[-2]), spent + float(found[-1])
    return sides, counted, spent


def _closer(
    make: Callable[[Array, list[int]], Array],
    sides: Array,
    step: Array,
    size: Array,
    depths: list[int],
) -> None:
    """Make differences again with shorter steps where those to the two sides do not agree.

    Parameters
    ----------
    make : callable
        Returns differences to both sides with some steps at some depths.
    sides : Array
        Those that were made; changed in place, [2, Nwave, depth].
    step : Array
        The steps, [depth].
    size : Array
        Largest response of the line of every wavelength, infinite where there is none, [Nwave].
    depths : list of int
        Depths at which there are any.
    """
    for shorter in _SHORTER:
        again = np.abs(sides[0] - sides[1]) > _KINK * size[:, None]
        kinked = [depth for depth in depths if again[:, depth].any()]
        if not kinked:
            break
        closer = make(step * shorter, kinked)
        sides[:, again] = closer[:, again]


def responses(
    atom: str,
    quantity: str,
    atmosphere: str = "FALC",
    every: int = 1,
    kept: Path | None = None,
    advance: Callable[[], object] = lambda: None,
) -> Json:
    """Measure response functions against central differences of solutions at every so many depths.

    Parameters
    ----------
    atom, quantity, atmosphere : str
        Names.
    every : int, optional
        Depths that are compared: one of so many (default: 1). What differences cost is that of all.
    kept : Path, optional
        A file in which differences that are made are kept until all are (default: none).
    advance : callable, optional
        Called once for every depth (default: nothing is).

    Returns
    -------
    found : dict
        Errors relative to a line's largest response: ``error`` everywhere, ``smooth`` where the
        differences to both sides agree, ``outside`` how far the response is from lying between
        them, ``sum`` that of the sum over depths against one perturbation of all; ``kinks`` is the
        share of points where they do not agree, with steps of a tenth and a hundredth either.
    """
    ctx = build_context(atom, atmosphere)
    solve(ctx, quiet=True)
    response_functions(ctx, quantity)  # compiled
    start = process_time()
    ds = response_functions(ctx, quantity)
    seconds = process_time() - start
    _settle(ctx)
    R, value = ds.response.values[0], ds.value.values[0]
    relative = QUANTITIES[quantity][0] in ("K", "m-3")
    step = _STEPS * QUANTITIES[quantity][1] * (np.abs(value) if relative else np.ones_like(value))
    # The host makes the background of a changed atmosphere with hydrogen as it is.
    same = perturbed(ctx, quantity, np.zeros_like(value))
    _settle(same)
    light, depths = np.asarray(same.compute_rays(mus=1.0)), list(range(0, len(value), every))
    file = _Kept(kept, advance)
    sides, counted, spent = _differences(ctx, quantity, step, depths, light, file)
    size = np.full(len(light), np.inf)
    for centre in LINES[atom].values():
        seen = np.abs(ds.wavelength.values - centre) < _WIDTH
        size[seen] = np.abs(R[seen]).max()
    shorter = _Kept(kept.with_suffix(".shorter.npz") if kept else None)

    def make(steps: Array, at: list[int]) -> Array:
        return _differences(ctx, quantity, steps, at, light, shorter)[0]

    _closer(make, sides, step, size, depths)
    both = []
    for sign in (1.0, -1.0):
        other = perturbed(ctx, quantity, sign * step)
        _settle(other)
        both.append(np.asarray(other.compute_rays(mus=1.0)))
    uniform = 0.5 * (both[0] - both[1])
    share = len(value) / len(depths)
    found: Json = {
        "depths": len(depths),
        "formal_solutions": ds.attrs["formal_solutions"],
        "seconds": seconds,
        "estimate": float(ds.error[0]),
        "differences_formal_solutions": int(counted * share),
        "differences_seconds": spent * share,
    }
    for line, centre in LINES[atom].items():
        seen = np.abs(ds.wavelength.values - centre) < _WIDTH
        up, down, ours = (x[seen][:, depths] for x in (*sides, R))
        size = np.abs(R[seen]).max()
        error = np.abs(ours - 0.5 * (up + down)) / size
        kink = np.abs(up - down) > _KINK * size
        beyond = np.maximum(np.minimum(up, down) - ours, ours - np.maximum(up, down))
        summed = R[seen] @ step
        found[line] = {
            "error": float(error.max()),
            "smooth": float(error[~kink].max(initial=0.0)),
            "kinks": float(kink.mean()),
            "outside": float(max(beyond.max(), 0.0) / size),
            "sum": float(np.abs(summed - uniform[seen]).max() / np.abs(uniform[seen]).max()),
        }
    file.done()
    shorter.done()
    return found


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
        formal, spent = [], 0.0
        step: TimeStep | None = None
        for _ in range(count):
            ctx.update_deps()
            start = process_time()
            if name == "time_step":
                step = time_step(ctx, length, step, popsTol=tolerance)
                formal.append(step.Nformal)
            else:
                formal.append(_host_step(ctx, length, tolerance))
            spent += process_time() - start
        ends[name] = Adapter(ctx).levels()
        found[name] = {
            "steps": count,
            "formal_solutions": sum(formal),
            "most_of_a_step": max(formal),
            "seconds": spent,
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


def markdown(found: Json) -> str:
    """Return a result as tables."""
    counts = found["refined"]
    lines = [
        "Response functions in FAL-C, relative to a line's largest response:",
        "",
        "| line | quantity | formal solutions | by differences | times faster | error | "
        "points at kinks | there outside | sum over depths |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in found["responses"].items():
        atom, quantity = name.split()
        faster = r["differences_seconds"] / r["seconds"]
        lines += [
            f"| {line} | {quantity} | {r['formal_solutions']} | "
            f"{r['differences_formal_solutions']} | {faster:.0f} | {r[line]['smooth']:.1e} | "
            f"{100.0 * r[line]['kinks']:.2g} % | {r[line]['outside']:.1e} | {r[line]['sum']:.1e} |"
            for line in LINES[atom]
        ]
    lines += [
        "",
        "Formal solutions to a certified 1e-3 from populations that are wrong by so much:",
        "",
        "| atom | LTE | 3 % | 30 % | ten times | three times, upper chromosphere |",
        "|---|---|---|---|---|---|",
    ]
    for atom, r in counts.items():
        each = " | ".join(str(r[name]["formal_solutions"]) for name in _WRONG)
        lines.append(f"| {atom} | {r['LTE']} | {each} |")
    lines += [
        "",
        "Formal solutions of a member of a sequence of 50 atmospheres, mean and most:",
        "",
        "| atom | in place | from LTE |",
        "|---|---|---|",
    ]
    for atom, r in found["sequence"].items():
        both = [f"{r[name]['mean']:.2f}, {r[name]['most']}" for name in ("in place", "from LTE")]
        lines.append(f"| {atom} | {both[0]} | {both[1]} |")
    lines += [
        "",
        "Hydrogen after a heating, 30 steps of 0.1 s; differences from the host's steps solved to "
        "1e-6, of the same length and of an eighth of it:",
        "",
        "| | formal solutions | most of a step | seconds | same length | an eighth |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("host", "time_step"):
        r = found["time_series"]["H"][name]
        lines.append(
            f"| {name} | {r['formal_solutions']} | {r['most_of_a_step']} | {r['seconds']:.1f} | "
            f"{r['against host, tight']:.1e} | {r['against host, finer']:.1e} |"
        )
    return "\n".join(lines)


def _beside(file: Path, atom: str, quantity: str) -> Path:
    """Return where differences that are made are kept."""
    return file.with_name(f"{file.stem}.{atom}.{quantity}.npz")


def main(path: str, page: str = "", every: int = 1, quiet: bool = False) -> None:
    """Measure what the result lacks, and write it as it goes.

    Parameters
    ----------
    path : str
        The result's file.
    page : str, optional
        A page whose block ``beyond`` is to have the tables (default: none).
    every : int, optional
        As for :func:`responses` (default: 1).
    quiet : bool, optional
        Show no progress bar (default: False).
    """
    file = Path(path)
    begun = json.loads(file.read_text()) if file.exists() else {}
    command = f"python -m lw_rl.benchmark.beyond {file.name}"
    found: Json = {"command": command, "versions": versions()}
    found |= {k: begun.get(k, {}) for k in ("refined", "sequence", "time_series", "responses")}
    parts: list[tuple[str, str, Callable[..., Json]]] = [
        (kind, atom, partial(measure, atom))
        for kind, measure in (("refined", refined), ("sequence", sequence))
        for atom in ("CaII_K", "CaII", "H", "MgII")
    ]
    parts.append(("time_series", "H", time_series))
    parts += [
        (
            "responses",
            f"{atom} {quantity}",
            partial(responses, atom, quantity, every=every, kept=_beside(file, atom, quantity)),
        )
        for atom in ("CaII", "H", "MgII")
        for quantity in ("temperature", "vlos")
    ]
    with progress_bar(quiet) as bar:
        task, depths = bar.add_task("", total=len(parts)), bar.add_task("depths", visible=False)
        for kind, name, measure in parts:
            bar.update(task, description=f"{kind} {name}")
            if name not in found[kind]:
                if kind == "responses":
                    bar.reset(depths, total=len(range(0, _DEPTHS, every)), visible=True)
                    measure = partial(measure, advance=partial(bar.advance, depths))
                found[kind][name] = measure()
                write_json(file, found)
            bar.advance(task)
    if page:
        renew_block(Path(page), "beyond", markdown(found))


if __name__ == "__main__":
    main(sys.argv[1], "".join(sys.argv[2:3]))

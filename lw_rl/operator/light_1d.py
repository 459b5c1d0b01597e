"""Compiled: what transitions see of the light that they emit, and light that is scattered, in 1D.

A block of wavelengths at a time: what is emitted there, the sweeps of its bundles of rays
(`lw_rl.operator.beams_1d`) and what is seen of them stay in the processor's nearest memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..arrays import Array, Integers, Numbers
from .beams_1d import BLOCK, diffuse, sweep_block

__all__ = ["lit", "scattered"]

#: Light does not become less than this share of itself by a step of the iteration over scattering.
_LEAST_LIGHT = 1e-2

_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_compiled
def lit(
    weights: Numbers, before: Numbers, after: Numbers, half: Array, down: Numbers, up: Numbers,
    incident: Array, over: Array, ratio: Array, outside: Array, start: Integers, first: Integers,
    emission: Array, profile: Array, emits: Array, rises: Array, falls: Array, first_row: Integers,
    second_row: Integers, emitter: Array, eta: Array, place: Integers, scattering: Array,
    rate: Array, J: Array, each: Array,
) -> None:  # fmt: skip
    """Write the rates of every row [s-1], [Nrow, Nspace], and the mean intensity, [Nspace, Nwave].

    Parameters
    ----------
    weights, before, after, half, down, up, incident
        As of `lw_rl.operator.beams_1d.Beams`.
    over : Array
        One over the total opacity [m], [Nbundle, Nspace, Nwave].
    ratio, outside : Array
        Factor on the mean intensity, and what there is besides, [Nspace, Nwave].
    start, first, emission, profile, emits, rises, falls
        As of `lw_rl.host.transfer.Transfer` (the last two: `up` and `down`).
    first_row, second_row : Array
        Rows of a transition's rates up and down, [Ntransition]; where both are the same, as for
        lines, the rate down is a multiple of the rate up. Others see the mean of the bundles.
    emitter : Array
        What every transition emits is in proportion to [m-3], [Ntransition, Nspace].
    eta : Array
        Emissivity of everything else, [Nspace, Nwave].
    place : Array
        Where a wavelength is in `scattering`, or -1, [Nwave].
    scattering : Array
        Mean intensities of the bundles there, [Nbundle, Nspace, Nscattering].
    each : Array
        For what every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave], or empty.
    """
    B, N, V = over.shape
    T = first.size
    base = eta.copy()
    for i in range(N):
        for t in range(T):
            if B == 1 or first_row[t] != second_row[t]:
                x, at, size = emitter[t, i], start[t], start[t + 1] - start[t]
                into, one = base[i, first[t] : first[t] + size], emission[i, at : at + size]
                for e in range(size):
                    into[e] += one[e] * x
    S, D, dS = np.empty((N, BLOCK)), np.empty((N, BLOCK)), np.empty((N, BLOCK))
    seen, beam = np.empty((N, BLOCK)), np.empty((half.shape[1], BLOCK))
    rate[:] = 0.0
    for i in range(N):
        for v in range(V):
            J[i, v] = outside[i, v]
    for b in range(weights.shape[1]):
        v0 = b * BLOCK
        size = min(BLOCK, V - v0)
        sweeps = False
        for w in range(size):
            sweeps = sweeps or place[v0 + w] < 0
        for r in range(B):
            for i in range(N):
                for w in range(size):
                    S[i, w] = base[i, v0 + w]
            for t in range(T if B > 1 else 0):
                # Where the line is in the block, and its first entry there.
                low = max(first[t] - v0, 0)
                high = min(first[t] + start[t + 1] - start[t] - v0, size)
                e = start[t] + low + v0 - first[t]
                if low < high and first_row[t] == second_row[t]:
                    for i in range(N):
                        x = emitter[t, i]
                        for w in range(high - low):
                            S[i, low + w] += emits[r, i, e + w] * emission[i, e + w] * x
            if sweeps:
                for i in range(N):
                    for w in range(size):
                        S[i, w] *= over[r, i, v0 + w]
                sweep_block(
                    weights[r, b], before[r], after[r], v0, half[r], down[r], up[r], incident[r],
                    S, D, dS, beam, seen,
                )  # fmt: skip
                for i in range(N):
                    for w in range(size):
                        seen[i, w] *= ratio[i, v0 + w]
            for w in range(size):
                if place[v0 + w] >= 0:
                    for i in range(N):
                        seen[i, w] = scattering[r, i, place[v0 + w]]
            for i in range(N):
                for w in range(size):
                    J[i, v0 + w] += seen[i, w]
            for i in range(N if each.size > 0 else 0):
                for w in range(size):
                    each[r, i, v0 + w] = seen[i, w]
            for t in range(T if B > 1 else 0):
                low = max(first[t] - v0, 0)
                high = min(first[t] + start[t + 1] - start[t] - v0, size)
                e = start[t] + low + v0 - first[t]
                if low < high and first_row[t] == second_row[t]:
                    for i in range(N):
                        total = 0.0
                        for w in range(high - low):
                            total += rises[i, e + w] * profile[r, i, e + w] * seen[i, low + w]
                        rate[first_row[t], i] += total
    for i in range(N):
        for t in range(T):
            at, size = start[t], start[t + 1] - start[t]
            single = first_row[t] == second_row[t]
            # Of lines that bundles see differently what comes from outside is left.
            light = outside[i, first[t] : first[t] + size]
            if B == 1 or not single:
                light = J[i, first[t] : first[t] + size]
            weight, total = rises[i, at : at + size], 0.0
            for e in range(size):
                total += weight[e] * light[e]
            rate[first_row[t], i] += total
            if not single:
                weight, total = falls[i, at : at + size], 0.0
                for e in range(size):
                    total += weight[e] * light[e]
                rate[second_row[t], i] += total


@_compiled
def _once(
    weights: Numbers, before: Numbers, after: Numbers, half: Array, down: Numbers, up: Numbers,
    incident: Array, over: Array, ratio: Array, outside: Array, sca: Array, eta: Array, b: int,
    J: Array, each: Array, left: Array, S: Array, D: Array, dS: Array, beam: Array, seen: Array,
) -> None:  # fmt: skip
    """Write what bundles bring where J is scattered, and by how much more that is than J."""
    B, N, V = eta.shape
    v0 = b * BLOCK
    size = min(BLOCK, V - v0)
    for i in range(N):
        for w in range(size):
            left[i, w] = outside[i, v0 + w] - J[i, w]
    for r in range(B):
        for i in range(N):
            for w in range(size):
                S[i, w] = (eta[r, i, v0 + w] + sca[i, v0 + w] * J[i, w]) * over[r, i, v0 + w]
        sweep_block(
            weights[r, b], before[r], after[r], v0, half[r], down[r], up[r], incident[r], S, D, dS,
            beam, seen,
        )  # fmt: skip
        for i in range(N):
            for w in range(size):
                x = ratio[i, v0 + w] * seen[i, w]
                each[r, i, w] = x
                left[i, w] += x


@_compiled
def _largest(left: Array, J: Array, now: Array) -> None:
    """Write the largest relative change over depth, [block]."""
    now[:] = 0.0
    for i in range(len(J)):
        for w in range(now.size):
            now[w] = max(now[w], abs(left[i, w] / J[i, w]))


@_compiled
def _solve(factors: Array, pivots: Integers, x: Array) -> None:
    """Solve a factorised system in place; `factors` are LAPACK's, transposed."""
    N = x.size
    for j in range(N):
        x[j], x[pivots[j]] = x[pivots[j]], x[j]
    for j in range(N):
        column, y = factors[j], x[j]
        for i in range(j + 1, N):
            x[i] -= column[i] * y
    for j in range(N - 1, -1, -1):
        column = factors[j]
        x[j] /= column[j]
        y = x[j]
        for i in range(j):
            x[i] -= column[i] * y


@_compiled
def scattered(
    weights: Numbers, before: Numbers, after: Numbers, half: Array, down: Numbers, up: Numbers,
    incident: Array, over: Array, ratio: Array, outside: Array, sca: Array, albedo: Array,
    above: Array, below: Array, own: Array, at: Integers, factors: Array, pivots: Integers,
    eta: Array, most: int, share: float, still: float, J: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Iterate over scattered light until no more than a share of the first change is left.

    Parameters
    ----------
    weights, before, after, half, down, up, incident, over, ratio, outside
        As for :func:`lit`.
    sca, albedo : Array
        Opacity that scatters [m-1], and its share of all, [Nspace, Nwave].
    above, below, own : Array
        Of the diffusion that is in about what it does.
    at, factors, pivots : Array
        Wavelengths at which the operator was made, [Noperator], and its factors.
    eta : Array
        Emissivity but for scattering, [Nbundle, Nspace, Nwave].
    most : int
        Iterations after the first.
    share, still : float
        Share of the first change that may be left, or relative change.
    J : Array
        Mean intensity to begin with, [Nspace, Nwave]; afterwards the last one found.

    Returns
    -------
    each : Array
        What every bundle brings to the mean intensity, [Nbundle, Nspace, Nwave].
    first, left : Array
        Relative change of the mean intensity by the first iteration, and by the next one, the
        largest over depth, [Nwave].
    """
    B, N, V = eta.shape
    light, first, now = np.empty((B, N, V)), np.empty(V), np.empty(V)
    S, D, dS = np.empty((N, BLOCK)), np.empty((N, BLOCK)), np.empty((N, BLOCK))
    seen, beam = np.empty((N, BLOCK)), np.empty((half.shape[1], BLOCK))
    each, others = np.empty((B, N, BLOCK)), np.empty((B, N, BLOCK))
    here, there = np.ones((N, BLOCK)), np.ones((N, BLOCK))
    left, remains, step = np.zeros((N, BLOCK)), np.zeros((N, BLOCK)), np.zeros((N, BLOCK))
    begun, change, along, of = np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK), np.empty(BLOCK)
    column = np.empty(N)
    for b in range(weights.shape[1]):
        v0 = b * BLOCK
        size = min(BLOCK, V - v0)
        left[:], here[:] = 0.0, 1.0
        for i in range(N):
            for w in range(size):
                here[i, w] = J[i, v0 + w]
        _once(
            weights, before, after, half, down, up, incident, over, ratio, outside, sca, eta, b,
            here, each, left, S, D, dS, beam, seen,
        )  # fmt: skip
        _largest(left, here, begun)
        for w in range(BLOCK):
            change[w] = begun[w]
        for _ in range(most):
            goes_on = False
            for w in range(size):
                goes_on = goes_on or change[w] > max(share * begun[w], still)
            if not goes_on:
                break
            for i in range(N):
                for w in range(size):
                    there[i, w] = albedo[i, v0 + w] * left[i, w]
            diffuse(above, below, own, there, v0, size, step)
            for i in range(N):
                for w in range(size):
                    step[i, w] += left[i, w]
            for m in range(at.size):
                w = at[m] - v0
                if 0 <= w < size:
                    for i in range(N):
                        column[i] = left[i, w]
                    _solve(factors[m], pivots[m], column)
                    for i in range(N):
                        step[i, w] = column[i]
            for i in range(N):
                for w in range(size):
                    there[i, w] = here[i, w] + step[i, w]
            _once(
                weights, before, after, half, down, up, incident, over, ratio, outside, sca, eta,
                b, there, others, remains, S, D, dS, beam, seen,
            )  # fmt: skip
            # The map is affine: what is left along the step is known.
            along[:], of[:] = 0.0, 0.0
            for i in range(N):
                for w in range(size):
                    fallen = (left[i, w] - remains[i, w]) / here[i, w]
                    along[w] += fallen * left[i, w] / here[i, w]
                    of[w] += fallen * fallen
            for w in range(size):
                along[w] = min(max(along[w] / max(of[w], 1e-300), 0.0), 2.0)
            for r in range(B):
                for i in range(N):
                    for w in range(size):
                        each[r, i, w] += along[w] * (others[r, i, w] - each[r, i, w])
            for i in range(N):
                for w in range(size):
                    left[i, w] += along[w] * (remains[i, w] - left[i, w])
                    here[i, w] += along[w] * step[i, w]
            _largest(left, here, change)
        for r in range(B):
            for i in range(N):
                for w in range(size):
                    light[r, i, v0 + w] = each[r, i, w]
        for i in range(N):
            for w in range(size):
                J[i, v0 + w] = max(here[i, w] + left[i, w], _LEAST_LIGHT * here[i, w])
        for w in range(size):
            first[v0 + w], now[v0 + w] = begun[w], change[w]
    return light, first, now

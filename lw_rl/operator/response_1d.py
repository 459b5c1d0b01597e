"""Compiled: how coupled transitions emit, absorb and see light, and the levels that follow.

Entries of a transition are those of its wavelengths, one after the other (`Transfer`), so that what
a transition adds to its wavelengths, and what it sees of them, are sums over neighbours in memory.
Light between depths is that of `lw_rl.operator.beams_1d`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array, Integers, Numbers

__all__ = [
    "balanced",
    "emitted",
    "emitters",
    "local_response",
    "opacities",
    "overlaps",
    "scattering_share",
    "seen",
    "sweep",
    "unbalanced",
    "unbalanced_shares",
]

#: The total opacity is not taken for less than this share of the background's.
_LEAST_OPACITY = 1e-2
#: A new population is not below this share of the old one.
_LEAST_CHANGE = 0.1
#: Wavelengths whose shares are found together: what they are made of stays in near memory.
_TOGETHER = 16
#: Within one linearisation a transition does not become more transparent than this.
_THINNEST = 0.3

_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_compiled
def scattering_share(step: Array, albedo: Array) -> Array:
    """Return the largest albedo, times the optical depth where that is less than one, [Nwave].

    Parameters
    ----------
    step : Array
        From `lw_rl.operator.beams_1d.optical_steps`, of one bundle, [Nspace - 1, Nwave].
    albedo : Array
        [Nspace, Nwave].
    """
    N, V = albedo.shape
    tau, share = np.zeros(V), np.zeros(V)
    for i in range(N):
        for v in range(V):
            if i > 0:
                tau[v] += step[i - 1, v]
            share[v] = max(share[v], albedo[i, v] * min(tau[v], 1.0))
    return share


@_compiled
def opacities(
    start: Integers,
    first: Integers,
    single: Numbers,
    lower: Integers,
    upper: Integers,
    absorption: Array,
    stimulated: Array,
    profile: Array,
    n: Array,
    chi: Array,
) -> Array:
    """Return the total opacity [m-1], [Nbundle, Nspace, Nwave].

    Parameters
    ----------
    start, first, lower, upper, absorption, stimulated, profile
        As of `lw_rl.host.transfer.Transfer`.
    single : Array of bool
        Whether a transition is a line, whose profile bundles see differently, [Ntransition].
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    chi : Array
        Of everything else [m-1], [Nspace, Nwave].
    """
    N, V = chi.shape
    B = profile.shape[0]
    total = np.empty((B, N, V))
    for i in range(N):
        total[0, i] = chi[i]
        for t in range(lower.size if B > 1 else 0):
            # Bundles differ in what they see of lines only.
            if not single[t]:
                low, up = n[lower[t], i], n[upper[t], i]
                at, v, size = start[t], first[t], start[t + 1] - start[t]
                for e in range(size):
                    x = absorption[i, at + e] * low - stimulated[i, at + e] * up
                    total[0, i, v + e] += x
        for r in range(1, B):
            total[r, i] = total[0, i]
        for r in range(B):
            row = total[r, i]
            for t in range(lower.size):
                if B > 1 and not single[t]:
                    continue
                low, up = n[lower[t], i], n[upper[t], i]
                at, size = start[t], start[t + 1] - start[t]
                into = row[first[t] : first[t] + size]
                absorbed, stim = absorption[i, at : at + size], stimulated[i, at : at + size]
                phi = profile[r, i, at : at + size]
                for e in range(size):
                    into[e] += phi[e] * (absorbed[e] * low - stim[e] * up)
            for v in range(V):
                row[v] = max(row[v], _LEAST_OPACITY * chi[i, v])
    return total


@_compiled
def emitted(
    start: Integers,
    first: Integers,
    single: Numbers,
    emission: Array,
    profile: Array,
    emitter: Array,
    eta: Array,
) -> Array:
    """Return the emissivity [J s-1 m-3 sr-1 Hz-1], [Nbundle, Nspace, Nwave].

    Parameters
    ----------
    start, first, emission, profile
        As of `lw_rl.host.transfer.Transfer`.
    single : Array of bool
        As for :func:`opacities`.
    emitter : Array
        What every transition emits is in proportion to [m-3], [Ntransition, Nspace].
    eta : Array
        Of everything else, [Nspace, Nwave].
    """
    N, V = eta.shape
    B = profile.shape[0]
    total = np.empty((B, N, V))
    for i in range(N):
        total[0, i] = eta[i]
        for t in range(first.size):
            if B == 1 or not single[t]:
                x, at, size = emitter[t, i], start[t], start[t + 1] - start[t]
                into, one = total[0, i, first[t] : first[t] + size], emission[i, at : at + size]
                for e in range(size):
                    into[e] += one[e] * x
        for r in range(1, B):
            total[r, i] = total[0, i]
        for r in range(B if B > 1 else 0):
            for t in range(first.size):
                if single[t]:
                    x, at, size = emitter[t, i], start[t], start[t + 1] - start[t]
                    into = total[r, i, first[t] : first[t] + size]
                    one, phi = emission[i, at : at + size], profile[r, i, at : at + size]
                    for e in range(size):
                        into[e] += phi[e] * one[e] * x
    return total


@_compiled
def seen(
    start: Integers,
    first: Integers,
    first_row: Integers,
    second_row: Integers,
    up: Array,
    down: Array,
    J: Array,
    rate: Array,
) -> None:
    """Write the rates of every row in a mean intensity [s-1], [Nrow, Nspace].

    Parameters
    ----------
    start, first, up, down
        As of `lw_rl.host.transfer.Transfer`.
    first_row, second_row : Array
        Rows of a transition's rates up and down, [Ntransition]; where both are the same the
        rate down is a multiple of the rate up.
    J : Array
        [Nspace, Nwave].
    """
    for i in range(len(J)):
        for t in range(first.size):
            at, size = start[t], start[t + 1] - start[t]
            light = J[i, first[t] : first[t] + size]
            weight, total = up[i, at : at + size], 0.0
            for e in range(size):
                total += weight[e] * light[e]
            rate[first_row[t], i] = total
            if first_row[t] != second_row[t]:
                weight, total = down[i, at : at + size], 0.0
                for e in range(size):
                    total += weight[e] * light[e]
                rate[second_row[t], i] = total


@_compiled
def local_response(
    start: Integers,
    first: Integers,
    lower: Integers,
    upper: Integers,
    emission: Array,
    absorption: Array,
    stimulated: Array,
    profile: Array,
    up: Array,
    down: Array,
    first_row: Integers,
    second_row: Integers,
    Nrow: int,
    n: Array,
    total: Array,
    diagonal: Array,
) -> tuple[Array, Array]:
    """Return how rates respond to what their own transitions emit at the same depth.

    Parameters
    ----------
    start, first, lower, upper, emission, absorption, stimulated, profile, up, down
        As of `lw_rl.host.transfer.Transfer`.
    first_row, second_row : Array
        As for :func:`seen`.
    Nrow : int
        Rows.
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    total : Array
        From :func:`opacities`, [Nbundle, Nspace, Nwave].
    diagonal : Array
        Mean intensity at every depth per emissivity there, [Nbundle, Nspace, Nwave].

    Returns
    -------
    local : Array
        Rate per emitter [m3 s-1], [Nrow, Nspace].
    share : Array
        Share of a transition in the opacity that its own rate sees, [Ntransition, Nspace].
    """
    B, N, _ = total.shape
    local, share = np.zeros((Nrow, N)), np.zeros((lower.size, N))
    for i in range(N):
        for t in range(lower.size):
            at, size = start[t], start[t + 1] - start[t]
            emits = emission[i, at : at + size]
            absorbed, stim = absorption[i, at : at + size], stimulated[i, at : at + size]
            rate_up, rate_down = up[i, at : at + size], down[i, at : at + size]
            low, high = n[lower[t], i], n[upper[t], i]
            rises, falls, shared = 0.0, 0.0, 0.0
            for r in range(B):
                phi = profile[r, i, at : at + size]
                here = diagonal[r, i, first[t] : first[t] + size]
                all_of_it = total[r, i, first[t] : first[t] + size]
                for e in range(size):
                    h = phi[e] * phi[e] * emits[e] * here[e]
                    x = phi[e] * (absorbed[e] * low - stim[e] * high) / all_of_it[e]
                    rises += h * rate_up[e]
                    falls += h * rate_down[e]
                    shared += h * rate_up[e] * min(max(x, 0.0), 1.0)
            local[first_row[t], i] = rises
            if second_row[t] != first_row[t]:
                local[second_row[t], i] = falls
            share[t, i] = shared / max(rises, 1e-300)
    return local, share


@_compiled
def overlaps(
    first: Integers, last: Integers, at: Integers, where: Integers, start: Integers,
    first_wave: Integers, emission: Array, absorption: Array, stimulated: Array, profile: Array,
    up: Array, diagonal: Array,
) -> Array:  # fmt: skip
    """Return what :func:`unbalanced` is made of, [4, Nbundle, Nwhere, Nspace].

    That is what every transition absorbs, stimulates and emits per population at a wavelength that
    it shares, and the rate that belongs to that.

    Parameters
    ----------
    first, last, at, where : Array
        Wavelengths that transitions of one atom with different upper levels share: where their
        transitions begin and end in `where`, [Nshared], their places, [Nshared], and the
        transitions.
    start, first_wave, emission, absorption, stimulated, profile, up
        As of `lw_rl.host.transfer.Transfer`.
    diagonal : Array
        Mean intensity at every depth per emissivity there, [Nbundle, Nspace, Nwave].
    """
    B, N, _ = diagonal.shape
    X = (last - first).sum()
    entry, wave = np.empty(X, np.int64), np.empty(X, np.int64)
    x = 0
    for m in range(first.size):
        for y in range(first[m], last[m]):
            t = where[y]
            entry[x], wave[x] = start[t] + at[m] - first_wave[t], at[m]
            x += 1
    # Neighbours in memory one after the other.
    order = np.argsort(entry)
    made = np.empty((4, B, X, N))
    for r in range(B):
        for k in range(N):
            for x in order:
                e = entry[x]
                phi, absorbed = profile[r, k, e], absorption[k, e]
                made[0, r, x, k] = phi * absorbed
                made[1, r, x, k] = phi * stimulated[k, e]
                made[2, r, x, k] = phi * emission[k, e]
                made[3, r, x, k] = diagonal[r, k, wave[x]] * up[k, e] / max(absorbed, 1e-300)
    return made


@_compiled
def unbalanced(
    first: Integers, last: Integers, where: Integers, lower: Integers, upper: Integers,
    of_atom: Integers, made: Array, n: Array, gain: Array, lost: Array,
    share: Array,
) -> None:  # fmt: skip
    """Add what the host's preconditioned equations leave unbalanced.

    What pairs of levels without a transition would exchange at a wavelength that transitions of one
    atom share, see `lw_rl.operator.linearised_1d`.

    Parameters
    ----------
    first, last, where
        As for :func:`overlaps`.
    lower, upper : Array
        Levels of every transition, [Ntransition].
    of_atom : Array
        Atom of every level, [Nlevel].
    made : Array
        From :func:`overlaps`.
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    gain : Array
        What every level gains is added to it [m-3 s-1], [Nlevel, Nspace].
    lost : Array
        What every level loses [m-3 s-1], [Nlevel, Nspace]; of no length where shares are not asked
        for.
    share : Array
        Written: the largest share of what a level loses at every such wavelength, [Nshared].
    """
    B, N = made.shape[1], n.shape[1]
    share[:] = 0.0
    opacity, emits = np.zeros_like(n), np.zeros_like(n)
    eta, left = np.zeros_like(n), np.zeros(N)
    for r in range(B):
        x0 = 0
        for m in range(first.size):
            for y in range(first[m], last[m]):
                i, j = lower[where[y]], upper[where[y]]
                opacity[i], opacity[j], emits[i], emits[j] = 0.0, 0.0, 0.0, 0.0
                eta[of_atom[i]] = 0.0
            for y in range(first[m], last[m]):
                i, j = lower[where[y]], upper[where[y]]
                x = x0 + y - first[m]
                absorbed, stim, one = made[0, r, x], made[1, r, x], made[2, r, x]
                low, high, emitted = n[i], n[j], eta[of_atom[i]]
                up, down, by = opacity[i], opacity[j], emits[j]
                for k in range(N):
                    c = absorbed[k] * low[k] - stim[k] * high[k]
                    left[k] = c
                    by[k] += one[k]
                for k in range(N):
                    up[k] += left[k]
                    down[k] -= left[k]
                for k in range(N):
                    emitted[k] += one[k] * high[k]
            for y in range(first[m], last[m]):
                i, j = lower[where[y]], upper[where[y]]
                x = x0 + y - first[m]
                absorbed, stim, weight = made[0, r, x], made[1, r, x], made[3, r, x]
                low, high, emitted = n[i], n[j], eta[of_atom[i]]
                up, down, from_i, from_j = opacity[i], opacity[j], emits[i], emits[j]
                more, less = gain[i], gain[j]
                for k in range(N):
                    c = (absorbed[k] * low[k] - stim[k] * high[k]) * emitted[k]
                    c += down[k] * from_i[k] * low[k] - up[k] * from_j[k] * high[k]
                    left[k] = weight[k] * c
                for k in range(N):
                    more[k] += left[k]
                    less[k] -= left[k]
                if len(lost):
                    for k in range(N):
                        share[m] = max(share[m], abs(left[k]) / min(lost[i, k], lost[j, k]))
            x0 += last[m] - first[m]


@_compiled
def unbalanced_shares(
    first: Integers, last: Integers, at: Integers, where: Integers, start: Integers,
    first_wave: Integers, lower: Integers, upper: Integers, of_atom: Integers, emission: Array,
    absorption: Array, stimulated: Array, profile: Array, up: Array, diagonal: Array, n: Array,
    lost: Array,
) -> Array:  # fmt: skip
    """Return the shares of :func:`unbalanced`, [Nshared]; other arguments as of the two above."""
    share, gain = np.empty(first.size), np.zeros_like(n)
    for m in range(0, first.size, _TOGETHER):
        some = slice(m, m + _TOGETHER)
        made = overlaps(
            first[some], last[some], at[some], where, start, first_wave, emission, absorption,
            stimulated, profile, up, diagonal,
        )  # fmt: skip
        unbalanced(
            first[some], last[some], where, lower, upper, of_atom, made, n, gain, lost, share[some]
        )
    return share


@_compiled
def _thinning(
    t: int, k: int, n: Array, lower: Integers, upper: Integers, inverse: Array, net: Array,
    share: Array,
) -> float:  # fmt: skip
    """Return what a transition's source function is worth, for the change of its own opacity.

    Its opacity was ``net`` where the operator was linearised; `share` of the total was its own.
    """
    now = (n[lower[t], k] - inverse[t, k] * n[upper[t], k]) / net[t, k]
    worth: float = 1.0 / (1.0 - share[t, k] + share[t, k] * max(now, _THINNEST))
    return worth


@_compiled
def emitters(
    n: Array,
    strength: Array,
    lower: Integers,
    upper: Integers,
    inverse: Array,
    net: Array,
    share: Array,
) -> Array:
    """Return what every transition emits is in proportion to [m-3], [Ntransition, Nspace].

    Parameters
    ----------
    n : Array
        Populations, [Nlevel, Nspace].
    strength : Array
        Factor on what every transition emits, [Ntransition, Nspace].
    lower, upper : Array
        Levels of every transition, [Ntransition].
    inverse, net : Array
        Share of the upper population that stimulated emission takes from the lower one, and what
        is left of that where the operator was linearised, [Ntransition, Nspace].
    share : Array
        From :func:`local_response`.
    """
    T, N = lower.size, n.shape[1]
    emitter = np.empty((T, N))
    for t in range(T):
        for k in range(N):
            worth = _thinning(t, k, n, lower, upper, inverse, net, share)
            emitter[t, k] = strength[t, k] * n[upper[t], k] * worth
    return emitter


@_compiled
def _eliminate(A: Array, b: Array) -> None:
    """Solve the equations ``A x = b`` with row pivoting in place; `b` becomes x.

    Of so few unknowns this takes half of what LAPACK does.
    """
    N = b.size
    for j in range(N):
        pivot = j
        for i in range(j + 1, N):
            if abs(A[i, j]) > abs(A[pivot, j]):
                pivot = i
        if pivot != j:
            b[j], b[pivot] = b[pivot], b[j]
            for k in range(j, N):
                A[j, k], A[pivot, k] = A[pivot, k], A[j, k]
        for i in range(j + 1, N):
            factor = A[i, j] / A[j, j]
            b[i] -= factor * b[j]
            for k in range(j + 1, N):
                A[i, k] -= factor * A[j, k]
    for i in range(N - 1, -1, -1):
        for k in range(i + 1, N):
            b[i] -= A[i, k] * b[k]
        b[i] /= A[i, i]


@_compiled
def _solve(
    P: Array,
    n: Array,
    nTotal: Array,
    first_level: Integers,
    Nlevel: Integers,
    gain: Array,
    left: Array,
    k: int,
    new: Array,
) -> None:
    """Write the populations at one depth that are in equilibrium with the rates P.

    A level's gain, in proportion to its own population, counts as a loss where negative; what is
    more than half of its losses is one of the old population, or a new one could be negative.

    Those that are negative, and those that would fall by more, are a tenth of the old ones.
    """
    for a in range(first_level.size):
        o, size = first_level[a], Nlevel[a]
        A, b = np.empty((size, size)), np.zeros(size)
        most = 0
        for i in range(size):
            if n[o + i, k] > n[o + most, k]:
                most = i
            for j in range(size):
                A[i, j] = P[o + i, o + j] if i != j else 0.0
            for j in range(P.shape[0]):
                if j < o or j >= o + size:
                    b[i] -= P[o + i, j] * n[j, k]
        for j in range(size):
            lost = 0.0
            for i in range(size):
                lost += A[i, j]
            own = min(gain[o + j], 0.5 * lost)
            b[j] -= (gain[o + j] - own) * n[o + j, k] + left[o + j]
            A[j, j] = own - lost
        for j in range(size):
            A[most, j] = 1.0
        b[most] = nTotal[a, k]
        _eliminate(A, b)
        x, total = b, 0.0
        for i in range(size):
            least = _LEAST_CHANGE * n[o + i, k]
            new[o + i, k] = x[i] if x[i] > least and math.isfinite(x[i]) else least
            total += new[o + i, k]
        for i in range(size):
            new[o + i, k] *= nTotal[a, k] / total


@_compiled
def balanced(n: Array, nTotal: Array, first_level: Integers, Nlevel: Integers, P: Array) -> Array:
    """Return the populations in equilibrium with given rates, [Nlevel, Nspace].

    Parameters
    ----------
    n : Array
        The populations before, [Nlevel, Nspace]; none falls below a tenth of them.
    nTotal, first_level, Nlevel
        As for :func:`sweep`.
    P : Array
        Rates [s-1] from the second index to the first, [Nlevel, Nlevel, Nspace].
    """
    new, none = n.copy(), np.zeros(len(n))
    for k in range(n.shape[1]):
        _solve(P[:, :, k], n, nTotal, first_level, Nlevel, none, none, k, new)
    return new


@_compiled
def sweep(
    n: Array,
    nTotal: Array,
    first_level: Integers,
    Nlevel: Integers,
    fixed: Array,
    defect: Array,
    gained: Array,
    lower: Integers,
    upper: Integers,
    first_row: Integers,
    second_row: Integers,
    multiple: Array,
    rate: Array,
    strength: Array,
    local: Array,
    inverse: Array,
    net: Array,
    share: Array,
    capped: bool = False,
) -> Array:
    """Return the populations in equilibrium with rates whose local part follows them.

    The equations of statistical equilibrium with the local response preconditioned, linear in the
    new populations: Rybicki and Hummer 1992, A&A 262, 209, equation 2.19.

    Parameters
    ----------
    n : Array
        Populations [m-3], atom after atom, [Nlevel, Nspace].
    nTotal : Array
        Of every atom [m-3], [Natom, Nspace].
    first_level, Nlevel : Array
        Of every atom, [Natom].
    fixed : Array
        Rates [s-1] that do not depend on the radiation, from the second index to the first,
        [Nlevel, Nlevel, Nspace].
    defect : Array
        Share of what a level loses by which the host's own equations differ, [Nlevel, Nspace].
    gained : Array
        What a level gains in them besides [m-3 s-1], [Nlevel, Nspace].
    multiple : Array
        Rate down over rate up where these are one row, [Ntransition, Nspace].
    rate : Array
        Rates of every row [s-1], [Nrow, Nspace].
    strength : Array
        Factor on what every transition emits, [Ntransition, Nspace].
    local : Array
        From :func:`local_response`, times what there is on every row, [Nrow, Nspace].
    capped : bool
        Whether the local part of a rate is cut off where it is more than the rate.

    Returns
    -------
    n : Array
        [Nlevel, Nspace], not below a tenth of the old populations.
    """
    N = n.shape[1]
    T = lower.size
    new = n.copy()
    P = np.zeros((len(n), len(n)))
    worth, inverted, gain = np.zeros(T), np.zeros(T, np.bool_), np.zeros(len(n))
    left = np.zeros(len(n))
    for k in range(N):
        gain[:], left[:] = 0.0, 0.0
        for j in range(len(n)):
            for i in range(len(n)):
                gain[j] += fixed[i, j, k]
        for t in range(T):
            gain[lower[t]] += rate[first_row[t], k]
            if first_row[t] == second_row[t]:
                gain[upper[t]] += multiple[t, k] * rate[first_row[t], k]
            else:
                gain[upper[t]] += rate[second_row[t], k]
        gain *= defect[:, k]
        gain += gained[:, k] / n[:, k]
        for t in range(T):
            worth[t] = _thinning(t, k, n, lower, upper, inverse, net, share)
            inverted[t] = n[lower[t], k] <= inverse[t, k] * n[upper[t], k]
        for j in range(len(n)):
            for i in range(len(n)):
                P[j, i] = fixed[j, i, k]
        for t in range(T):
            one, other = first_row[t], second_row[t]
            emitter = 0.0 if inverted[t] else worth[t] * strength[t, k]
            # What of the rates is made here is in proportion to the new upper population.
            here = emitter * n[upper[t], k]
            up, down = local[one, k], local[other, k]
            if capped and up * here > rate[one, k]:
                up = rate[one, k] / here
            if capped and down * here > rate[other, k]:
                down = rate[other, k] / here
            rises = max(rate[one, k] - up * here, 0.0)
            P[upper[t], lower[t]] += rises
            # What a rate's local part is more than the rate was never absorbed.
            over = (rises - rate[one, k] + up * here) * n[lower[t], k]
            x = up * n[lower[t], k]
            if one == other:
                P[lower[t], upper[t]] += multiple[t, k] * rises
                over *= 1.0 - multiple[t, k] * n[upper[t], k] / n[lower[t], k]
                x -= up * multiple[t, k] * n[upper[t], k]
            else:
                falls = max(rate[other, k] - down * here, 0.0)
                P[lower[t], upper[t]] += falls
                over -= (falls - rate[other, k] + down * here) * n[upper[t], k]
                x -= down * n[upper[t], k]
            P[lower[t], upper[t]] -= emitter * x
            left[lower[t]] += over
            left[upper[t]] -= over
        _solve(P, n, nTotal, first_level, Nlevel, gain, left, k, new)
    return new

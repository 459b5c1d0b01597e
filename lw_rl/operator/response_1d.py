"""Compiled: how the radiative rates of coupled transitions respond to the populations, in 1D.

At every wavelength the mean intensity of a plane-parallel atmosphere is ``J = G S + J_b``, with the
source function S of all that emits there, what enters at the lower boundary, and coherent
scattering in the background solved: ``G = (1 - Lambda a)^-1 Lambda``. A rate is a sum over
wavelengths of such intensities, and what a transition emits is linear in its upper level's
population, so that at fixed opacity

    rate of row r  =  known_r  +  sum over transitions c of  M_rc n_u(c),

and only the blocks ``M_rc``, [Nspace, Nspace], are kept.

Lambda is that of cubic Bezier short characteristics (`lw_rl.operator.bezier_1d`), linear ones where
that does not give a positive response with scattering solved. Eight wavelengths
are treated together, as many as fit into the registers of a processor's vector unit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from ..arrays import Array, Integers
from .bezier_1d import REACH, stencils

__all__ = ["LANES", "opacities", "rates_of", "responses", "sweep"]

#: Wavelengths treated together.
LANES = 8
#: A response below this share of the largest is none.
_NEGLIGIBLE = 1e-13
#: Steps of optical depth beyond which nothing changes.
_THIN, _THICK = 1e-12, 1e12
#: Albedo times optical depth, or albedo where thick, from which on scattering is solved.
_SCATTERS = 1e-2
#: An operator with more negative responses than this, of the largest, is not trusted.
_NEGATIVE = 1e-1
#: How scattering is treated: left as it is, solved, solved by a monotone operator.
_PLAIN, _SCATTERING, _LINEAR = 0, 1, 2
#: A transition whose emission is a smaller share of all at every depth is fixed, as is the response
#: of a rate to wavelengths that bring less than this share of it.
_EMITS, _SEES = 1e-3, 1e-4
#: The total opacity is not taken for less than this share of the background's.
_LEAST_OPACITY = 1e-2
#: Limits of the ratio of the host's mean intensity to the operator's; what is above is light from
#: outside, which stays as it is.
_LEAST_RATIO, _LARGEST_RATIO = 1e-3, 2.0
#: A new population is not below this share of the old one.
_LEAST_CHANGE = 0.1
#: Within one linearisation a transition does not become more transparent than this.
_THINNEST = 0.3

_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})


@_compiled
def _lambda_operators(
    inward: Array, outward: Array, decay: Array, half: Array, down: bool, up: bool, Lambda: Array
) -> None:
    """Write the Lambda operators of `LANES` wavelengths, [source, depth, lane].

    Parameters
    ----------
    inward, outward : Array
        Stencils (`lw_rl.operator.bezier_1d`), [Nspace, 5, Nray * LANES].
    decay : Array
        exp(-step), [Nspace - 1, Nray * LANES].
    half : Array
        Half the quadrature weights of the rays, [Nray].
    down, up : bool
        Whether light that goes inward, outward is seen.
    Lambda : Array
        Written, [Nspace, Nspace, LANES].
    """
    N, K = inward.shape[0], half.size
    inward = inward.reshape((N, 2 * REACH + 1, K, LANES))
    outward = outward.reshape((N, 2 * REACH + 1, K, LANES))
    decay = decay.reshape((N - 1, K, LANES))
    beam, seen = np.empty((K, LANES)), np.empty(LANES)
    Lambda[:] = 0.0
    for s in range(N):
        beam[:] = 0.0
        largest = 0.0
        for i in range(max(1, s - REACH), N if down else 0):
            m = s - i + REACH
            seen[:] = 0.0
            if m >= 0:
                for k in range(K):
                    for w in range(LANES):
                        beam[k, w] = beam[k, w] * decay[i - 1, k, w] + inward[i, m, k, w]
                        seen[w] += half[k] * beam[k, w]
            else:
                for k in range(K):
                    for w in range(LANES):
                        beam[k, w] *= decay[i - 1, k, w]
                        seen[w] += half[k] * beam[k, w]
            size = 0.0
            for w in range(LANES):
                Lambda[s, i, w] += seen[w]
                size = max(size, abs(seen[w]))
            largest = max(largest, size)
            if m < 0 and size < _NEGLIGIBLE * largest:
                break
        beam[:] = 0.0
        largest = 0.0
        for i in range(min(N - 2, s + REACH) if up else -1, -1, -1):
            m = s - i + REACH
            seen[:] = 0.0
            if m <= 2 * REACH:
                for k in range(K):
                    for w in range(LANES):
                        beam[k, w] = beam[k, w] * decay[i, k, w] + outward[i, m, k, w]
                        seen[w] += half[k] * beam[k, w]
            else:
                for k in range(K):
                    for w in range(LANES):
                        beam[k, w] *= decay[i, k, w]
                        seen[w] += half[k] * beam[k, w]
            size = 0.0
            for w in range(LANES):
                Lambda[s, i, w] += seen[w]
                size = max(size, abs(seen[w]))
            largest = max(largest, size)
            if m > 2 * REACH and size < _NEGLIGIBLE * largest:
                break


@_compiled
def _optical_steps(chi: Array, height: Array, mu: Array, lanes: Integers) -> Array:
    """Return the steps of optical depth of some wavelengths, [Nspace - 1, Nray * LANES].

    Opacity has shape [Nwave, Nspace].
    """
    N, K = height.size, mu.size
    step = np.empty((N - 1, K * LANES))
    for i in range(N - 1):
        for k in range(K):
            for w in range(LANES):
                v = lanes[w]
                t = 0.5 * (chi[v, i] + chi[v, i + 1]) * (height[i] - height[i + 1]) / mu[k]
                step[i, k * LANES + w] = min(max(t, _THIN), _THICK)
    return step


@_compiled
def _scatters(chi: Array, sca: Array, height: Array) -> bool:
    """Return whether scattering matters at a wavelength."""
    tau = 0.0
    for i in range(height.size):
        if i > 0:
            tau += 0.5 * (chi[i] + chi[i - 1]) * (height[i - 1] - height[i])
        if sca[i] / chi[i] * min(tau, 1.0) > _SCATTERS:
            return True
    return False


@_compiled
def opacities(
    start: Integers,
    transition: Integers,
    lower: Integers,
    upper: Integers,
    emission: Array,
    absorption: Array,
    stimulated: Array,
    profile: Array,
    n: Array,
    chi: Array,
    eta: Array,
) -> tuple[Array, Array]:
    """Return total opacity and the emissivity of the transitions, [Nbundle, Nwave, Nspace].

    Parameters
    ----------
    start, transition, lower, upper, emission, absorption, stimulated, profile
        As of `lw_rl.host.equations.Transfer`.
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    chi, eta : Array
        Of everything else [m-1, J s-1 m-3 sr-1 Hz-1], [Nwave, Nspace].
    """
    V, N = chi.shape
    B = profile.shape[1]
    total, own = np.empty((B, V, N)), np.zeros((B, V, N))
    for r in range(B):
        total[r] = chi
        for v in range(V):
            for e in range(start[v], start[v + 1]):
                t = transition[e]
                low, up = lower[t], upper[t]
                for i in range(N):
                    net = absorption[e, i] * n[low, i] - stimulated[e, i] * n[up, i]
                    total[r, v, i] += profile[e, r, i] * net
                    own[r, v, i] += profile[e, r, i] * emission[e, i] * n[up, i]
            for i in range(N):
                total[r, v, i] = max(total[r, v, i], _LEAST_OPACITY * chi[v, i])
    return total, own


@_compiled
def _by_lane(Lambda: Array, lanes: Array) -> None:
    """Write the operators of a bundle wavelength by wavelength, [lane, source, depth]."""
    N = Lambda.shape[0]
    for j in range(N):
        for i in range(N):
            for w in range(LANES):
                lanes[w, j, i] = Lambda[j, i, w]


@_compiled
def _scatter(G: Array, light: Array, total: Array, sca: Array) -> None:
    """Solve coherent scattering in what every source function and the boundary bring.

    Parameters
    ----------
    G : Array
        Mean intensity per source function of every bundle, changed in place,
        [Nbundle, source, depth].
    light : Array
        Mean intensity of what enters at the lower boundary, changed in place, [Nspace].
    total : Array
        Opacity, [Nbundle, Nspace].
    sca : Array
        What of it scatters, [Nspace].
    """
    B, N = total.shape
    A, seen = np.zeros((N, N)), np.empty((N, B * N + 1))
    for r in range(B):
        for j in range(N):
            albedo = sca[j] / total[r, j]
            for i in range(N):
                A[i, j] -= G[r, j, i] * albedo
                seen[i, r * N + j] = G[r, j, i]
    for i in range(N):
        A[i, i] += 1.0
        seen[i, B * N] = light[i]
    solved = np.linalg.solve(A, seen)
    for i in range(N):
        for r in range(B):
            for j in range(N):
                G[r, j, i] = solved[i, r * N + j]
        light[i] = solved[i, B * N]


@_compiled
def _bundle(
    r: int,
    B: int,
    height: Array,
    mu: Array,
    weight: Array,
    total: Array,
    own: Array,
    eta: Array,
    sca: Array,
    J: Array,
    planck: Array,
    lanes: Integers,
    monotone: bool,
    around: Array,
    present: float,
    Lambda: Array,
    boundary: Array,
) -> None:
    """Write a bundle's Lambda operators of `LANES` wavelengths and what enters from below.

    One bundle is all rays in both directions; of more, each is one ray in one direction.

    Parameters
    ----------
    total, own : Array
        Opacity of the bundle, and the emissivity of the transitions, [Nwave, Nspace].
    monotone : bool
        Whether the source function is interpolated linearly.
    around : Array
        Source function around which the limiter of the interpolation is linearised, written,
        [Nwave, Nspace].
    present : float
        Weight in it of the present source function; the rest is that of the one before.
    Lambda : Array
        Written, [source, depth, lane].
    boundary : Array
        Written, [lane, Nbundle, Nspace].
    """
    N = height.size
    if B == 1:
        cosine, half, down, up = mu, 0.5 * weight, True, True
    else:
        cosine, half = mu[r // 2 : r // 2 + 1], 0.5 * weight[r // 2 : r // 2 + 1]
        down, up = r % 2 == 0, r % 2 == 1
    K = cosine.size
    step = _optical_steps(total, height, cosine, lanes)
    source = np.empty((N, K * LANES))
    for i in range(N):
        for w in range(LANES):
            v = lanes[w]
            S = (eta[v, i] + own[v, i] + sca[v, i] * J[v, i]) / total[v, i]
            if present < 1.0 and not monotone:
                S = (1.0 - present) * around[v, i] + present * S
            for k in range(K):
                source[i, k * LANES + w] = S
    if not monotone:
        for w in range(LANES):
            around[lanes[w]] = source[:, w]
    decay = np.exp(-step)
    inward, outward = stencils(step, decay, source, monotone)
    _lambda_operators(inward, outward, decay, half, down, up, Lambda)
    if not up:
        return
    # As the host's, the lower boundary is thermal, with the gradient of B.
    for w in range(LANES):
        boundary[w, r] = 0.0
        v = lanes[w]
        for k in range(K):
            t = step[N - 2, k * LANES + w]
            beam = max(planck[v, 1] + (planck[v, 1] - planck[v, 0]) / t, 0.0)
            for i in range(N - 1, -1, -1):
                boundary[w, r, i] += half[k] * beam
                if i > 0:
                    beam *= decay[i - 1, k * LANES + w]


@_compiled
def responses(
    height: Array,
    mu: Array,
    weight: Array,
    start: Integers,
    transition: Integers,
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
    block: Integers,
    Nblock: int,
    Nrow: int,
    planck: Array,
    n: Array,
    chi: Array,
    eta: Array,
    sca: Array,
    before: Array,
    J: Array,
    guess: Array,
    factor: Array,
    aim: Array,
    ratio: Array,
    outside: Array,
    kind: Integers,
    around: Array,
    present: float,
    first: bool,
) -> tuple[Array, Array, Array, Array, Array]:
    """Return the blocks M and the known part of the rates around some populations.

    Parameters
    ----------
    height, mu, weight, start, transition, lower, upper, emission, absorption, stimulated, profile
    up, down
        As of `lw_rl.host.equations.Transfer`.
    first_row, second_row : Array
        Rows of a transition's rates up and down, [Ntransition]; where both are the same the
        rate down is a multiple of the rate up.
    block : Array
        Index of a row's block for a transition's emission, -1 if none, [Nrow, Ntransition].
    planck : Array
        Planck function at the two lowest depths, [Nwave, 2].
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    chi, eta, sca : Array
        Opacity and emissivity of everything else, and scattering, [Nwave, Nspace].
    before, J : Array
        The mean intensity that was the source of scattered light in the host's formal solution,
        and that which it led to, [Nwave, Nspace].
    guess : Array
        Estimate of the source of scattered light around which the limiter of the interpolation is
        linearised, [Nwave, Nspace].
    factor : Array
        Factor on the rates of every row, [Nrow, Nspace].
    aim : Array
        What every row is where the formal solution was made [s-1], [Nrow, Nspace].
    ratio, outside : Array
        Ratio of the host's mean intensity to the operator's with the same source of scattered
        light, and what it has besides, [Nwave, Nspace]; found and written where `first`.
    kind : Array
        How scattering is treated at every wavelength; found and written where `first`, [Nwave].
    around : Array
        Source function around which the limiter is linearised; written, [Nbundle, Nwave, Nspace].
    present : float
        Weight in it of the present source function; the rest is that of the linearisation before.

    Returns
    -------
    M : Array
        From source to depth, [Nblock, source, depth].
    known : Array
        [Nrow, Nspace].
    local : Array
        The diagonals of M, of a ratio of one at most, [Nblock, Nspace].
    share : Array
        Share of a transition in the opacity that its own rate sees, [Ntransition, Nspace].
    model : Array
        Mean intensity by the operator, [Nwave, Nspace].
    """
    V, N = chi.shape
    B, T = profile.shape[1], lower.size
    M, known = np.zeros((Nblock, N, N)), np.zeros((Nrow, N))
    local = np.zeros((Nblock, N))
    share, seen = np.zeros((T, N)), np.full((T, N), 1e-300)
    model = np.empty((V, N))
    total, own = opacities(
        start, transition, lower, upper, emission, absorption, stimulated, profile, n, chi, eta
    )
    lanes = np.empty(LANES, np.int64)
    Lambda, of_lane = np.empty((N, N, LANES)), np.empty((B, LANES, N, N))
    monotone = np.empty((B, LANES, N, N))
    boundary, light = np.empty((LANES, B, N)), np.empty(N)
    column, unfed, seeing = np.empty(N), np.empty(N), np.empty(N)
    fixed = np.empty((B, N))
    emits = np.empty(transition.size, np.bool_)
    for v0 in range(0, V, LANES):
        for w in range(LANES):
            lanes[w] = min(v0 + w, V - 1)
        boundary[:] = 0.0
        for r in range(B):
            _bundle(
                r, B, height, mu, weight, total[r], own[r], eta, sca, guess, planck, lanes, False,
                around[r], present, Lambda, boundary,
            )  # fmt: skip
            _by_lane(Lambda, of_lane[r])
        made = False
        for w in range(min(LANES, V - v0)):
            v = v0 + w
            if first:
                kind[v] = _SCATTERING if _scatters(total[0, v], sca[v], height) else _PLAIN
            G = of_lane[:, w]
            while True:
                if kind[v] == _LINEAR:
                    if not made:
                        for r in range(B):
                            _bundle(
                                r, B, height, mu, weight, total[r], own[r], eta, sca, guess,
                                planck, lanes, True, around[r], present, Lambda, boundary,
                            )  # fmt: skip
                            _by_lane(Lambda, monotone[r])
                        made = True
                    G = monotone[:, w]
                light[:] = boundary[w].sum(axis=0)
                if first:
                    formal = light.copy()
                    for r in range(B):
                        for j in range(N):
                            S = (eta[v, j] + own[r, v, j] + sca[v, j] * before[v, j]) / total[
                                r, v, j
                            ]
                            for i in range(N):
                                formal[i] += G[r, j, i] * S
                    for i in range(N):
                        q = J[v, i] / max(formal[i], 1e-300)
                        ratio[v, i] = min(max(q, _LEAST_RATIO), _LARGEST_RATIO)
                        outside[v, i] = max(J[v, i] - ratio[v, i] * formal[i], 0.0)
                for i in range(N):
                    light[i] = ratio[v, i] * light[i] + outside[v, i]
                for r in range(B):
                    for j in range(N):
                        for i in range(N):
                            G[r, j, i] *= ratio[v, i]
                if kind[v] == _PLAIN:
                    break
                _scatter(G, light, total[:, v], sca[v])
                if not first or kind[v] == _LINEAR or G.min() >= -_NEGATIVE * G.max():
                    break
                kind[v] = _LINEAR
            scatters = kind[v] != _PLAIN
            for b in range(start[v], start[v + 1]):
                c = transition[b]
                emits[b] = first_row[c] == second_row[c]
                for r in range(B):
                    for j in range(N):
                        by = profile[b, r, j] * emission[b, j] * n[upper[c], j]
                        if by > _EMITS * (own[r, v, j] + eta[v, j]):
                            emits[b] = True
            unfed[:] = light
            model[v] = light
            for r in range(B):
                column[:] = 0.0
                for b in range(start[v], start[v + 1]):
                    if emits[b]:
                        for j in range(N):
                            by = emission[b, j] * n[upper[transition[b]], j]
                            column[j] += profile[b, r, j] * by
                for j in range(N):
                    fixed[r, j] = eta[v, j] + own[r, v, j] - column[j]
                    if not scatters:
                        fixed[r, j] += sca[v, j] * before[v, j]
                    fixed[r, j] /= total[r, v, j]
                    S = fixed[r, j] + column[j] / total[r, v, j]
                    for i in range(N):
                        unfed[i] += G[r, j, i] * fixed[r, j]
                        model[v, i] += G[r, j, i] * S
            for a in range(start[v], start[v + 1]):
                t = transition[a]
                sees = False
                for i in range(N):
                    row = first_row[t]
                    if up[a, i] * J[v, i] * factor[row, i] > _SEES * aim[row, i]:
                        sees = True
                single = first_row[t] == second_row[t]
                for side in range(1 if single else 2):
                    row = first_row[t] if side == 0 else second_row[t]
                    rate = up if side == 0 else down
                    for r in range(B):
                        # What each bundle brings counts by its own profile.
                        by_profile = B > 1 and not scatters
                        for i in range(N):
                            seeing[i] = rate[a, i] * factor[row, i]
                            if by_profile:
                                seeing[i] *= profile[a, r, i]
                        if by_profile:
                            for i in range(N):
                                fed = ratio[v, i] * boundary[w, r, i]
                                if r == 0:
                                    fed += outside[v, i] / max(profile[a, r, i], 1e-300)
                                known[row, i] += seeing[i] * fed
                            for j in range(N):
                                for i in range(N):
                                    known[row, i] += seeing[i] * G[r, j, i] * fixed[r, j]
                        elif r == 0:
                            fixed_light = unfed if sees or single else model[v]
                            for i in range(N):
                                known[row, i] += seeing[i] * fixed_light[i]
                        for b in range(start[v], start[v + 1]):
                            c = transition[b]
                            if not emits[b]:
                                continue
                            if not sees and not single and not by_profile:
                                continue
                            for j in range(N):
                                column[j] = profile[b, r, j] * emission[b, j] / total[r, v, j]
                            if not sees and (t != c or not single):
                                for j in range(N):
                                    by = column[j] * n[upper[c], j]
                                    for i in range(N):
                                        known[row, i] += seeing[i] * G[r, j, i] * by
                                continue
                            m = block[row, c]
                            for j in range(N):
                                for i in range(N):
                                    M[m, j, i] += seeing[i] * G[r, j, i] * column[j]
                            for i in range(N):
                                h = max(G[r, i, i], 0.0) * column[i] * seeing[i]
                                local[m, i] += h / max(factor[row, i] * ratio[v, i], 1.0)
                                if t == c and side == 0:
                                    x = absorption[b, i] * n[lower[c], i]
                                    x -= stimulated[b, i] * n[upper[c], i]
                                    x *= profile[b, r, i] / total[r, v, i]
                                    seen[c, i] += h
                                    share[c, i] += h * min(max(x, 0.0), 1.0)
    return M, known, local, share / seen, model


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
def rates_of(
    n: Array,
    strength: Array,
    lower: Integers,
    upper: Integers,
    rows: Integers,
    columns: Integers,
    M: Array,
    known: Array,
    inverse: Array,
    net: Array,
    share: Array,
) -> Array:
    """Return the rates of every row at some populations, [Nrow, Nspace].

    Parameters
    ----------
    n : Array
        Populations, [Nlevel, Nspace].
    strength : Array
        Factor on what every transition emits, [Ntransition, Nspace].
    rows, columns : Array
        Row and transition of every block, [Nblock].
    M, known, share
        From :func:`responses`.
    inverse, net : Array
        Share of the upper population that stimulated emission takes from the lower one, and what
        is left of that where the operator was linearised, [Ntransition, Nspace].
    """
    T, N = lower.size, n.shape[1]
    emitter = np.empty((T, N))
    for t in range(T):
        for k in range(N):
            emitter[t, k] = (
                strength[t, k]
                * n[upper[t], k]
                * _thinning(t, k, n, lower, upper, inverse, net, share)
            )
    rate = known.copy()
    for b in range(rows.size):
        rate[rows[b]] += emitter[columns[b]] @ M[b]
    return np.maximum(rate, 0.0)


@_compiled
def _solve(
    P: Array,
    n: Array,
    nTotal: Array,
    first_level: Integers,
    Nlevel: Integers,
    gain: Array,
    k: int,
    new: Array,
) -> bool:
    """Write the populations at one depth that are in equilibrium with the rates P.

    A level's gain, in proportion to its own population, counts as a loss where negative; what is
    more than half of its losses is one of the old population, or a new one could be negative.

    Returns whether all of them are positive; those that are not, and those that would fall by more,
    are a tenth of the old ones.
    """
    positive = True
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
            b[j] -= (gain[o + j] - own) * n[o + j, k]
            A[j, j] = own - lost
        for j in range(size):
            A[most, j] = 1.0
        b[most] = nTotal[a, k]
        x = np.linalg.solve(A, b)
        total = 0.0
        for i in range(size):
            positive = positive and x[i] > 0.0
            least = _LEAST_CHANGE * n[o + i, k]
            new[o + i, k] = x[i] if x[i] > least and math.isfinite(x[i]) else least
            total += new[o + i, k]
        for i in range(size):
            new[o + i, k] *= nTotal[a, k] / total
    return positive


@_compiled
def sweep(
    n: Array,
    nTotal: Array,
    first_level: Integers,
    Nlevel: Integers,
    fixed: Array,
    defect: Array,
    lower: Integers,
    upper: Integers,
    first_row: Integers,
    second_row: Integers,
    of_row: Integers,
    multiple: Array,
    rate: Array,
    rows: Integers,
    columns: Integers,
    local: Array,
    inverse: Array,
    net: Array,
    share: Array,
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
    multiple : Array
        Rate down over rate up where these are one row, [Ntransition, Nspace].
    rate : Array
        From :func:`rates_of`.
    local : Array
        Local response of every block, [Nblock, Nspace].

    Returns
    -------
    n : Array
        [Nlevel, Nspace], not below a tenth of the old populations.
    """
    N = n.shape[1]
    T = lower.size
    new = n.copy()
    P, left = np.zeros((len(n), len(n))), np.zeros(rate.shape[0])
    worth, inverted, gain = np.zeros(T), np.zeros(T, np.bool_), np.zeros(len(n))
    for k in range(N):
        gain[:] = 0.0
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
        for t in range(T):
            worth[t] = _thinning(t, k, n, lower, upper, inverse, net, share)
            inverted[t] = n[lower[t], k] <= inverse[t, k] * n[upper[t], k]
        for own_only in (False, True):
            P[:] = fixed[:, :, k]
            left[:] = rate[:, k]
            for b in range(rows.size):
                t, c = of_row[rows[b]], columns[b]
                if not inverted[t] and (t == c or not own_only):
                    left[rows[b]] -= local[b, k] * worth[c] * n[upper[c], k]
            for t in range(T):
                P[upper[t], lower[t]] += max(left[first_row[t]], 0.0)
                if first_row[t] == second_row[t]:
                    P[lower[t], upper[t]] += multiple[t, k] * max(left[first_row[t]], 0.0)
                else:
                    P[lower[t], upper[t]] += max(left[second_row[t]], 0.0)
            for b in range(rows.size):
                row, c = rows[b], columns[b]
                t = of_row[row]
                if inverted[t] or (t != c and own_only):
                    continue
                if first_row[t] == second_row[t]:
                    x = n[lower[t], k] - multiple[t, k] * n[upper[t], k]
                elif row == first_row[t]:
                    x = n[lower[t], k]
                else:
                    x = -n[upper[t], k]
                x *= local[b, k] * worth[c]
                P[upper[t], upper[c]] += x
                P[lower[t], upper[c]] -= x
            if _solve(P, n, nTotal, first_level, Nlevel, gain, k, new):
                break
    return new

"""Compiled: how light and net radiative rates respond to populations and atmosphere, in 1D.

Every wavelength is seen by *bundles* of rays: one of all rays in both directions where the
atmosphere is at rest, else each ray inward and outward is one. Opacity and emissivity of an entry
(a transition at a wavelength) are ``V (n_i - g n_j)`` and ``u g V n_j``, and the net rate of a
transition upwards is the sum of ``w V (n_i I - g n_j (u + I))`` over its entries and the bundles
(Rybicki and Hummer 1992, A&A 262, 209). The intensity I is linearised exactly, through the host's
own formal solver (`lw_rl.operator.formal_1d`), with coherent scattering solved.

The host's preconditioned equations differ from these where a level is the lower one of two
transitions at the same wavelength, or of one and the upper one of another (H alpha in the Paschen
continuum): the products
``Psi* chi_i U_k`` of levels without a transition between them, which would cancel, are left out.
What is left, ``- w Psi* a`` per entry (`_unbalanced`), is part of the net rates here.

What perturbs is a *field*: a change of emissivity and opacity at every depth.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ..arrays import Array, Integers
from .formal_1d import AFTER, BEFORE, REACH, derivatives, intensity, propagated, seen

__all__ = [
    "emergent",
    "mean_intensities",
    "net_rates",
    "opacities",
    "radiation",
    "responses",
    "scattered_light",
]

_compiled = njit(cache=True, nogil=True, error_model="numpy")


@_compiled
def opacities(
    start: Integers, transition: Integers, lower: Integers, upper: Integers, V: Array, g: Array,
    u: Array, n: Array, chi: Array, eta: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Return total opacity and emissivity but for scattering, [Nwave, Nbundle, Nspace].

    Parameters
    ----------
    start, transition, lower, upper, V, g, u, chi, eta
        As of `lw_rl.host.medium.Medium`.
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    """
    W, N, B = chi.shape[0], chi.shape[1], V.shape[1]
    total, emitted = np.empty((W, B, N)), np.empty((W, B, N))
    for v in range(W):
        for b in range(B):
            total[v, b] = chi[v]
            emitted[v, b] = eta[v]
            for e in range(start[v], start[v + 1]):
                low, up = n[lower[transition[e]]], n[upper[transition[e]]]
                for k in range(N):
                    total[v, b, k] += V[e, b, k] * (low[k] - g[e, k] * up[k])
                    emitted[v, b, k] += u[e] * g[e, k] * V[e, b, k] * up[k]
    return total, emitted


@_compiled
def _unbalanced(
    first: int, last: int, transition: Integers, lower: Integers, upper: Integers,
    of_atom: Integers, V: Array, g: Array, u: Array, n: Array, a: Array, by_n: Array,
) -> bool:  # fmt: skip
    """Write what the host's preconditioned equations leave unbalanced at one wavelength.

    ``a = chi_t eta - chi_i U_j n_j + chi_j U_i n_i`` of every entry, with the emissivity of its
    atom, and the sums over the atom's entries of the opacity of a level and of ``u g V`` of an
    upper level: equations 2.15 to 2.19 of Rybicki and Hummer. It vanishes where all of an atom's
    transitions there have one upper level: the host leaves out what pairs of levels without a
    transition exchange.

    Parameters
    ----------
    of_atom : Array
        Atom of every level, [Nlevel].
    V, g, u : Array
        Of one bundle at the entries, [Nentry, Nspace] and [Nentry].
    a : Array
        Written, [Nentry, Nspace].
    by_n : Array
        Written: its derivative by the populations there, [Nentry, Nlevel, Nspace].

    Returns
    -------
    bool
        Whether there is anything.
    """
    E = last - first
    a[:E] = 0.0
    by_n[:E] = 0.0
    met = False
    for e in range(first, last):
        for f in range(e + 1, last):
            one, other = upper[transition[e]], upper[transition[f]]
            met = met or (one != other and of_atom[one] == of_atom[other])
    if not met:
        return False
    N = n.shape[1]
    for e in range(first, last):
        i, j = lower[transition[e]], upper[transition[e]]
        for k in range(N):
            own = V[e, k] * (n[i, k] - g[e, k] * n[j, k])
            eta = chi_i = chi_j = U_i = U_j = 0.0
            for f in range(first, last):
                low, up = lower[transition[f]], upper[transition[f]]
                if of_atom[low] != of_atom[i]:
                    continue
                U = u[f] * g[f, k] * V[f, k]
                chi = V[f, k] * (n[low, k] - g[f, k] * n[up, k])
                eta += n[up, k] * U
                chi_i += chi * ((low == i) - (up == i))
                chi_j += chi * ((low == j) - (up == j))
                U_i += U * (up == i)
                U_j += U * (up == j)
            x = e - first
            a[x, k] = own * eta - chi_i * U_j * n[j, k] + chi_j * U_i * n[i, k]
            by_n[x, i, k] += V[e, k] * eta + chi_j * U_i
            by_n[x, j, k] -= V[e, k] * g[e, k] * eta + chi_i * U_j
            for f in range(first, last):
                low, up = lower[transition[f]], upper[transition[f]]
                if of_atom[low] != of_atom[i]:
                    continue
                by_n[x, up, k] += own * u[f] * g[f, k] * V[f, k]
                worth = n[i, k] * U_i * ((low == j) - (up == j))
                worth -= n[j, k] * U_j * ((low == i) - (up == i))
                by_n[x, low, k] += worth * V[f, k]
                by_n[x, up, k] -= worth * V[f, k] * g[f, k]
    return True


@_compiled
def net_rates(
    start: Integers, transition: Integers, lower: Integers, upper: Integers, of_atom: Integers,
    V: Array, g: Array, u: Array, w: Array, share: Array, n: Array, light: Array, psi: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the rates up and down of every transition [s-1] and the net rate upwards [m-3 s-1].

    All have shape [Ntransition, Nspace]; the net rate is that of the host's own equations.

    Parameters
    ----------
    share : Array
        Weight of every bundle, their sum one, [Nbundle].
    light, psi : Array
        Of every bundle, from :func:`mean_intensities`, [Nwave, Nbundle, Nspace].
    """
    L, N = n.shape
    T, B = lower.size, V.shape[1]
    up, down, net = np.zeros((T, N)), np.zeros((T, N)), np.zeros((T, N))
    most = np.diff(start).max()
    a, by_n = np.empty((most, N)), np.empty((most, L, N))
    for v in range(start.size - 1):
        first, last = start[v], start[v + 1]
        for b in range(B):
            unbalanced = _unbalanced(
                first, last, transition, lower, upper, of_atom, V[:, b], g, u, n, a, by_n
            )
            for e in range(first, last):
                t = transition[e]
                low, high = n[lower[t]], n[upper[t]]
                for k in range(N):
                    x = share[b] * w[e, k] * V[e, b, k]
                    up[t, k] += x * light[v, b, k]
                    down[t, k] += x * g[e, k] * (u[e] + light[v, b, k])
                    net[t, k] += x * (
                        low[k] * light[v, b, k] - g[e, k] * high[k] * (u[e] + light[v, b, k])
                    )
                    if unbalanced:
                        net[t, k] -= share[b] * w[e, k] * psi[v, b, k] * a[e - first, k]
    return up, down, net


@_compiled
def _ray(values: Array, outward: bool) -> Array:
    """Return values along a ray."""
    return values[::-1].copy() if outward else values.copy()


@_compiled
def _incident(
    planck: Array, chi: Array, height: Array, mu: float
) -> tuple[float, float, float, float]:
    """Return what enters at the lower boundary, and its derivatives.

    As the host's: thermal, with the gradient of the Planck function (diffusion). The derivatives
    are by the Planck functions of the last but one and the last depth, and by their opacities.
    """
    s = height[-2] - height[-1]
    t = 0.5 * (chi[-1] + chi[-2]) * s / mu
    slope = planck[0] - planck[1]
    return planck[1] - slope / t, -1.0 / t, 1.0 + 1.0 / t, slope / t**2 * 0.5 * s / mu


@_compiled
def mean_intensities(
    height: Array, mu: Array, weight: Array, sca: Array, planck: Array, total: Array,
    emitted: Array, source: Array, bundles: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Return the mean intensity of every bundle, [Nwave, Nbundle, Nspace], and its diagonal.

    The diagonal is that of the host's approximate Lambda operator, per emissivity.

    Parameters
    ----------
    height, mu, weight, sca, planck
        As of `lw_rl.host.medium.Medium`.
    total, emitted : Array
        From :func:`opacities`; where they are those of one bundle, all rays see them.
    source : Array
        Mean intensity that is scattered, [Nwave, Nspace].
    bundles : int
        Bundles of which the light is returned.
    """
    W, B, N = total.shape
    light, psi = np.zeros((W, bundles, N)), np.zeros((W, bundles, N))
    for v in range(W):
        for r in range(mu.size):
            for d in range(2):
                outward = d == 1
                b = 0 if B == 1 else 2 * r + d
                to = 0 if bundles == 1 else 2 * r + d
                share = 0.5 * weight[r] if bundles == 1 else 1.0
                distance = (height[:-1] - height[1:]) / mu[r]
                incident = 0.0
                if outward:
                    incident = _incident(planck[v], total[v, b], height, mu[r])[0]
                S = (emitted[v, b] + sca[v] * source[v]) / total[v, b]
                beam, own = intensity(
                    _ray(distance, outward), _ray(total[v, b], outward), _ray(S, outward), incident
                )
                for p in range(N):
                    i = N - 1 - p if outward else p
                    light[v, to, i] += share * beam[p]
                    psi[v, to, i] += share * own[p]
    return light, psi


@_compiled
def _beam(
    height: Array, mu: float, outward: bool, planck: Array, chi: Array, S: Array
) -> tuple[Array, Array, Array, Array, float, float, float]:
    """Return how each point of a ray changes the light at the ends of the steps that see it.

    Parameters
    ----------
    planck : Array
        At the two lowest depths, [2].
    chi, S : Array
        Opacity and source function, [Nspace].

    Returns
    -------
    by_eta, by_chi, psi_by_chi, left : Array
        As from `lw_rl.operator.formal_1d.derivatives`, by emissivity in the place of the source
        function, and by the opacity where emissivity is held.
    by_upper, by_lower, by_opacity : float
        Derivatives of the incident intensity by the Planck function at the last depth but one and
        at the last, and by the opacity at either of them.
    """
    incident = by_upper = by_lower = by_opacity = 0.0
    if outward:
        incident, by_upper, by_lower, by_opacity = _incident(planck, chi, height, mu)
    chi, S = _ray(chi, outward), _ray(S, outward)
    distance = _ray((height[:-1] - height[1:]) / mu, outward)
    by_chi, by_eta, psi_by_chi, left, _ = derivatives(distance, chi, S, incident)
    for m in range(chi.size):
        for w in range(by_eta.shape[1]):
            by_eta[m, w] /= chi[m]
            by_chi[m, w] -= by_eta[m, w] * S[m]
    return by_eta, by_chi, psi_by_chi, left, by_upper, by_lower, by_opacity


@_compiled
def _operators(
    height: Array, mu: Array, weight: Array, planck: Array, chi: Array, S: Array, seen_by: Array,
    of: Array, d_eta: Array, d_chi: Array, light: Array, by_planck: Array, psi_by_chi: Array,
    psi: Array,
) -> None:  # fmt: skip
    """Write the derivatives of sums of the light of all bundles at one wavelength.

    Parameters
    ----------
    weight : Array
        Of the rays, their sum one, [Nray].
    chi, S : Array
        Opacity and source function of every bundle, [Nbundle, Nspace].
    seen_by : Array
        Weights of the bundles in the sums, [Nsum, Nbundle, Nspace].
    of : Array
        What changes emissivity and opacity, as every bundle sees it, [Nsource, Nbundle, Nspace].
        The first is one.
    d_eta, d_chi : Array
        Fields, of every bundle or of every ray, [Nfield, ..., Nspace].
    light : Array
        Written: of the emissivity and of the opacity of every source at the last index, and of the
        fields where there is room for them, [Nsum, 2 Nsource + Nfield, depth, source].
    by_planck : Array
        Written: by the Planck functions at the two lowest depths, [Nsum, Nspace, 2].
    psi_by_chi : Array
        Written: of the diagonal of the Lambda operator by opacity, [Nbundle, source, depth], where
        the depths are those from ``source - REACH`` on.
    psi : Array
        Written: the same by the fields, [Nfield, Nbundle, source, depth].
    """
    B, N = chi.shape
    M, K, Q = seen_by.shape[0], of.shape[0], d_eta.shape[0]
    light[:] = 0.0
    by_planck[:] = 0.0
    psi_by_chi[:] = 0.0
    psi[:] = 0.0
    of_eta, of_chi, along = np.empty((N, N)), np.empty((N, N)), np.empty(N)
    for x in range(2 * mu.size):
        r, outward, b = x // 2, x % 2 == 1, 0 if B == 1 else x
        share = 0.5 * weight[r] if B == 1 else 1.0
        as_seen = 0 if d_eta.shape[1] == 1 else x
        near_eta, near_chi, near_psi, left, by_upper, by_lower, by_opacity = _beam(
            height, mu[r], outward, planck, chi[b], S[b]
        )
        propagated(near_eta, left, 0.0, of_eta)
        propagated(near_chi, left, by_opacity, of_chi)
        incident = share
        for p in range(N):
            i = N - 1 - p if outward else p
            incident *= left[p]
            for m in range(M):
                by_planck[m, i, 0] += incident * seen_by[m, b, i] * by_upper
                by_planck[m, i, 1] += incident * seen_by[m, b, i] * by_lower
            # Along the ray, or against it: what is written is in the order of the depths.
            row_eta, row_chi = _ray(of_eta[p], outward), _ray(of_chi[p], outward)
            for s in range(light.shape[1]):
                row = row_chi if s % 2 else row_eta
                if s < 2:
                    for m in range(M):
                        part = share * seen_by[m, b, i]
                        for j in range(N):
                            light[m, s, i, j] += part * row[j]
                    continue
                if s < 2 * K:
                    for j in range(N):
                        along[j] = row[j] * of[s // 2, b, j]
                else:
                    eta, opacity = d_eta[s - 2 * K, as_seen], d_chi[s - 2 * K, as_seen]
                    for j in range(N):
                        along[j] = row_eta[j] * eta[j] + row_chi[j] * opacity[j]
                for m in range(M):
                    part = share * seen_by[m, b, i]
                    for j in range(N):
                        light[m, s, i, j] += part * along[j]
        for m in range(N):
            j = N - 1 - m if outward else m
            for w in range(AFTER + BEFORE + 1):
                # From `m - AFTER` to `m + BEFORE` along the ray.
                y = AFTER - w + REACH if outward else w - AFTER + REACH
                by = share * near_psi[m, w]
                psi_by_chi[b, j, y] += by
                for q in range(Q):
                    psi[q, b, j, y] += by * d_chi[q, as_seen, j]


@_compiled
def _scattering_matrix(by_eta: Array, sca: Array) -> Array:
    """Return ``1 - Lambda sca``, which is inverted to solve coherent scattering."""
    N = sca.size
    A = np.empty((N, N))
    for i in range(N):
        for j in range(N):
            A[i, j] = -by_eta[i, j] * sca[j]
        A[i, i] += 1.0
    return A


@_compiled
def _scatter(light: Array, by_planck: Array, sca: Array, least: int) -> None:
    """Add what is scattered to sums of the light, of which the first is the mean intensity.

    As from :func:`_operators`, where the first source is emissivity itself; only the others are
    needed from `least` on.
    """
    M, S, N = light.shape[0], light.shape[1], sca.size
    right = np.empty((N, (S - least) * N + 2))
    for s in range(least, S):
        right[:, (s - least) * N : (s - least + 1) * N] = light[0, s]
    right[:, (S - least) * N :] = by_planck[0]
    J = np.linalg.solve(_scattering_matrix(light[0, 0], sca), right)
    scattered = np.empty(J.shape)
    for i in range(N):
        for j in range(J.shape[1]):
            scattered[i, j] = sca[i] * J[i, j]
    for m in range(1, M):
        more = np.ascontiguousarray(light[m, 0]) @ scattered
        for s in range(least, S):
            light[m, s] += more[:, (s - least) * N : (s - least + 1) * N]
        by_planck[m] += more[:, (S - least) * N :]
    for s in range(least, S):
        light[0, s] = J[:, (s - least) * N : (s - least + 1) * N]
    by_planck[0] = J[:, (S - least) * N :]


@_compiled
def _moves(V: Array) -> bool:
    """Return whether bundles see an entry at different strengths, [Nbundle, Nspace]."""
    for b in range(1, V.shape[0]):
        for k in range(V.shape[1]):
            if V[b, k] != V[0, k]:
                return True
    return False


@_compiled
def responses(
    height: Array, mu: Array, weight: Array, share: Array, start: Integers, transition: Integers,
    lower: Integers, upper: Integers, of_atom: Integers, V: Array, g: Array, u: Array, w: Array,
    sca: Array, planck: Array, n: Array, total: Array, emitted: Array, psi: Array, source: Array,
    scatters: Array, d_eta: Array, d_chi: Array, d_planck: Array,
) -> Array:  # fmt: skip
    """Return how the net rates respond to populations and given fields through the radiation.

    Parameters
    ----------
    height, mu, weight, share, start, transition, lower, upper, of_atom, V, g, u, w, sca, planck
        As of `lw_rl.host.medium.Medium`.
    n : Array
        Populations [m-3], [Nlevel, Nspace].
    total, emitted : Array
        From :func:`opacities`.
    psi : Array
        From :func:`mean_intensities`.
    source : Array
        Mean intensity that is scattered, [Nwave, Nspace].
    scatters : Array of bool
        Wavelengths at which scattering is solved, [Nwave].
    d_eta, d_chi : Array
        Fields, [Nfield, Nwave, Nbundle, Nspace]; in an atmosphere at rest also those that every
        ray sees another way, [Nfield, Nwave, 2 Nray, Nspace].
    d_planck : Array
        Their changes of the Planck function at the two lowest depths, [Nfield, Nwave, 2].

    Returns
    -------
    response : Array
        Of the net rate of a transition at a depth to a level or field at another,
        [Ntransition, Nlevel + Nfield, depth, source].
    """
    W, B, N = total.shape
    T, L, Q = lower.size, n.shape[0], d_eta.shape[0]
    alike = d_eta.shape[2] == 1
    response = np.zeros((T, L + Q, N, N))
    most = np.diff(start).max()
    a, by_n = np.empty((most, N)), np.empty((most, L, N))
    width = 2 * REACH + 1
    psi_by_chi, psi_by_field = np.empty((B, N, width)), np.empty((Q, B, N, width))
    factor, strength, stimulated = np.empty(N), np.empty(N), np.empty(N)
    S = np.empty((B, N))
    which, place = np.empty(L + Q, np.int64), np.empty(L, np.int64)
    sums = np.empty(most, np.int64)
    for v in range(W):
        first, last = start[v], start[v + 1]
        if first == last:
            continue
        for b in range(B):
            for k in range(N):
                S[b, k] = (emitted[v, b, k] + sca[v, k] * source[v, k]) / total[v, b, k]
        # The mean intensity is what most entries see; only one whose profile is another in every
        # bundle has a sum of its own, as it is a source of its own.
        M = 1
        for e in range(first, last):
            sums[e - first] = 0
            if _moves(V[e]):
                sums[e - first] = M
                M += 1
        seen_by, of = np.empty((M, B, N)), np.ones((M, B, N))
        for b in range(B):
            seen_by[0, b] = share[b]
            for e in range(first, last):
                m = sums[e - first]
                if m > 0:
                    seen_by[m, b] = share[b] * V[e, b]
                    of[m, b] = V[e, b]
        light = np.empty((M, 2 * M + (0 if alike else Q), N, N))
        by_planck = np.empty((M, N, 2))
        _operators(
            height, mu, weight, planck[v], total[v], S, seen_by, of, d_eta[:, v], d_chi[:, v],
            light, by_planck, psi_by_chi, psi_by_field,
        )  # fmt: skip
        if scatters[v]:
            _scatter(light, by_planck, sca[v], 0 if alike or M - 1 < last - first else 2)
        F = 0
        for level in range(L):
            for e in range(first, last):
                if lower[transition[e]] == level or upper[transition[e]] == level:
                    which[F], place[level] = level, F
                    F += 1
                    break
        X = np.zeros((M, F + Q, N, N))
        for q in range(Q):
            which[F + q] = L + q
            for m in range(M):
                if alike:
                    for i in range(N):
                        for j in range(N):
                            X[m, F + q, i, j] = light[m, 0, i, j] * d_eta[q, v, 0, j]
                            X[m, F + q, i, j] += light[m, 1, i, j] * d_chi[q, v, 0, j]
                else:
                    X[m, F + q] = light[m, 2 * M + q]
                for j in range(2):
                    X[m, F + q, :, N - 2 + j] += d_planck[q, v, j] * by_planck[m, :, j]
        for e in range(first, last):
            t, s = transition[e], sums[e - first]
            low, up = place[lower[t]], place[upper[t]]
            for j in range(N):
                strength[j] = V[e, 0, j] if s == 0 else 1.0
                stimulated[j] = g[e, j] * strength[j]
            for m in range(M):
                for i in range(N):
                    of_eta, of_chi = light[m, 2 * s, i], light[m, 2 * s + 1, i]
                    for j in range(N):
                        X[m, low, i, j] += of_chi[j] * strength[j]
                        X[m, up, i, j] += (u[e] * of_eta[j] - of_chi[j]) * stimulated[j]
        for e in range(first, last):
            t, m = transition[e], sums[e - first]
            for i in range(N):
                net = n[lower[t], i] - g[e, i] * n[upper[t], i]
                factor[i] = w[e, i] * net * (V[e, 0, i] if m == 0 else 1.0)
            for f in range(F + Q):
                for i in range(N):
                    for j in range(N):
                        response[t, which[f], i, j] += factor[i] * X[m, f, i, j]
        for b in range(B):
            if not _unbalanced(
                first, last, transition, lower, upper, of_atom, V[:, b], g, u, n, a, by_n
            ):
                break
            opacity = np.zeros((F, N))
            for e in range(first, last):
                t = transition[e]
                for j in range(N):
                    opacity[place[lower[t]], j] += V[e, b, j]
                    opacity[place[upper[t]], j] -= g[e, j] * V[e, b, j]
            for e in range(first, last):
                t, x = transition[e], e - first
                factor[:] = share[b] * w[e]
                for f in range(F + Q):
                    if f < F:
                        for i in range(N):
                            lost = psi[v, b, i] * by_n[x, which[f], i]
                            response[t, which[f], i, i] -= factor[i] * lost
                    for j in range(N):
                        for i in range(max(0, j - REACH), min(N, j + REACH + 1)):
                            y = i - j + REACH
                            by = (
                                psi_by_chi[b, j, y] * opacity[f, j]
                                if f < F
                                else psi_by_field[f - F, b, j, y]
                            )
                            response[t, which[f], i, j] -= factor[i] * a[x, i] * by
    return response


@_compiled
def _beams(
    height: Array, mu: Array, weight: Array, planck: Array, total: Array, S: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return what :func:`_beam` does of every ray inward and outward, and the mean operator.

    Returns
    -------
    by_eta, by_chi, left, edge : Array
        [2 Nray, Nspace, Nstep], [2 Nray, Nspace] and [2 Nray, 3].
    mean : Array
        Derivative of the mean intensity by emissivity, [depth, source].
    """
    B, N = total.shape
    K = 2 * mu.size
    by_eta, by_chi = np.empty((K, N, AFTER + BEFORE + 1)), np.empty((K, N, AFTER + BEFORE + 1))
    left, edge = np.empty((K, N)), np.empty((K, 3))
    mean, of_eta = np.zeros((N, N)), np.empty((N, N))
    for x in range(K):
        r, outward, b = x // 2, x % 2 == 1, 0 if B == 1 else x
        by_eta[x], by_chi[x], _, left[x], edge[x, 0], edge[x, 1], edge[x, 2] = _beam(
            height, mu[r], outward, planck, total[b], S[b]
        )
        propagated(by_eta[x], left[x], 0.0, of_eta)
        for p in range(N):
            mean[N - 1 - p if outward else p] += 0.5 * weight[r] * _ray(of_eta[p], outward)
    return by_eta, by_chi, left, edge, mean


@_compiled
def radiation(
    height: Array, mu: Array, weight: Array, sca: Array, planck: Array, total: Array,
    emitted: Array, source: Array, d_eta: Array, d_chi: Array, d_planck: Array,
) -> Array:  # fmt: skip
    """Return how the mean intensity at one wavelength responds, scattering solved, [Nspace].

    Parameters
    ----------
    height, mu, weight, sca, planck, total, emitted, source
        As for :func:`responses`, at one wavelength.
    d_eta, d_chi : Array
        What changes in all, of every bundle or of every ray, [Nbundle, Nspace].
    d_planck : Array
        [2].
    """
    N, G = sca.size, d_eta.shape[0]
    S = (emitted + sca * source) / total
    by_eta, by_chi, left, edge, mean = _beams(height, mu, weight, planck, total, S)
    J, change = np.zeros(N), np.zeros(N)
    for x in range(2 * mu.size):
        outward, f = x % 2 == 1, 0 if G == 1 else x
        eta, chi = _ray(d_eta[f], outward), _ray(d_chi[f], outward)
        change[0] = edge[x, 0] * d_planck[0] + edge[x, 1] * d_planck[1]
        change[0] += edge[x, 2] * (chi[0] + chi[1])
        for m in range(1, N):
            change[m] = change[m - 1] * left[x, m]
            for j in range(max(0, m - BEFORE), min(N - 1, m + AFTER) + 1):
                w = m - j + AFTER
                change[m] += by_eta[x, j, w] * eta[j] + by_chi[x, j, w] * chi[j]
        J += 0.5 * weight[x // 2] * _ray(change, outward)
    A = _scattering_matrix(mean, sca)
    return np.linalg.solve(A, J).astype(np.float64)


@_compiled
def scattered_light(
    height: Array, mu: Array, weight: Array, sca: Array, planck: Array, total: Array,
    emitted: Array, source: Array, of: Array, bundles: int,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return how weighted sums of the mean intensity at one wavelength respond.

    The transpose of what :func:`radiation` does: whatever changes the light.

    Parameters
    ----------
    height, mu, weight, sca, planck, total, emitted, source
        As for :func:`responses`, at one wavelength.
    of : Array
        Weights of the depths in the sums, [Nsum, Nspace].
    bundles : int
        How many ways what changes is seen, those of `total` or as many as there are rays.

    Returns
    -------
    by_eta, by_chi : Array
        Derivatives by emissivity and opacity, [Nsum, bundles, Nspace].
    by_planck : Array
        By the Planck functions at the two lowest depths, [Nsum, 2].
    """
    N, P = sca.size, len(of)
    S = (emitted + sca * source) / total
    near_eta, near_chi, left, edge, mean = _beams(height, mu, weight, planck, total, S)
    A = _scattering_matrix(mean, sca)
    J = np.linalg.solve(np.ascontiguousarray(A.T), np.ascontiguousarray(of.T)).T
    by_eta, by_chi = np.zeros((P, bundles, N)), np.zeros((P, bundles, N))
    by_planck, by = np.zeros((P, 2)), np.empty(N)
    for x in range(2 * mu.size):
        outward, f = x % 2 == 1, 0 if bundles == 1 else x
        for p in range(P):
            along = 0.5 * weight[x // 2] * _ray(J[p], outward)
            seen(near_eta[x], left[x], along, by)
            by_eta[p, f] += _ray(by, outward)
            by_incident = seen(near_chi[x], left[x], along, by)
            by[:2] += by_incident * edge[x, 2]
            by_chi[p, f] += _ray(by, outward)
            by_planck[p] += by_incident * edge[x, :2]
    return by_eta, by_chi, by_planck


@_compiled
def emergent(
    height: Array, mu: float, sca: Array, planck: Array, total: Array, emitted: Array, source: Array
) -> tuple[Array, Array, Array, Array]:
    """Return the emergent intensity along one ray and its derivatives.

    Parameters
    ----------
    mu : float
        Cosine of the angle with the vertical.
    total, emitted : Array
        Of the ray, [Nwave, Nspace].

    Returns
    -------
    intensity : Array
        [Nwave].
    by_eta, by_chi : Array
        Derivatives by emissivity and opacity, [Nwave, Nspace].
    by_planck : Array
        By the Planck functions at the two lowest depths, [Nwave, 2].
    """
    W, N = total.shape
    light, by_eta, by_chi = np.empty(W), np.empty((W, N)), np.empty((W, N))
    by_planck, last, by = np.empty((W, 2)), np.zeros(N), np.empty(N)
    last[-1] = 1.0
    distance = _ray((height[:-1] - height[1:]) / mu, True)
    for v in range(W):
        S = (emitted[v] + sca[v] * source[v]) / total[v]
        incident = _incident(planck[v], total[v], height, mu)[0]
        beam, _ = intensity(distance, _ray(total[v], True), _ray(S, True), incident)
        light[v] = beam[-1]
        near_eta, near_chi, _, left, by_upper, by_lower, by_opacity = _beam(
            height, mu, True, planck[v], total[v], S
        )
        seen(near_eta, left, last, by)
        by_eta[v] = _ray(by, True)
        by_incident = seen(near_chi, left, last, by)
        by[:2] += by_incident * by_opacity
        by_chi[v] = _ray(by, True)
        by_planck[v, 0], by_planck[v, 1] = by_incident * by_upper, by_incident * by_lower
    return light, by_eta, by_chi, by_planck

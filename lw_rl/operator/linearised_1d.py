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
from .formal_1d import REACH, derivatives, emergent_derivatives, intensity

__all__ = ["emergent", "mean_intensities", "net_rates", "opacities", "radiation", "responses"]

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
    emitted: Array, source: Array,
) -> tuple[Array, Array]:  # fmt: skip
    """Return the mean intensity of every bundle, [Nwave, Nbundle, Nspace], and its diagonal.

    The diagonal is that of the host's approximate Lambda operator, per emissivity.

    Parameters
    ----------
    height, mu, weight, sca, planck
        As of `lw_rl.host.medium.Medium`.
    total, emitted : Array
        From :func:`opacities`.
    source : Array
        Mean intensity that is scattered, [Nwave, Nspace].
    """
    W, B, N = total.shape
    light, psi = np.zeros((W, B, N)), np.zeros((W, B, N))
    for v in range(W):
        for r in range(mu.size):
            for d in range(2):
                outward = d == 1
                b = 0 if B == 1 else 2 * r + d
                share = 0.5 * weight[r] if B == 1 else 1.0
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
                    light[v, b, i] += share * beam[p]
                    psi[v, b, i] += share * own[p]
    return light, psi


@_compiled
def _operators(
    height: Array, mu: Array, weight: Array, planck: Array, chi: Array, S: Array, by_eta: Array,
    by_chi: Array, by_planck: Array, psi_by_chi: Array,
) -> None:  # fmt: skip
    """Write the derivatives of the mean intensity of every bundle at one wavelength.

    Parameters
    ----------
    weight : Array
        Of the rays, their sum one, [Nray].
    chi, S : Array
        Opacity and source function of every bundle, [Nbundle, Nspace].
    by_eta, by_chi : Array
        Written: by emissivity and by opacity at the second index, [Nbundle, source, depth].
    by_planck : Array
        Written: by the Planck functions at the two lowest depths, [Nbundle, 2, Nspace].
    psi_by_chi : Array
        Written: of the diagonal of the Lambda operator by opacity, [Nbundle, source, depth].
    """
    B, N = chi.shape
    by_eta[:] = 0.0
    by_chi[:] = 0.0
    by_planck[:] = 0.0
    psi_by_chi[:] = 0.0
    for r in range(mu.size):
        for d in range(2):
            outward = d == 1
            b = 0 if B == 1 else 2 * r + d
            share = 0.5 * weight[r] if B == 1 else 1.0
            distance = np.empty(N - 1)
            for k in range(N - 1):
                distance[k] = (height[k] - height[k + 1]) / mu[r]
            incident = b_upper = b_lower = by_opacity = 0.0
            if outward:
                incident, b_upper, b_lower, by_opacity = _incident(planck, chi[b], height, mu[r])
            chi_ray, S_ray = _ray(chi[b], outward), _ray(S[b], outward)
            of_chi, of_S, psi_of_chi, of_incident, _ = derivatives(
                _ray(distance, outward), chi_ray, S_ray, incident
            )
            for m in range(N):
                j = N - 1 - m if outward else m
                source = S_ray[m] / chi_ray[m]
                edge = by_opacity if m < 2 else 0.0
                for p in range(N):
                    i = N - 1 - p if outward else p
                    by_eta[b, j, i] += share * of_S[m, p] / chi_ray[m]
                    psi_by_chi[b, j, i] += share * psi_of_chi[m, p]
                    by_chi[b, j, i] += share * (
                        of_chi[m, p] - of_S[m, p] * source + edge * of_incident[p]
                    )
            for p in range(N):
                i = N - 1 - p if outward else p
                by_planck[b, 0, i] += share * of_incident[p] * b_upper
                by_planck[b, 1, i] += share * of_incident[p] * b_lower


@_compiled
def _scattering_matrix(by_eta: Array, share: Array, sca: Array) -> Array:
    """Return ``1 - Lambda sca``, which is inverted to solve coherent scattering."""
    B, N = by_eta.shape[0], sca.size
    A = np.zeros((N, N))
    for b in range(B):
        for j in range(N):
            for i in range(N):
                A[i, j] -= share[b] * by_eta[b, j, i] * sca[j]
    for i in range(N):
        A[i, i] += 1.0
    return A


@_compiled
def _scattered(by_eta: Array, by_chi: Array, by_planck: Array, sca: Array) -> None:
    """Add what is scattered to the operators of all rays together, in place, [..., Nspace]."""
    A = _scattering_matrix(by_eta.reshape((1, *by_eta.shape)), np.ones(1), sca)
    made = np.concatenate((by_eta, by_chi, by_planck))
    light = np.linalg.solve(A, np.ascontiguousarray(made.T))
    N = sca.size
    by_eta[:] = light[:, :N].T
    by_chi[:] = light[:, N : 2 * N].T
    by_planck[:] = light[:, 2 * N :].T


@_compiled
def _scatter(X: Array, by_eta: Array, share: Array, sca: Array) -> None:
    """Add to the light of every field, [Nfield, Nbundle, source, depth], what is scattered."""
    F, B, N = X.shape[0], X.shape[1], sca.size
    J = np.zeros((N, F * N))
    for f in range(F):
        for b in range(B):
            for j in range(N):
                for i in range(N):
                    J[i, f * N + j] += share[b] * X[f, b, j, i]
    J = np.linalg.solve(_scattering_matrix(by_eta, share, sca), J)
    for f in range(F):
        mean = np.ascontiguousarray(J[:, f * N : (f + 1) * N].T)
        for j in range(N):
            mean[j] *= sca
        for b in range(B):
            X[f, b] += mean @ by_eta[b]


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
        Fields, [Nfield, Nwave, Nbundle, Nspace].
    d_planck : Array
        Their changes of the Planck function at the two lowest depths, [Nfield, Nwave, 2].

    Returns
    -------
    response : Array
        Of the net rate of a transition at a depth to a level or field at another,
        [Ntransition, Nlevel + Nfield, source, depth].
    """
    W, B, N = total.shape
    T, L, Q = lower.size, n.shape[0], d_eta.shape[0]
    response = np.zeros((T, L + Q, N, N))
    most = np.diff(start).max()
    a, by_n = np.empty((most, N)), np.empty((most, L, N))
    psi_by_chi = np.empty((B, N, N))
    by_eta, by_chi = np.empty((B, N, N)), np.empty((B, N, N))
    by_planck, factor = np.empty((B, 2, N)), np.empty(N)
    which, S = np.empty(L + Q, np.int64), np.empty((B, N))
    for v in range(W):
        first, last = start[v], start[v + 1]
        if first == last:
            continue
        for b in range(B):
            for k in range(N):
                S[b, k] = (emitted[v, b, k] + sca[v, k] * source[v, k]) / total[v, b, k]
        _operators(
            height, mu, weight, planck[v], total[v], S, by_eta, by_chi, by_planck, psi_by_chi
        )
        # Where there is one bundle, what is scattered is in the operators already.
        if scatters[v] and B == 1:
            _scattered(by_eta[0], by_chi[0], by_planck[0], sca[v])
        F = 0
        for level in range(L):
            for e in range(first, last):
                if lower[transition[e]] == level or upper[transition[e]] == level:
                    which[F] = level
                    F += 1
                    break
        for q in range(Q):
            which[F] = L + q
            F += 1
        X, opacity = np.zeros((F, B, N, N)), np.empty((F, B, N))
        for f in range(F):
            for b in range(B):
                for j in range(N):
                    of_eta = of_chi = 0.0
                    if which[f] >= L:
                        q = which[f] - L
                        of_eta, of_chi = d_eta[q, v, b, j], d_chi[q, v, b, j]
                    else:
                        for e in range(first, last):
                            if lower[transition[e]] == which[f]:
                                of_chi += V[e, b, j]
                            if upper[transition[e]] == which[f]:
                                of_chi -= g[e, j] * V[e, b, j]
                                of_eta += u[e] * g[e, j] * V[e, b, j]
                    opacity[f, b, j] = of_chi
                    for i in range(N):
                        X[f, b, j, i] = by_eta[b, j, i] * of_eta + by_chi[b, j, i] * of_chi
                if which[f] >= L:
                    for j in range(2):
                        x = d_planck[which[f] - L, v, j]
                        for i in range(N):
                            X[f, b, N - 2 + j, i] += x * by_planck[b, j, i]
        if scatters[v] and B > 1:
            _scatter(X, by_eta, share, sca[v])
        for e in range(first, last):
            t = transition[e]
            for b in range(B):
                for i in range(N):
                    net = n[lower[t], i] - g[e, i] * n[upper[t], i]
                    factor[i] = share[b] * w[e, i] * V[e, b, i] * net
                for f in range(F):
                    for j in range(N):
                        for i in range(N):
                            response[t, which[f], j, i] += factor[i] * X[f, b, j, i]
        for b in range(B):
            if not _unbalanced(
                first, last, transition, lower, upper, of_atom, V[:, b], g, u, n, a, by_n
            ):
                break
            for e in range(first, last):
                t, x = transition[e], e - first
                factor[:] = share[b] * w[e]
                for f in range(F):
                    for i in range(N):
                        if which[f] < L:
                            lost = psi[v, b, i] * by_n[x, which[f], i]
                            response[t, which[f], i, i] -= factor[i] * lost
                        for j in range(max(0, i - REACH), min(N, i + REACH + 1)):
                            lost = a[x, i] * psi_by_chi[b, j, i] * opacity[f, b, j]
                            response[t, which[f], j, i] -= factor[i] * lost
    return response


@_compiled
def radiation(
    height: Array, mu: Array, weight: Array, share: Array, sca: Array, planck: Array, total: Array,
    emitted: Array, source: Array, d_eta: Array, d_chi: Array, d_planck: Array,
) -> Array:  # fmt: skip
    """Return how the mean intensity at one wavelength responds, [Nfield, Nspace].

    Parameters
    ----------
    height, mu, weight, share, sca, planck, total, emitted, source
        As for :func:`responses`, at one wavelength.
    d_eta, d_chi : Array
        What every field changes in all, [Nfield, Nbundle, Nspace].
    d_planck : Array
        [Nfield, 2].
    """
    B, N = total.shape
    by_eta, by_chi = np.empty((B, N, N)), np.empty((B, N, N))
    by_planck, S, psi_by_chi = np.empty((B, 2, N)), np.empty((B, N)), np.empty((B, N, N))
    for b in range(B):
        S[b] = (emitted[b] + sca * source) / total[b]
    _operators(height, mu, weight, planck, total, S, by_eta, by_chi, by_planck, psi_by_chi)
    J = np.zeros((len(d_eta), N))
    for b in range(B):
        J += share[b] * (np.ascontiguousarray(d_eta[:, b]) @ by_eta[b])
        J += share[b] * (np.ascontiguousarray(d_chi[:, b]) @ by_chi[b])
        J += share[b] * (d_planck @ by_planck[b])
    A = _scattering_matrix(by_eta, share, sca)
    return np.ascontiguousarray(np.linalg.solve(A, np.ascontiguousarray(J.T)).T)


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
    by_planck = np.empty((W, 2))
    distance = (height[:-1] - height[1:])[::-1] / mu
    for v in range(W):
        incident, b_upper, b_lower, by_opacity = _incident(planck[v], total[v], height, mu)
        chi = total[v, ::-1].copy()
        S = (emitted[v, ::-1] + sca[v, ::-1] * source[v, ::-1]) / chi
        of_chi, of_S, left, light[v] = emergent_derivatives(distance, chi, S, incident)
        for m in range(N):
            j = N - 1 - m
            edge = by_opacity * left if m < 2 else 0.0
            by_eta[v, j] = of_S[m] / chi[m]
            by_chi[v, j] = of_chi[m] - of_S[m] * S[m] / chi[m] + edge
        by_planck[v, 0], by_planck[v, 1] = left * b_upper, left * b_lower
    return light, by_eta, by_chi, by_planck

"""Short characteristics in two dimensions, compiled: the host's own, linearised, in float32.

The host's formal solvers (Osborne and Milic 2021, ApJ 917, 14) follow short characteristics
(Kunasz and Auer 1988, JQSRT 39, 67) from where a ray meets the grid upwind. The source function is
linear between the ends of a step, or a BESSER curve (Stepan and Trujillo Bueno 2013, A&A 557,
A143) whose control point the limiter sets: at a given source function it takes one of four forms,
and with that form held the intensity is linear in the source function. What is between grid points
is interpolated linearly. Where a ray enters a row of a periodic atmosphere through its side, it is
followed around until it meets the row before, in several steps.

Arrays are [Nspace] with x fastest, or [Nspace, Nwave] with wavelengths contiguous, over which all
inner loops run in vector instructions. `Segments` has the geometry: the steps of every ray in the
order in which they are made. A step adds to the intensity a weighted sum of the source function at
its beginning (upwind), its end, and the next point downwind.

Compiled code is kept on disk by numba and runs without the global interpreter lock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from ..arrays import Numbers

__all__ = [
    "COEFFICIENTS",
    "Segments",
    "coefficients",
    "diagonal",
    "local_escape",
    "mix",
    "segments",
    "sweep",
    "thermalised",
]

#: Numbers that are kept of every step and wavelength: what it absorbs, and the weights of the
#: source function at its beginning and downwind. That at its end is the first less the others:
#: where intensity and source function are the same they stay so.
COEFFICIENTS = 3

#: Optical depth below which BESSER weights are series, and beyond which nothing is transmitted.
_SERIES, _OPAQUE = np.float32(0.5), np.float32(80.0)
#: Coefficients of these series, over the optical depth: integrals of Bernstein polynomials.
_ORDERS = np.array([(-1.0) ** k / math.factorial(k) for k in range(8)])
_K = np.arange(8)
_THIN_M = tuple((_ORDERS / (_K + 3)).astype(np.float32))
_THIN_C = tuple((_ORDERS * 2.0 / ((_K + 2) * (_K + 3))).astype(np.float32))
_THIN_O = tuple((_ORDERS * 2.0 / ((_K + 1) * (_K + 2) * (_K + 3))).astype(np.float32))

_FLAGS = {"reassoc", "contract", "nsz", "arcp"}
_compiled = njit(cache=True, nogil=True, error_model="numpy", fastmath=_FLAGS)
_inlined = njit(cache=True, nogil=True, error_model="numpy", fastmath=_FLAGS, inline="always")


@dataclass(frozen=True)
class Segments:
    """Steps of all rays, in the order in which they are made.

    A *ray* is a direction: those of the quadrature, inward and outward. A place on the grid is two
    points and the share of the second.

    Attributes
    ----------
    order : array
        Points of every ray in the order in which they are reached, [Nray, Nspace].
    first : array
        The first step to the n-th of them, and the number of steps, [Nray * Nspace + 1]. Points
        without a step are where rays enter.
    point : array
        The two points at the beginning, the end and downwind of every step, [Nstep, 6].
    share : array
        Share of the second of each pair, [Nstep, 3].
    length : array
        Length of the step and of the one that follows [m], [Nstep, 2]. Zero where none follows: the
        step is linear.
    entry : array
        Downwind place of every point where rays enter: as `point`, `share` and `length`.
    """

    order: Numbers
    first: Numbers
    point: Numbers
    share: Numbers
    length: Numbers
    entry: tuple[Numbers, Numbers, Numbers]

    @property
    def nbytes(self) -> int:
        """Memory that they take."""
        arrays = (self.order, self.first, self.point, self.share, self.length)
        return sum(int(a.nbytes) for a in (*arrays, *self.entry))


# ---- geometry -------------------------------------------------------------------------------


@njit(cache=True)
def _hit(
    x: Numbers, z: Numbers, mux: float, muz: float, x0: float, z0: float, column: int, row: int
) -> tuple[float, float]:
    """Return the distances at which a ray meets a column and a row, infinite if it never does."""
    tx = abs((x[column] - x0) / mux) if mux != 0.0 else np.inf
    return tx, abs((z[row] - z0) / muz)


@njit(cache=True)
def _trace(
    x: Numbers, z: Numbers, mux: float, muz: float, outward: bool, periodic: bool, besser: bool,
    order: Numbers, first: Numbers, point: Numbers, share: Numbers, length: Numbers,
    entry_point: Numbers, entry_share: Numbers, entry_length: Numbers, count: int, fill: bool,
) -> int:  # fmt: skip
    """Find the steps of one ray; with `fill` they are written, from number `count` on."""
    Nx, Nz = len(x), len(z)
    dk = -1 if outward else 1
    k_start, k_end = (Nz - 1, 0) if outward else (0, Nz - 1)
    dj = -1 if mux < 0.0 else 1
    j_start, j_end = (Nx - 1, 0) if mux < 0.0 else (0, Nx - 1)
    sides = not periodic and mux != 0.0
    # Places around a step's end: beginning, end, downwind. Of each: two points and a share.
    place = np.zeros((3, 2), np.int64)
    part = np.zeros(3)
    rows = np.zeros(Nx + Nz + 2)  # Where a ray that is followed around meets columns.
    columns = np.zeros(Nx + Nz + 2)
    distances = np.zeros(Nx + Nz + 2)
    n = 0
    for kk in range(Nz):
        k = k_start + kk * dk
        for jj in range(Nx):
            j = j_start + jj * dj
            here = k * Nx + j
            # Downwind.
            ends = sides and j == j_end
            jd = j_end - dj if (sides and j == j_end and k == k_start) else j
            down = 0.0
            if k != k_end and not (ends and k != k_start):
                from_ = jd
                if jd == j_end and mux != 0.0:
                    from_ = j_start
                kd = k + dk
                if mux == 0.0:
                    down = abs((z[kd] - z[k]) / muz)
                    place[2, 0] = place[2, 1] = kd * Nx + j
                    part[2] = 0.0
                else:
                    tx, tz = _hit(x, z, mux, muz, x[from_], z[k], from_ + dj, kd)
                    if tx < tz:
                        s = tx / tz
                        a, b = (k, kd) if dk > 0 else (kd, k)
                        place[2, 0] = a * Nx + from_ + dj
                        place[2, 1] = b * Nx + from_ + dj
                        part[2] = s if dk > 0 else 1.0 - s
                        down = tx
                    elif tz < tx:
                        s = tz / tx
                        a, b = (from_, from_ + dj) if dj > 0 else (from_ + dj, from_)
                        place[2, 0], place[2, 1] = kd * Nx + a, kd * Nx + b
                        part[2] = s if dj > 0 else 1.0 - s
                        down = tz
                    else:
                        place[2, 0] = place[2, 1] = kd * Nx + from_ + dj
                        part[2], down = 0.0, tx
            if fill:
                order[n], first[n] = here, count
            n += 1
            if k == k_start or (sides and j == j_start):
                if fill and k == k_start:
                    entry_point[j, 0], entry_point[j, 1] = place[2, 0], place[2, 1]
                    entry_share[j], entry_length[j] = part[2], down
                continue
            # Upwind.
            ku = k - dk
            followed = 0
            if mux == 0.0:
                up = abs((z[k] - z[ku]) / muz)
                ju = Nx - 1 - j if (j == j_start and periodic) else j
                place[0, 0] = place[0, 1] = ku * Nx + ju
                part[0] = 0.0
            else:
                from_ = j_end if j == j_start else j
                tx, tz = _hit(x, z, mux, muz, x[from_], z[k], from_ - dj, ku)
                up = min(tx, tz)
                if tx < tz:
                    row, column = k - dk * (tx / tz), float(from_ - dj)
                    if periodic and j == j_start:
                        # Followed around: places from here upwind.
                        rows[0], columns[0], distances[0] = row, column, up
                        followed = 1
                        while True:
                            at = int(columns[followed - 1])
                            if at == j_start:
                                at = j_end
                            fraction = rows[followed - 1]
                            a = int(fraction)
                            f = fraction - a
                            z0 = (1.0 - f) * z[a] + f * z[min(a + 1, Nz - 1)]
                            tx, tz = _hit(x, z, mux, muz, x[at], z0, at - dj, ku)
                            if followed + 1 >= len(rows):
                                grown = np.zeros(2 * len(rows))
                                grown[: len(rows)] = rows
                                rows = grown.copy()
                                grown[: len(columns)] = columns
                                columns = grown.copy()
                                grown[: len(distances)] = distances
                                distances = grown
                            if tx < tz:
                                rows[followed] = fraction - (fraction - ku) * (tx / tz)
                                columns[followed], distances[followed] = float(at - dj), tx
                                followed += 1
                                continue
                            rows[followed] = float(ku)
                            columns[followed] = at - dj * (tz / tx if tz < tx else 1.0)
                            distances[followed] = tz
                            followed += 1
                            break
                elif tz < tx:
                    row, column = float(ku), from_ - dj * (tz / tx)
                else:
                    row, column = float(ku), float(from_ - dj)
                _locate(row, column, Nx, Nz, place[0], part, 0)
            # The steps of a ray that was followed around, from upwind; the last one ends here.
            for m in range(followed - 1, 0, -1):
                if fill:
                    _locate(rows[m], columns[m], Nx, Nz, place[0], part, 0)
                    _locate(rows[m - 1], columns[m - 1], Nx, Nz, place[1], part, 1)
                    keep0, keep1, keep = place[2, 0], place[2, 1], part[2]
                    if m > 1:
                        _locate(rows[m - 2], columns[m - 2], Nx, Nz, place[2], part, 2)
                    else:
                        place[2, 0], place[2, 1], part[2] = here, here, 0.0
                    length[count, 0] = distances[m]
                    length[count, 1] = distances[m - 1] if besser else 0.0
                    _write(place, part, point, share, count)
                    place[2, 0], place[2, 1], part[2] = keep0, keep1, keep
                count += 1
            if fill:
                if followed:
                    _locate(rows[0], columns[0], Nx, Nz, place[0], part, 0)
                    up = distances[0]
                place[1, 0] = place[1, 1] = here
                part[1] = 0.0
                length[count, 0] = up
                length[count, 1] = down if besser else 0.0
                if length[count, 1] == 0.0:
                    place[2, 0], place[2, 1], part[2] = here, here, 0.0
                _write(place, part, point, share, count)
            count += 1
    if fill:
        first[n] = count
    return count


@njit(cache=True)
def _locate(
    row: float, column: float, Nx: int, Nz: int, place: Numbers, part: Numbers, which: int
) -> None:
    """Write a place on a row or a column as two points and the share of the second."""
    a, c = int(row), int(column)
    place[0] = a * Nx + c
    if column == c and row != a:
        place[1], part[which] = min(a + 1, Nz - 1) * Nx + c, row - a
    else:
        place[1], part[which] = a * Nx + min(c + 1, Nx - 1), column - c


@njit(cache=True)
def _write(place: Numbers, part: Numbers, point: Numbers, share: Numbers, count: int) -> None:
    for m in range(3):
        point[count, 2 * m], point[count, 2 * m + 1] = place[m, 0], place[m, 1]
        share[count, m] = part[m]


def segments(
    x: Numbers, z: Numbers, mux: Numbers, muz: Numbers, periodic: bool, besser: bool
) -> Segments:
    """Return the steps of all rays: of each of a quadrature, the inward and the outward one.

    Parameters
    ----------
    x, z : array
        Where columns are, increasing, and rows, decreasing [m], [Nx] and [Nz].
    mux, muz : array
        Cosines of the rays to x and z, [Nmu]; the inward ray is the opposite of the outward one.
    periodic : bool
        Whether the last column repeats the first; else rays enter through both sides.
    besser : bool
        Whether steps are to be of the BESSER method, else linear.
    """
    Nx, Nz = len(x), len(z)
    Nspace, Nray = Nx * Nz, 2 * len(mux)
    order = np.empty((Nray, Nspace), np.int32)
    entry = (
        np.zeros((Nray, Nx, 2), np.int32), np.zeros((Nray, Nx)), np.zeros((Nray, Nx)),
    )  # fmt: skip
    rays = [
        (sign * float(mx), sign * float(mz), sign > 0)
        for mx, mz in zip(mux, muz, strict=True)
        for sign in (-1.0, 1.0)
    ]
    none = np.zeros(0, np.int32), np.zeros((0, 6), np.int32), np.zeros((0, 3)), np.zeros((0, 2))
    blank = np.zeros(0, np.int32), *none
    unused = np.zeros((0, 2), np.int32), np.zeros(0), np.zeros(0)
    starts = [0]
    for mx, mz, outward in rays:
        n = _trace(x, z, mx, mz, outward, periodic, besser, *blank, *unused, 0, False)
        starts.append(starts[-1] + n)
    N = starts[-1]
    first = np.empty(Nray * Nspace + 1, np.int64)
    point, share = np.empty((N, 6), np.int32), np.empty((N, 3))
    length = np.empty((N, 2))
    for d, (mx, mz, outward) in enumerate(rays):
        span = slice(d * Nspace, (d + 1) * Nspace + 1)
        _trace(
            x, z, mx, mz, outward, periodic, besser, order[d], first[span], point, share, length,
            entry[0][d], entry[1][d], entry[2][d], starts[d], True,
        )  # fmt: skip
    return Segments(order, first, point, share.astype(np.float32), length.astype(np.float32), entry)


# ---- steps ----------------------------------------------------------------------------------


@_inlined
def _exp(t: Any) -> Any:
    """Return exp(-t) for t from 0 to 87: a polynomial and a power of two, which are vectorised."""
    scaled = np.float32(-1.44269504) * t
    n = np.float32(math.floor(scaled + np.float32(0.5)))
    f = (scaled - n) * np.float32(0.69314718)
    p = np.float32(1 / 120) + f * np.float32(1 / 720)
    p = np.float32(1 / 6) + f * (np.float32(1 / 24) + f * p)
    p = np.float32(1.0) + f * (np.float32(1.0) + f * (np.float32(0.5) + f * p))
    power = (np.int32(n) + np.int32(127)) << np.int32(23)
    return p * np.int32(power).view(np.float32)


@_inlined
def _control(hM: Any, hP: Any, yM: Any, yO: Any, yP: Any) -> tuple[Any, Any]:
    """Return the weights of a BESSER step's control point: of its beginning and downwind.

    Stepan and Trujillo Bueno (2013), section 3, as the host has it.
    """
    zero, one, half = np.float32(0.0), np.float32(1.0), np.float32(0.5)
    up, down = yO - yM, yP - yO
    r = hM / hP
    # The centred derivative, from both slopes, times half a step.
    share = half / (hM + hP)
    a, b = share * hP, share * hM * r
    cM = yO - a * up - b * down
    cP = yO + a * (up / r + r * down)
    sign = one if up >= zero else -one
    outside = (sign * (cM - yM) < zero) or (sign * (cM - yO) > zero)
    over = (sign * (cP - yO) < zero) or (sign * (cP - yP) > zero)
    wM, wP = a, -b
    if over:
        wM, wP = zero, -r
    if outside:
        wM, wP = one, zero
    if up * down <= zero:
        wM, wP = zero, zero
    return wM, wP


@_inlined
def _besser(t: Any) -> tuple[Any, Any, Any]:
    """Return what a step absorbs, and the weights of its beginning and control point."""
    one, two = np.float32(1.0), np.float32(2.0)
    s = min(t, _SERIES)
    sM, sO, sC = _THIN_M[7], _THIN_O[7], _THIN_C[7]
    for k in range(6, -1, -1):
        sM, sO, sC = sM * s + _THIN_M[k], sO * s + _THIN_O[k], sC * s + _THIN_C[k]
    e = _exp(min(t, _OPAQUE))
    u = max(t, _SERIES)
    v = one / (u * u)
    M = (two - e * (u * u + two * u + two)) * v
    C = two * (u - two + e * (u + two)) * v
    thin = t < _SERIES
    return s * (sM + sO + sC) if thin else one - e, s * sM if thin else M, s * sC if thin else C


@_inlined
def _linear(t: Any) -> tuple[Any, Any]:
    """Return what a linear step absorbs, and the weight of its beginning."""
    one = np.float32(1.0)
    s = min(t, _SERIES)
    # As the sum of the weights above, and of those of the beginning.
    thin, thin_M = np.float32(0.0), np.float32(0.0)
    for k in range(7, -1, -1):
        thin = thin * s + (_THIN_M[k] + _THIN_C[k] + _THIN_O[k])
        thin_M = thin_M * s + (_THIN_M[k] + np.float32(0.5) * _THIN_C[k])
    thin, thin_M = thin * s, thin_M * s
    e = _exp(min(t, _OPAQUE))
    thick_M = (one - e) / max(t, _SERIES) - e
    is_thin = t < _SERIES
    return thin if is_thin else one - e, thin_M if is_thin else thick_M


@_inlined
def _step(
    n: int, point: Numbers, share: Numbers, length: Numbers, chi: Numbers, source: Numbers,
    ends: Numbers, out: Numbers,
) -> None:  # fmt: skip
    """Write the coefficients of step `n` at the opacities `chi` around a source function."""
    K = chi.shape[1]
    one, half, third = np.float32(1.0), np.float32(0.5), np.float32(1.0 / 3.0)
    hM, hP = length[n]
    linear = hP == np.float32(0.0)
    # What the ends see, first: loops over few arrays are compiled to vector instructions.
    for m in range(2 if linear else 3):
        a, b, s = point[n, 2 * m], point[n, 2 * m + 1], share[n, m]
        r = one - s
        for k in range(K):
            ends[m, k] = r * chi[a, k] + s * chi[b, k]
    if linear:
        for k in range(K):
            t = half * (ends[0, k] + ends[1, k]) * hM
            out[0, k], out[1, k] = _linear(t)
            out[2, k] = np.float32(0.0)
        return
    for m in range(3):
        a, b, s = point[n, 2 * m], point[n, 2 * m + 1], share[n, m]
        r = one - s
        for k in range(K):
            ends[3 + m, k] = r * source[a, k] + s * source[b, k]
    for k in range(K):
        chi_M, chi_O, chi_P = ends[0, k], ends[1, k], ends[2, k]
        wM, wP = _control(hM, hP, chi_M, chi_O, chi_P)
        chi_C = chi_O + wM * (chi_M - chi_O) + wP * (chi_P - chi_O)
        ends[6, k] = third * (chi_M + chi_O + chi_C) * hM
        ends[7, k] = half * (chi_O + chi_P) * hP
    for k in range(K):
        t = ends[6, k]
        wM, wP = _control(t, ends[7, k], ends[3, k], ends[4, k], ends[5, k])
        absorbed, M, C = _besser(t)
        out[0, k] = absorbed
        out[1, k] = M + C * wM
        out[2, k] = C * wP


@_compiled
def coefficients(
    point: Numbers, share: Numbers, length: Numbers, chi: Numbers, source: Numbers, start: int,
    stop: int, base: int, out: Numbers,
) -> None:  # fmt: skip
    """Write the coefficients of steps `start` to `stop`, of one ray.

    Parameters
    ----------
    point, share, length
        Of `Segments`.
    chi, source : array
        Opacity [m-1] and the source function around which the limiter is held, [Nspace, Nwave].
    out : array
        [Nstep, 3, Nwave]; the first is of step `base`.
    """
    ends = np.zeros((8, chi.shape[1]), np.float32)
    for n in range(start, stop):
        _step(n, point, share, length, chi, source, ends, out[n - base])


@_compiled
def sweep(
    order: Numbers, first: Numbers, point: Numbers, share: Numbers, length: Numbers,
    Nx: int, entering: Numbers, base: int, kept: Numbers, chi: Numbers, around: Numbers,
    source: Numbers, rest: Numbers, weight: Numbers, angle: float, Jbar: Numbers, J: Numbers,
) -> None:  # fmt: skip
    """Follow one ray through the atmosphere and add what it brings to the mean intensities.

    Parameters
    ----------
    order, first, point, share, length
        Of `Segments`, the first two for this ray.
    Nx : int
        Columns.
    entering : array
        Intensity that enters at points without a step, [Nspace, Nwave], or [0, Nwave]: none does.
    base : int
        Step of which the first coefficients are.
    kept : array
        Coefficients, [Nstep, 3, Nwave]; with none of them they are made anew.
    chi, around : array
        Opacity and source function of which they are made then, [Nspace, Nwave].
    source : array
        Source function, [Nspace, Nwave]; intensities are of its precision.
    rest : array
        The part of it that does not come of the line at the point itself, [Nspace, Nwave].
    weight : array
        The line's profile with the weights of wavelengths, [Nspace, Nwave].
    angle : float
        The ray's weight.
    Jbar : array
        Added to: the line's mean intensity without what comes of the line at the point itself,
        [Nspace].
    J : array
        Added to: the mean intensity, [Nspace, Nwave], or [0, Nwave].
    """
    N, K = source.shape
    beams, beam = np.zeros((2 * Nx, K), source.dtype), np.zeros(K, source.dtype)
    ends, made = np.zeros((8, K), np.float32), np.zeros((1, 3, K), np.float32)
    one, factor = np.float32(1.0), np.float32(angle)
    keeps = len(kept) > 0
    c = kept if keeps else made
    for n in range(N):
        here = order[n]
        row = here % (2 * Nx)
        start, stop = first[n], first[n + 1]
        total = np.float32(0.0)
        if start == stop:
            for k in range(K):
                beams[row, k] = entering[here, k] if len(entering) else np.float32(0.0)
                total += weight[here, k] * beams[row, k]
        else:
            u, v, s = point[start, 0] % (2 * Nx), point[start, 1] % (2 * Nx), share[start, 0]
            r = one - s
            for k in range(K):
                beam[k] = r * beams[u, k] + s * beams[v, k]
            for i in range(start, stop):
                q = i - base if keeps else 0
                if not keeps:
                    _step(i, point, share, length, chi, around, ends, made[0])
                m0, m1, m = point[i, 0], point[i, 1], share[i, 0]
                p0, p1, p = point[i, 4], point[i, 5], share[i, 2]
                rm, rp = one - m, one - p
                if i < stop - 1:
                    o0, o1, o = point[i, 2], point[i, 3], share[i, 1]
                    ro = one - o
                    for k in range(K):
                        end = ro * source[o0, k] + o * source[o1, k]
                        beam[k] += (
                            c[q, 0, k] * (end - beam[k])
                            + c[q, 1, k] * (rm * source[m0, k] + m * source[m1, k] - end)
                            + c[q, 2, k] * (rp * source[p0, k] + p * source[p1, k] - end)
                        )
                    continue
                for k in range(K):
                    others = (
                        (one - c[q, 0, k]) * beam[k]
                        + c[q, 1, k] * (rm * source[m0, k] + m * source[m1, k])
                        + c[q, 2, k] * (rp * source[p0, k] + p * source[p1, k])
                    )
                    own = c[q, 0, k] - c[q, 1, k] - c[q, 2, k]
                    beams[row, k] = others + own * source[here, k]
                    total += weight[here, k] * (others + own * rest[here, k])
        Jbar[here] += angle * total
        if len(J):
            for k in range(K):
                J[here, k] += factor * beams[row, k]


@_compiled
def diagonal(
    order: Numbers, first: Numbers, base: int, kept: Numbers, background: Numbers, weight: Numbers,
    angle: float, escape: Numbers, precondition: Numbers,
) -> None:  # fmt: skip
    """Add a ray's part of ``1 - Lambda`` at the point itself, and of MALI's.

    In double precision, and without cancellation: what is transmitted and what comes of the
    neighbours, not one less what does not.

    Parameters
    ----------
    background : array
        Share of the opacity that is not the line's, [Nspace, Nwave].
    escape, precondition : array
        Added to, [Nspace].
    order, first, base, kept, weight, angle
        As for :func:`sweep`.
    """
    K = weight.shape[1]
    zero, one = np.float32(0.0), np.float32(1.0)
    for n in range(len(order)):
        here, q = order[n], first[n + 1] - 1 - base
        exact, plain = zero, zero
        if first[n] == first[n + 1]:
            for k in range(K):
                exact += weight[here, k]
            plain = exact
        else:
            for k in range(K):
                lost = one - kept[q, 0, k] + kept[q, 1, k] + kept[q, 2, k]
                exact += weight[here, k] * (lost + (one - lost) * background[here, k])
                # MALI's is between nothing and all.
                least = min(max(lost, zero), one)
                plain += weight[here, k] * (least + (one - least) * background[here, k])
        escape[here] += angle * exact
        precondition[here] += angle * plain


@_compiled
def local_escape(
    order: Numbers, first: Numbers, kept: Numbers, angle: float, escape: Numbers
) -> None:
    """Add a ray's part of ``1 - Lambda`` at the point itself, wavelength by wavelength.

    Parameters
    ----------
    order, first, kept, angle
        As for :func:`sweep`.
    escape : array
        Added to, [Nspace, Nwave].
    """
    one, factor = np.float32(1.0), np.float32(angle)
    for n in range(len(order)):
        here, q = order[n], first[n + 1] - 1
        for k in range(escape.shape[1]):
            if first[n] == first[n + 1]:
                escape[here, k] += factor
            else:
                escape[here, k] += factor * (one - kept[q, 0, k] + kept[q, 1, k] + kept[q, 2, k])


@_compiled
def mix(
    profile: Numbers, opacity: Numbers, frequency: Numbers, background: Numbers, S: Numbers,
    other: Numbers, quadrature: Numbers, source: Numbers, rest: Numbers, weight: Numbers,
) -> None:  # fmt: skip
    """Write what a ray needs of a line that moves, in one pass.

    Parameters
    ----------
    profile : array
        Its profile on this ray, [Nspace, Nwave].
    opacity, frequency : array
        Its opacity per profile [m-1], [Nspace], and what that is multiplied by, [Nwave].
    background, other : array
        Opacity [m-1] and source function of all else, [Nspace, Nwave].
    S : array
        The line's source function, [Nspace].
    quadrature : array
        Weights of the wavelengths, [Nspace, Nwave].
    source, rest, weight : array
        As for :func:`sweep`, written.
    """
    one = np.float32(1.0)
    for n in range(len(S)):
        for k in range(len(frequency)):
            line = profile[n, k] * opacity[n] * frequency[k]
            share = line / (line + background[n, k])
            rest[n, k] = (one - share) * other[n, k]
            source[n, k] = share * S[n] + rest[n, k]
            weight[n, k] = profile[n, k] * quadrature[n, k]


@_compiled
def thermalised(
    point: Numbers, share: Numbers, length: Numbers, row: int, chi: Numbers, planck: Numbers,
    out: Numbers,
) -> None:  # fmt: skip
    """Write the intensity that enters a thermalised boundary along one ray.

    Parameters
    ----------
    point, share, length
        Of `Segments.entry`, for this ray.
    row : int
        Which row it is.
    chi : array
        Opacity [m-1], [Nspace, Nwave].
    planck : array
        Planck function at the entry points and at their places downwind, [2, Nx, Nwave].
    out : array
        [Nspace, Nwave].
    """
    Nx, K = len(share), chi.shape[1]
    for j in range(Nx):
        here = row * Nx + j
        s = share[j]
        for k in range(K):
            chi_P = (1.0 - s) * chi[point[j, 0], k] + s * chi[point[j, 1], k]
            t = 0.5 * length[j] * (chi[here, k] + chi_P)
            out[here, k] = planck[0, j, k] - (planck[1, j, k] - planck[0, j, k]) / t

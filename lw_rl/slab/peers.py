"""The schemes a new one has to beat on the slab, each counted in formal solutions.

| name | what one formal solution buys | storage |
|------|-------------------------------|---------|
| `lambda_iteration` | S <- (1 - eps) Jbar[S] + eps B | 1 |
| `ali` | the same residual divided by 1 - (1 - eps) Lambda* (Olson, Auer & Buchler 1986) | 1 |
| `ng` | ALI, and every few steps an extrapolation over its last iterates (Ng 1974; Auer 1987) | 5 |
| `gauss_seidel` | each depth uses the new S of those below it (T. B. & F. B. 1995) | 1 |
| `sor` | Gauss-Seidel steps stretched by omega (same authors) | 1 |
| `anderson` | the best linear combination of the last m ALI steps (Anderson 1965) | 2 m |
| `gmres` | the least residual in the Krylov space of the ALI-preconditioned system | k |

T. B. & F. B. are Trujillo Bueno & Fabiani Bendicho (ApJ 455, 646).

Every scheme is a generator of successive iterates, the starting one not included, and each
iterate costs one formal solution; GMRES costs one more, for the residual of its start.
Gauss-Seidel and SOR are written with the operator as a matrix; in production their sweep obtains
each Jbar on the way, at about the cost of one formal solution (same reference), and that is how
they are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.sparse.linalg import gmres as scipy_gmres

from ..arrays import Array
from ..errors import UnknownNameError
from ..extrapolation import anderson_mix, ng_extrapolate
from .slab import Slab

__all__ = [
    "PEERS",
    "SET_UP_COST",
    "Iteration",
    "Trace",
    "ali",
    "ali_map",
    "ali_spectral_radius",
    "anderson",
    "best_omega",
    "gauss_seidel",
    "gmres",
    "lambda_iteration",
    "ng",
    "run_peer",
    "sor",
    "spectral_radius",
]

Iteration = Callable[[Slab, Array], Iterator[Array]]


def lambda_iteration(slab: Slab, S: Array) -> Iterator[Array]:
    """Lambda iteration."""
    while True:
        S = slab.implied_source(S)
        yield S


def ali_map(slab: Slab, S: Array) -> Array:
    """One step of ALI with the diagonal operator, [Nspace]: one formal solution."""
    return S + (slab.implied_source(S) - S) * slab.preconditioner


def ali(slab: Slab, S: Array) -> Iterator[Array]:
    """Accelerated lambda iteration with the diagonal operator, the paper's baseline."""
    while True:
        S = ali_map(slab, S)
        yield S


def ng(slab: Slab, S: Array, order: int = 3) -> Iterator[Array]:
    """ALI with an Ng extrapolation over every ``order + 2`` iterates."""
    history = [S]
    while True:
        history.append(ali_map(slab, history[-1]))
        if len(history) == order + 2:
            history = [ng_extrapolate(history)]
        yield history[-1]


def gauss_seidel(slab: Slab, S: Array) -> Iterator[Array]:
    """Gauss-Seidel from the bottom outwards."""
    return sor(slab, S, omega=1.0)


def sor(slab: Slab, S: Array, omega: float | None = None) -> Iterator[Array]:
    """Successive over-relaxation from the bottom outwards.

    Parameters
    ----------
    slab : Slab
        The problem.
    S : ndarray [Nspace]
        The start.
    omega : float, optional
        Relaxation parameter in (0, 2).  By default `best_omega`, which needs eigenvalues that
        nobody has in production: this is SOR at its best.
    """
    omega = best_omega(slab) if omega is None else omega
    if not 0 < omega < 2:
        raise ValueError(f"omega must be in (0, 2), not {omega}")
    A, b = slab.system
    M = np.triu(A, 1) + np.diag(np.diag(A)) / omega
    while True:
        S = S + solve_triangular(M, b - A @ S)
        yield S


def best_omega(slab: Slab) -> float:
    """Young's (1954) best relaxation parameter, from the spectral radius of Gauss-Seidel."""
    A, _ = slab.system
    radius = spectral_radius(np.eye(slab.Nspace) - solve_triangular(np.triu(A), A))
    return float(2.0 / (1.0 + np.sqrt(1.0 - radius)))


def spectral_radius(iteration_matrix: Array) -> float:
    """Largest modulus of an eigenvalue."""
    return float(np.max(np.abs(np.linalg.eigvals(iteration_matrix))))


def ali_spectral_radius(slab: Slab) -> float:
    """Convergence factor of ALI, which turns a last change into an error: Te = Re rho/(1-rho)."""
    A, _ = slab.system
    return spectral_radius(np.eye(slab.Nspace) - slab.preconditioner[:, None] * A)


def anderson(slab: Slab, S: Array, memory: int = 10) -> Iterator[Array]:
    """Anderson mixing of the last ``memory`` ALI steps, without a safeguard."""
    iterates: list[Array] = []
    images: list[Array] = []
    while True:
        iterates.append(S)
        images.append(ali_map(slab, S))
        del iterates[: -(memory + 1)], images[: -(memory + 1)]
        S = anderson_mix(iterates, images)
        yield S


def gmres(slab: Slab, S: Array) -> Iterator[Array]:
    """GMRES without restart, preconditioned by the diagonal of ALI (scipy).

    scipy hands out an iterate at a restart only, so iterate k comes from a run of k steps.  The
    cost that is counted is that of the last run, not of their sum.
    """
    A, b = slab.system
    P = np.diag(slab.preconditioner)
    for k in count(1):
        x, _ = scipy_gmres(A, b, x0=S, rtol=0.0, atol=0.0, restart=k, maxiter=1, M=P)
        yield x


PEERS: dict[str, Iteration] = {
    "lambda": lambda_iteration,
    "ali": ali,
    "ng": ng,
    "gauss_seidel": gauss_seidel,
    "sor": sor,
    "anderson": anderson,
    "gmres": gmres,
}

SET_UP_COST = {"gmres": 1}
"""Formal solutions before the first iterate, where there are any."""


@dataclass(frozen=True, eq=False)
class Trace:
    """The iterates of one scheme on one problem.

    Parameters
    ----------
    S : ndarray [Niterate + 1, Nspace]
        The start and every iterate.
    cost : ndarray of int [Niterate + 1]
        Formal solutions spent up to each.
    solution : ndarray [Nspace]
        The exact solution on the same grid.
    """

    S: Array
    cost: NDArray[np.int_]
    solution: Array

    @property
    def relative_change(self) -> Array:
        """Re: max |S_new / S_old - 1| of each step, [Niterate]; NaN never, inf on overflow."""
        with np.errstate(all="ignore"):
            change = np.max(np.abs(self.S[1:] / self.S[:-1] - 1.0), axis=1)
        return np.asarray(np.where(np.isfinite(change), change, np.inf))

    @property
    def true_error(self) -> Array:
        """Te: max |S / solution - 1| of each iterate, the start included, [Niterate + 1]."""
        return np.asarray(np.max(np.abs(self.S / self.solution - 1.0), axis=1))

    def cost_to(self, error: float) -> int | None:
        """Formal solutions until the true error is below ``error``, None if it never is."""
        hit = self.true_error < error
        return int(self.cost[np.argmax(hit)]) if np.any(hit) else None


def run_peer(name: str, slab: Slab, Niterate: int, start: Array | None = None) -> Trace:
    """Run a scheme of `PEERS` for a number of iterates.

    Parameters
    ----------
    name : str
        Its name in `PEERS`.
    slab : Slab
        One problem, not a batch.
    Niterate : int
        Number of iterates, at least 1.
    start : ndarray [Nspace], optional
        Where to start; S = B by default.

    Returns
    -------
    Trace

    Raises
    ------
    ValueError
        For an unknown name, a batch of problems, or ``Niterate < 1``.
    """
    if name not in PEERS:
        raise UnknownNameError("peer", name, PEERS)
    if Niterate < 1:
        raise ValueError(f"Niterate must be >= 1, not {Niterate}")
    if slab.system[1].ndim != 1:
        raise ValueError(f"a peer solves one problem; this batch has shape {slab.system[1].shape}")
    first = slab.B if start is None else np.asarray(start, float)
    iterates = np.array([first, *islice(PEERS[name](slab, first), Niterate)])
    cost = np.arange(Niterate + 1)
    cost[1:] += SET_UP_COST.get(name, 0)
    return Trace(iterates, cost, slab.solution)

"""Hostile problems: atmospheres more extreme than any star's, any number of them, from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field

import lightweaver as lw
import numpy as np
from lightweaver.rh_atoms import H_6_atom

from .. import atmospheres, atoms
from ..arrays import Array
from ..files import Json
from ..host.context import build_context
from ..problems import ATOMS

__all__ = ["HostileProblem"]

#: Kinds of temperature structure, and how often each is drawn.
_KINDS = {
    "family": 0.25,  # `lw_rl.atmospheres.random`
    "isothermal": 0.10,
    "gradient": 0.10,  # monotone, rising or falling
    "shock": 0.20,  # jumps of temperature, density and velocity
    "steps": 0.20,  # a new temperature at every few depths
    "noise": 0.15,  # a new temperature at every depth
}
_PRD_ATOMS = ("CaII_K", "CaII_H", "MgII_k", "MgII_h")


@dataclass(frozen=True)
class HostileProblem:
    """One line in one hostile atmosphere.

    Attributes
    ----------
    seed, index : int
        Everything else is drawn from these.
    kind : str
        Kind of temperature structure.
    atom : str
        One of ``lw_rl.atoms.known()``, or ``"H_6"``.
    collision_scale : float
        Factor on the collisional rates.
    Nspace, Nthreads : int
        Depths, and threads of the context.
    prd, switching, conserve, lambda_iterate : bool
        Partial redistribution, collisional-radiative switching, conservation of charge, and
        whether classical Lambda iteration is tried as well.
    """

    seed: int
    index: int
    kind: str = field(init=False)
    atom: str = field(init=False)
    collision_scale: float = field(init=False)
    Nspace: int = field(init=False)
    Nthreads: int = field(init=False)
    prd: bool = field(init=False)
    switching: bool = field(init=False)
    conserve: bool = field(init=False)
    lambda_iterate: bool = field(init=False)

    def __post_init__(self) -> None:
        rng = self._rng(0)
        drawn: Json = {
            "kind": str(rng.choice(list(_KINDS), p=list(_KINDS.values()))),
            "prd": bool(rng.random() < 0.05),
            "switching": bool(rng.random() < 0.05),
            "conserve": bool(rng.random() < 0.01),
            "lambda_iterate": bool(rng.random() < 0.03),
            "Nthreads": 2 if rng.random() < 0.05 else 1,
            "collision_scale": float(10.0 ** rng.uniform(-6.0, 3.0)),
            "Nspace": _draw_depths(rng),
        }
        drawn["atom"] = str(rng.choice(_PRD_ATOMS if drawn["prd"] else (*ATOMS, "H_Lya")))
        if drawn["conserve"]:
            # Lightweaver conserves charge through an active hydrogen atom with its continua.
            drawn.update(atom="H_6", prd=False, Nspace=min(drawn["Nspace"], 40))
        for name, value in drawn.items():
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """Its name in lists."""
        flags = [n for n in ("prd", "switching", "conserve", "lambda_iterate") if getattr(self, n)]
        flags += ["2 threads"] if self.Nthreads == 2 else []
        return " ".join([f"hostile {self.seed}/{self.index} {self.atom} {self.kind}", *flags])

    def _rng(self, part: int) -> np.random.Generator:
        return np.random.default_rng(
            np.random.SeedSequence(self.seed, spawn_key=(self.index, part))
        )

    def context(self) -> lw.Context:
        """Build a fresh context, the populations in LTE."""
        keywords: Json = {}
        if self.switching:
            keywords["crswCallback"] = lw.CrswIterator(1e2)
        if self.conserve:
            keywords["conserveCharge"] = True
        if self.conserve:
            atom = H_6_atom()
        else:
            atom = atoms.make(self.atom, prd=self.prd, collision_scale=self.collision_scale)
        return build_context(atom, self.atmosphere(), Nrays=2, Nthreads=self.Nthreads, **keywords)

    def atmosphere(self) -> lw.Atmosphere:
        """Return the atmosphere."""
        rng = self._rng(1)
        N = self.Nspace
        if self.kind == "family":
            return atmospheres.random(rng, Nspace=max(N, 10))
        T = self._temperature(rng, N)
        # Lightweaver's lower boundary extrapolates the Planck function over the last interval: a
        # jump there makes the incident intensity, and J, negative, with every scheme.
        T[-2] = T[-1]
        x = np.linspace(0.0, 1.0, N)
        # From optically thin everywhere to thick at the top; sometimes over 60 decades.
        decades = 60.0 if rng.random() < 0.03 else rng.uniform(0.0, 10.0)
        base = rng.uniform(16.0, 24.0)
        log_density = base - decades * (1.0 - x) + rng.uniform(0.0, 0.3) * rng.standard_normal(N)
        ionised = rng.uniform(-4.0, 0.0)
        thickness = 10.0 ** rng.uniform(3.0, 7.0)
        gaps = np.exp(rng.uniform(0.0, 1.5) * rng.standard_normal(N - 1))
        z = thickness * (1.0 - np.concatenate(([0.0], np.cumsum(gaps) / gaps.sum())))
        v = self._velocity(rng, N)
        if self.kind == "shock":
            for _ in range(int(rng.integers(1, 4))):
                at = int(rng.integers(1, max(N - 1, 2)))
                log_density[at:] += rng.uniform(-1.0, 1.0)
                v[at:] += rng.uniform(-5e4, 5e4)
        nH = 10.0 ** np.clip(log_density, -40.0, 26.0)
        return atmospheres.from_arrays(
            height=z,
            temperature=T,
            ne=nH * 10.0**ionised,
            nHTot=nH,
            vturb=10.0 ** rng.uniform(2.5, 4.3),
            vlos=np.clip(v, -1e5, 1e5),
        )

    def _temperature(self, rng: np.random.Generator, N: int) -> Array:
        low, high = np.log10(3e3), np.log10(5e4)
        if self.kind == "isothermal":
            return np.full(N, 10.0 ** rng.uniform(low, high))
        if self.kind == "gradient":
            return 10.0 ** np.linspace(rng.uniform(low, high), rng.uniform(low, high), N)
        if self.kind == "noise":
            spread = rng.uniform(0.0, 0.3)
            log_temperature = rng.uniform(low, high) + spread * rng.standard_normal(N)
            return 10.0 ** np.clip(log_temperature, low, high)
        pieces = int(rng.integers(2, max(N // 3, 2) + 1)) if self.kind == "steps" else 3
        edges = np.sort(rng.integers(0, N, pieces - 1))
        levels = rng.uniform(low, high, pieces)
        return 10.0 ** levels[np.searchsorted(edges, np.arange(N), side="right")]

    @staticmethod
    def _velocity(rng: np.random.Generator, N: int) -> Array:
        size = 10.0 ** rng.uniform(2.0, 5.0)
        draw = rng.random()
        if draw < 0.4:
            return np.zeros(N)
        if draw < 0.7:
            return np.linspace(-size, size, N)
        return size * rng.standard_normal(N)


def _draw_depths(rng: np.random.Generator) -> int:
    """Draw a number of depths from 3 to 1,000, most of them small enough to be many."""
    draw = rng.random()
    if draw < 0.08:
        return int(rng.integers(3, 8))
    if draw < 0.995:
        return int(np.exp(rng.uniform(np.log(8), np.log(120))))
    return int(np.exp(rng.uniform(np.log(120), np.log(1001))))

"""A seeded family of random solar-like atmospheres.

No FAL model goes into it: the photosphere follows a grey temperature law, the chromosphere is a
smooth rise to a plateau, the transition region follows constant conductive flux. Smooth random
perturbations lie on top, and pressure, electron and hydrogen density follow from hydrostatic
equilibrium and Lightweaver's equation of state.
"""

from __future__ import annotations

import lightweaver as lw
import numpy as np

from lw_rl.errors import UnknownNameError

from .build import hydrostatic

__all__ = ["KINDS", "random"]

KINDS = ("chromosphere", "cool", "photosphere", "isothermal")


def _smooth(rng: np.random.Generator, x: np.ndarray, amplitude: float, length: float) -> np.ndarray:
    """Return a smooth random function of `x`: Gaussian bumps of width `length` on a lattice."""
    knots = np.arange(x.min() - 2.0 * length, x.max() + 2.5 * length, length)
    knots = knots + rng.uniform(-0.3, 0.3, knots.size) * length
    bumps = np.exp(-0.5 * ((x[:, None] - knots) / length) ** 2)
    return amplitude * (bumps @ rng.standard_normal(knots.size)) / 1.3


def _uneven(rng: np.random.Generator, N: int, strength: float) -> np.ndarray:
    """Return `N` points from 0 to 1 whose density varies smoothly by up to exp(strength)."""
    s = np.linspace(0.0, 1.0, N)
    spacing = np.exp(np.clip(_smooth(rng, s, strength, 0.2), -1.5, 1.5))
    spacing[0] = 0.0
    grid = np.cumsum(spacing)
    return grid / grid[-1]


def random(
    seed: int | np.random.SeedSequence | np.random.Generator,
    kind: str | None = None,
    Nspace: int | None = None,
    moving: bool | None = None,
) -> lw.Atmosphere:
    """Draw a random atmosphere.

    Parameters
    ----------
    seed : int, SeedSequence or Generator
        The same seed gives the same atmosphere.
    kind : str, optional
        ``"chromosphere"`` (with a transition region), ``"cool"`` (no chromospheric rise),
        ``"photosphere"`` (cut below the temperature minimum) or ``"isothermal"``. Drawn with
        probabilities 0.5, 0.2, 0.2, 0.1 if not given.
    Nspace : int, optional
        Number of depths; if not given, drawn between 30 and 250 (in six of seven cases) or
        between 250 and 700, uniform in the logarithm.
    moving : bool, optional
        Whether there is a velocity field (standard deviation up to 15 km/s); drawn with
        probability 0.4 if not given.

    Returns
    -------
    atmos : lightweaver.Atmosphere

    Raises
    ------
    UnknownNameError
        If `kind` is not known.
    """
    rng = np.random.default_rng(seed)
    drawn_kind = str(rng.choice(KINDS, p=(0.5, 0.2, 0.2, 0.1)))
    kind = drawn_kind if kind is None else kind
    if kind not in KINDS:
        raise UnknownNameError("kind of random atmosphere", kind, KINDS)
    few, many = (30.0, 250.0) if rng.random() < 6.0 / 7.0 else (250.0, 700.0)
    drawn_depths = round(np.exp(rng.uniform(np.log(few), np.log(many))))
    N = drawn_depths if Nspace is None else int(Nspace)
    drawn_moving = bool(rng.random() < 0.4)
    moving = drawn_moving if moving is None else moving

    # log10 of column mass in g cm-2, as the FAL tables give it.
    bottom = rng.uniform(0.75, 1.0)
    top = {
        "chromosphere": rng.uniform(-5.8, -3.8),
        "cool": rng.uniform(-6.0, -3.0),
        "photosphere": rng.uniform(-2.5, -1.0),
        "isothermal": rng.uniform(-6.0, -2.0),
    }[kind]
    N_tr = round(N * rng.uniform(0.15, 0.4)) if kind == "chromosphere" else 0
    logm = top + (bottom - top) * _uneven(rng, N - N_tr, rng.uniform(0.0, 0.6))

    T_eff = rng.normal(5777.0, 150.0)
    tau = (10.0**logm / 4.2) ** rng.uniform(1.8, 2.4)
    T = T_eff * (0.75 * (tau + rng.uniform(0.35, 0.6667))) ** 0.25
    if kind == "isothermal":
        T = np.full_like(logm, np.exp(rng.uniform(np.log(4000.0), np.log(12000.0))))
    if kind == "chromosphere":
        onset, width = rng.uniform(-2.6, -1.2), rng.uniform(0.2, 0.8)
        plateau, slope = rng.uniform(600.0, 3500.0), rng.uniform(0.0, 700.0)
        rise = 1.0 / (1.0 + np.exp((logm - onset) / width))
        T = T + rise * (plateau + slope * np.maximum(onset - logm, 0.0))
    if kind != "isothermal":
        T = T * np.exp(_smooth(rng, logm, rng.uniform(0.0, 0.06), rng.uniform(0.4, 1.5)))
    T = np.clip(T, 2600.0, 30000.0)

    if N_tr:
        # Constant conductive flux: T^(7/2) linear in the column mass above the plateau.
        T_top = np.exp(rng.uniform(np.log(2.0e4), np.log(1.0e5)))
        T_top = max(T_top, 1.5 * T[0])
        thickness = 10.0 ** rng.uniform(-3.5, -1.3)
        T_tr = np.exp(np.log(T_top) + (np.log(T[0]) - np.log(T_top)) * _uneven(rng, N_tr + 1, 0.4))[
            :-1
        ]
        index = rng.uniform(1.0, 3.5)
        x = (T_tr**index - T[0] ** index) / (T_top**index - T[0] ** index)
        logm = np.concatenate((logm[0] - thickness * x, logm))
        T = np.concatenate((T_tr, T))

    upward = logm[-1] - logm
    base, gain = rng.uniform(0.3e3, 2.0e3), rng.uniform(0.0, 2.2e3)
    vturb = (base + gain * upward) * np.exp(_smooth(rng, logm, 0.15, 1.0))
    vlos = np.zeros(N)
    if moving:
        speed = 1e3 * rng.uniform(0.5, 15.0)
        growth = np.clip((upward + 0.5) / (upward[0] + 0.5), 0.1, 1.0) ** rng.uniform(0.0, 1.0)
        vlos = growth * _smooth(rng, logm, speed, rng.uniform(0.4, 2.0))
    return hydrostatic(10.0 ** (logm + 1.0), T, vturb=vturb, vlos=vlos)

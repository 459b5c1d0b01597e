"""Response functions of the emergent intensity, by implicit differentiation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import lightweaver as lw
import numpy as np

from ..accelerated_context import AcceleratedContext
from ..arrays import Array
from ..errors import (
    MissingExtraError,
    NotConvergedError,
    SpectrumError,
    UnknownNameError,
)
from ..host.adapter import Adapter
from ..host.medium import (
    QUANTITIES,
    Medium,
    check_differentiable,
    evaluate,
    in_lte,
    media_by_hydrogen,
    medium,
    perturbed,
    ray_context,
    scattered,
    set_state,
)
from ..host.threads import blas_threads
from ..norms import largest
from ..operator.linearised import LinearisedEquilibrium, State, opacity_derivatives
from ..operator.linearised_1d import emergent, opacities

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Populations", "response_functions"]

Populations = Literal["non-LTE", "departure coefficients", "LTE"]
"""What populations do when the atmosphere changes."""

#: Populations whose error is above this are refused; those above the share of `rtol` are improved.
_REFUSED, _IMPROVED = 5e-2, 0.1
#: Formal solutions in which populations are improved, and corrections of responses, at most.
_MOST, _CORRECTIONS = 4, 2
#: Scattered light counts where it makes this share of the emergent intensity.
_SCATTERED = 1e-4


def response_functions(
    ctx: lw.Context,
    quantities: Sequence[str] = tuple(QUANTITIES),
    mu: float = 1.0,
    wavelengths: Array | None = None,
    rtol: float = 1e-2,
    *,
    populations: Populations = "non-LTE",
) -> xr.Dataset:
    """Return the response of the emergent intensity to the atmosphere at every depth.

    The change of the intensity by a unit change of a quantity at one depth point, the others and
    the geometry held. Populations, and light scattered in the background, follow the atmosphere by
    implicit differentiation of statistical equilibrium (as in Milic and van Noort 2017, A&A 601,
    A100, and 2018, A&A 617, A24): one factorisation of the host's own discrete equations serves
    all perturbations. Formal solutions only measure what that is wrong by: one of the context, and
    one for every quantity with all depths perturbed at once, up or down at random. Where that is
    above `rtol` the responses are corrected, by one formal solution for every depth.

    Parameters
    ----------
    ctx : lightweaver.Context
        A converged context in one dimension; it is not changed. Where it conserves charge the
        electrons are a quantity like others, held while others change.
    quantities : sequence of str, optional
        Of ``"temperature"``, ``"vlos"``, ``"vturb"``, ``"ne"``, ``"nHTot"``, each once (default:
        all).
    mu : float, optional
        Cosine of the angle with the vertical (default: 1, disc centre).
    wavelengths : Array, optional
        Vacuum wavelengths [nm], increasing, shape [Nwave] (default: the context's own).
    rtol : float, optional
        Tolerance on the error, relative to the largest response (default: 1e-2).
    populations : str, optional
        What populations do: ``"non-LTE"``, they follow in statistical equilibrium; ``"departure
        coefficients"``, these, the radiation field and in partial redistribution the emission
        profiles are held; ``"LTE"``, they are those of LTE (default: ``"non-LTE"``).

    Returns
    -------
    responses : xarray.Dataset
        ``response`` [quantity, wavelength, depth], in units of the intensity per unit of the
        quantity (``unit`` [quantity]), and ``error`` [quantity], its estimated error relative to
        the largest response; ``intensity`` [wavelength]; for every active atom its populations
        ``n_Ca`` [level_Ca, depth] and their response ``response_n_Ca`` [quantity, depth, level_Ca,
        at], to a change at ``depth`` of those at ``at``. The attribute ``formal_solutions`` counts
        what they cost.

    Raises
    ------
    UnknownNameError
        If a quantity, or what populations do, is not known.
    SpectrumError
        If `mu`, `wavelengths` or `rtol` is not usable.
    ContextError
        If the context is not one-dimensional, has a formal solver or boundaries whose derivatives
        are not known, or lines in partial redistribution whose profiles are not held.
    NotConvergedError
        If its populations are not in equilibrium; the message says what to call.
    MissingExtraError
        If xarray is not installed.
    """
    quantities = _checked(quantities, mu, rtol, populations)
    if wavelengths is not None:
        wavelengths = _checked_wavelengths(wavelengths)
    if isinstance(ctx, AcceleratedContext):
        ctx = ctx.adapter.ctx
    Nthreads = Adapter(ctx).Nthreads
    check_differentiable(ctx, held=populations == "departure coefficients")
    with blas_threads(Nthreads):
        return _Responses(ctx, quantities, float(mu), wavelengths, rtol, populations).dataset()


def _checked(
    quantities: str | Sequence[str], mu: float, rtol: float, populations: str
) -> tuple[str, ...]:
    """Check the arguments and return the quantities."""
    if find_spec("xarray") is None:
        raise MissingExtraError.of("response functions need", "cube", ["xarray"])
    one = isinstance(quantities, str) or not isinstance(quantities, Iterable)
    for quantity in (quantities,) if one else quantities:
        if quantity not in list(QUANTITIES):
            raise UnknownNameError("quantity", quantity, QUANTITIES)
    # Each once, in the order in which they are asked for.
    asked = (quantities,) if isinstance(quantities, str) else tuple(dict.fromkeys(quantities))
    if not asked:
        raise UnknownNameError("quantity", "", QUANTITIES)
    if populations not in get_args(Populations):
        raise UnknownNameError("kind of populations", populations, get_args(Populations))
    if not (isinstance(mu, Real) and 0.0 < mu <= 1.0):
        raise SpectrumError(
            f"mu is the cosine of an angle with the vertical, 0 < mu <= 1; got {mu!r}"
        )
    if not (isinstance(rtol, Real) and 0.0 < rtol < np.inf):
        raise SpectrumError(f"the tolerance rtol must be positive and finite; got {rtol!r}")
    return asked


def _checked_wavelengths(wavelengths: Array) -> Array:
    try:
        found = np.atleast_1d(np.asarray(wavelengths, dtype=np.float64))
    except (TypeError, ValueError):
        raise SpectrumError(
            f"wavelengths are vacuum wavelengths [nm], numbers; got {wavelengths!r}"
        ) from None
    if (
        found.ndim != 1
        or not found.size
        or not np.all(found > 0.0)
        or not np.all(np.diff(found) > 0.0)
    ):
        raise SpectrumError(
            "wavelengths are vacuum wavelengths [nm] in increasing order, in one dimension; got "
            f"{np.array2string(found, threshold=6)}"
        )
    return found


@dataclass
class _Ray:
    """The ray that leaves, its derivatives, and those of what it is made of."""

    medium: Medium
    source: Array
    n: Array
    intensity: Array = field(init=False)
    by_eta: Array = field(init=False)
    by_chi: Array = field(init=False)
    by_planck: Array = field(init=False)
    by_n: Array = field(init=False)

    @classmethod
    def of(cls, ctx: lw.Context, mu: float, wavelengths: Array | None) -> _Ray:
        ray = ray_context(ctx, mu, wavelengths)
        m = medium(ray, outward_only=True)
        return cls(m, scattered(ray), m.n)

    def __post_init__(self) -> None:
        m = self.medium
        total, emitted = self.opacities(m)
        self.intensity, self.by_eta, self.by_chi, self.by_planck = emergent(
            m.height, m.mu[0], m.sca, m.planck, total, emitted, self.source
        )

    def differentiate(self, ctx: lw.Context, wavelengths: Array | None) -> None:
        """Find the derivatives by the populations, [Nwave, Nlevel, Nspace]."""
        mu = float(self.medium.mu[0])
        self.by_n = opacity_derivatives(self.medium, self.by_eta[:, None], self.by_chi[:, None])
        for level, other, step in media_by_hydrogen(ctx, mu, wavelengths, self.medium):
            self.by_n[:, level] += self.local(other, self.medium, 0.5 * step)

    def opacities(self, m: Medium) -> tuple[Array, Array]:
        """Return opacity and emissivity in a medium of the same populations, [Nwave, Nspace]."""
        total, emitted = opacities(
            m.start, m.transition, m.lower, m.upper, m.V, m.g, m.u, self.n, m.chi, m.eta
        )  # fmt: skip
        return total[:, 0], emitted[:, 0]

    def local(self, plus: Medium, minus: Medium, step: Array) -> Array:
        """Return the response at given populations and scattered light, [Nwave, Nspace]."""
        half = 0.5 / step
        (chi, eta), (chi_minus, eta_minus) = self.opacities(plus), self.opacities(minus)
        eta = eta - eta_minus + (plus.sca - minus.sca) * self.source
        response: Array = half * (self.by_eta * eta + self.by_chi * (chi - chi_minus))
        response[:, -2:] += self.by_planck * (plus.planck - minus.planck) * half[-2:]
        return response


class _Responses:
    """The responses of one context, step by step."""

    def __init__(
        self,
        ctx: lw.Context,
        quantities: tuple[str, ...],
        mu: float,
        wavelengths: Array | None,
        rtol: float,
        populations: Populations,
    ):
        self.quantities, self.mu, self.wavelengths, self.rtol = quantities, mu, wavelengths, rtol
        self.populations = populations
        self.Nformal = 0
        self.random = np.random.default_rng(0)
        self.elements = Adapter(ctx).elements
        self.base = perturbed(in_lte(ctx) if populations == "LTE" else ctx, "", np.zeros(1))
        atmos = self.base.kwargs["atmos"]
        self.values = {
            q: np.array(getattr(atmos, {"vlos": "vz"}.get(q, q))) for q in quantities
        }  # fmt: skip
        self.steps = {
            q: np.abs(x) * QUANTITIES[q][1] if q in _RELATIVE else np.full_like(x, QUANTITIES[q][1])
            for q, x in self.values.items()
        }
        self.Nspace = int(atmos.Nspace)
        self.n = medium(self.base).n
        self.J = scattered(self.base)
        # Net rates that the host's equations leave at the populations.
        self.left = np.zeros_like(self.n)
        self.linear: LinearisedEquilibrium | None = None
        self._perturbed: dict[str, list[lw.Context]] = {}
        if populations == "non-LTE":
            self._equilibrium()
        else:
            self.dn = np.zeros((len(quantities), self.Nspace, *self.n.shape))
        set_state(self.base, self.n, self.J)
        self.ray = _Ray.of(self.base, mu, wavelengths)
        self.ray.differentiate(self.base, wavelengths)
        self._respond()
        self.errors = {q: self._error(k) for k, q in enumerate(quantities)}
        for k, q in enumerate(quantities):
            for _ in range(_CORRECTIONS if self.linear is not None else 0):
                if self.errors[q] <= rtol:
                    break
                self._correct(k)
                self.errors[q] = self._error(k)

    # ---- the equilibrium --------------------------------------------------------------------

    def _equilibrium(self) -> None:
        """Linearise the equilibrium, around populations that are improved where need be."""
        base = self.base
        # A velocity is seen by every ray as another shift.
        media = {
            q: [medium(side, by_ray=q == "vlos") for side in self._sides(q)]
            for q in self.quantities
        }  # fmt: skip
        for attempt in range(_MOST):
            net, J = evaluate(base, self.n, self.J)
            self.Nformal += 1
            state = State(medium(base), self.n, self.J)
            fields = [state.field(media[q][0], media[q][1], self.steps[q]) for q in self.quantities]
            linear = LinearisedEquilibrium(state, (state.lagging(), *fields))
            dn = linear.respond()
            change = linear.solve(net, np.zeros_like(state.medium.nTotal)) + dn[0].sum(axis=0)
            error = largest(change / self.n)
            if not error < _REFUSED and attempt == 0:
                raise NotConvergedError(
                    f"the populations are {error:.1e} from statistical equilibrium, and response "
                    "functions are those of an equilibrium: call lw_rl.solve(ctx) first"
                )
            if error <= _IMPROVED * self.rtol or attempt == _MOST - 1:
                break
            self.n = self.n + change
            self.J = J
        self.left, self.linear, self.fields = net, linear, fields
        self.dn = dn[1:].copy()

    def _sides(self, quantity: str) -> list[lw.Context]:
        """Return contexts with a quantity raised and lowered at all depths; they are made once."""
        if quantity not in self._perturbed:
            step = self.steps[quantity]
            self._perturbed[quantity] = [perturbed(self.base, quantity, x) for x in (step, -step)]
        return self._perturbed[quantity]

    # ---- the responses ----------------------------------------------------------------------

    def _respond(self) -> None:
        """Find all responses without a formal solution."""
        ray = self.ray
        self.local = np.empty((len(self.quantities), len(ray.intensity), self.Nspace))
        for k, q in enumerate(self.quantities):
            step = self.steps[q]
            plus, minus = map(self._ray_side, self._sides(q))
            self.local[k] = ray.local(plus, minus, step)
            if self.linear is None:
                self._follow_lte(k, plus, minus, step)
        self.waves = np.empty(0, dtype=np.int64)
        if self.linear is not None:
            self._scatter(self.linear)

    def _ray_side(self, side: lw.Context) -> Medium:
        set_state(side, self.n, self.J)
        return medium(ray_context(side, self.mu, self.wavelengths), outward_only=True)

    def _follow_lte(self, k: int, plus: Medium, minus: Medium, step: Array) -> None:
        depth = np.arange(self.Nspace)
        change = 0.5 * np.log(plus.n_star / minus.n_star) / step
        self.dn[k, depth, :, depth] = (self.n * change).T

    def _scatter(self, linear: LinearisedEquilibrium) -> None:
        """Add what light that is scattered into the ray brings where anything changes."""
        ray, state = self.ray, linear.state
        grid, seen = state.medium.wavelength, ray.by_eta * ray.medium.sca
        share = (seen * ray.source).sum(axis=1) / ray.intensity
        # The host interpolates the scattered light of its own wavelengths.
        above = np.searchsorted(grid, ray.medium.wavelength).clip(1, len(grid) - 1)
        width = grid[above] - grid[above - 1]
        x = np.clip((ray.medium.wavelength - grid[above - 1]) / width, 0.0, 1.0)
        from_wave = np.concatenate([above - 1, above])
        weight = np.concatenate([1.0 - x, x])
        to = np.tile(np.arange(len(x)), 2)
        counts = weight * share[to] > _SCATTERED
        self.waves = np.unique(from_wave[counts])
        bundles = max(f.eta.shape[1] for f in self.fields)
        for v in self.waves:
            of = np.flatnonzero(counts & (from_wave == v))
            by_eta, by_chi, by_planck = state.light_seen(
                int(v), weight[of][:, None] * seen[to[of]], bundles
            )
            ray.by_n[to[of]] += opacity_derivatives(
                state.medium, by_eta, by_chi, np.full(len(of), v)
            )
            for k, f in enumerate(self.fields):
                brought = (by_eta * f.eta[v] + by_chi * f.chi[v]).sum(axis=1)
                if f.eta.shape[1] == 1:
                    brought = by_eta.sum(axis=1) * f.eta[v, 0] + by_chi.sum(axis=1) * f.chi[v, 0]
                brought[:, -2:] += by_planck * f.planck[v]
                self.local[k][to[of]] += brought

    def _scattered(self, k: int, change: Array) -> Array:
        """Return the scattered light where all follow a change, [Nwave, Nspace]."""
        J = self.J.copy()
        if self.linear is not None:
            f, n = self.fields[k], np.tensordot(change, self.dn[k], 1)
            for v in self.waves:
                J[v] += self.linear.state.change_of_light(
                    int(v), n, f.eta[v] * change, f.chi[v] * change, f.planck[v] * change[-2:]
                )
        return J

    def _emergent(self, dn: Array) -> Array:
        """Return what changes of the populations bring, [..., Nlevel, Nspace], as [..., Nwave]."""
        change: Array = np.tensordot(dn, self.ray.by_n, axes=((-2, -1), (1, 2)))
        return change

    def response(self, k: int) -> Array:
        """Return the response of the intensity to a quantity, [Nwave, depth]."""
        found: Array = self.local[k] + self._emergent(self.dn[k]).T
        return found

    # ---- what they are wrong by -------------------------------------------------------------

    def _trial(self, k: int, change: Array) -> tuple[Array, lw.Context]:
        """Return by how much populations are wrong where all follow a change, with its context."""
        q = self.quantities[k]
        trial = perturbed(self.base, q, change)
        n = self.n + np.tensordot(change, self.dn[k], 1)
        J = self._scattered(k, change)
        if self.linear is None:
            set_state(trial, n, J)
            return np.zeros_like(n), trial
        net, _ = evaluate(trial, n, J)
        self.Nformal += 1
        set_state(trial, n, J)
        none = np.zeros_like(self.linear.state.medium.nTotal)
        return self.linear.solve(net - self.left, none), trial

    def _error(self, k: int) -> float:
        """Return the error of a response, from a change of all depths."""
        sign = np.where(self.random.random(self.Nspace) < 0.5, -1.0, 1.0)
        change = sign * self.steps[self.quantities[k]]
        wrong, trial = self._trial(k, change)
        expected = self.response(k) @ change
        made = _Ray.of(trial, self.mu, self.wavelengths).intensity - self.ray.intensity
        missing = self._emergent(wrong)
        size = largest(expected)
        return (largest(made - expected) + largest(missing)) / size if size > 0.0 else 0.0

    def _correct(self, k: int) -> None:
        """Correct the response of the populations, one formal solution for every depth."""
        step = self.steps[self.quantities[k]]
        for depth in range(self.Nspace):
            change = np.zeros(self.Nspace)
            change[depth] = step[depth]
            self.dn[k, depth] += self._trial(k, change)[0] / step[depth]

    # ---- the result -------------------------------------------------------------------------

    def dataset(self) -> xr.Dataset:
        """Return it all."""
        import xarray as xr

        intensity = "J s-1 m-2 sr-1 Hz-1"
        units = [QUANTITIES[q][0] for q in self.quantities]
        found: dict[str, Any] = {
            "response": (
                ("quantity", "wavelength", "depth"),
                np.array([self.response(k) for k in range(len(units))]),
                {"long_name": "response of the emergent intensity", "units": f"{intensity} / unit"},
            ),
            "error": (
                "quantity",
                [self.errors[q] for q in self.quantities],
                {"long_name": "estimated error over the largest response"},
            ),
            "intensity": ("wavelength", self.ray.intensity, {"units": intensity}),
            "value": (("quantity", "depth"), np.array(list(self.values.values()))),
        }
        m, first = self.ray.medium, 0
        for name, size in zip(self.elements, m.Nlevel, strict=True):
            span = slice(first, first + size)
            first += size
            level = f"level_{name}"
            found[f"n_{name}"] = ((level, "depth"), self.n[span], {"units": "m-3"})
            found[f"response_n_{name}"] = (
                ("quantity", "depth", level, "at"),
                self.dn[:, :, span],
                {"units": "m-3 / unit"},
            )
        coords = {
            "quantity": list(self.quantities),
            "unit": ("quantity", units),
            "wavelength": ("wavelength", m.wavelength, {"units": "nm"}),
            "height": ("depth", m.height, {"units": "m"}),
        }
        attributes = {
            "mu": self.mu,
            "rtol": self.rtol,
            "populations": self.populations,
            "formal_solutions": self.Nformal,
        }
        return xr.Dataset(found, coords=coords, attrs=attributes)


#: Quantities whose step is a share of their value.
_RELATIVE = {"temperature", "ne", "nHTot"}

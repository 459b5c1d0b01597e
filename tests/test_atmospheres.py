"""Atmospheres: the FAL models, resampling, slabs, the random family, units and refusals."""

from __future__ import annotations

from importlib.resources import files

import astropy.units as u
import lightweaver as lw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lw_rl.atmospheres.build import SOLAR_GRAVITY, hydrostatic
from lw_rl.atmospheres.random_family import KINDS

from lw_rl import atmospheres
from lw_rl.errors import AtmosphereError, UnknownNameError

FAL = ("FALA", "FALC", "FALF", "FALX")
SMALL = 24  # depths; the equation of state takes a millisecond for each


def column_mass(atmos: lw.Atmosphere) -> np.ndarray:
    """Column mass [kg m-2] above each depth, relative to the first: the integral of rho dz."""
    rho = np.asarray(atmos.nHTot) * lw.Amu * lw.DefaultAtomicAbundance.massPerH
    dm = 0.5 * (rho[1:] + rho[:-1]) * -np.diff(atmos.z)
    return np.concatenate(([0.0], np.cumsum(dm)))


def gas_pressure(atmos: lw.Atmosphere) -> np.ndarray:
    """Pressure [Pa] of an ideal gas of all nuclei and electrons (molecules neglected)."""
    n = np.asarray(atmos.nHTot) * lw.DefaultAtomicAbundance.totalAbundance + np.asarray(atmos.ne)
    return n * lw.KBoltzmann * np.asarray(atmos.temperature)


# ---- the FAL models -----


def test_known():
    assert tuple(atmospheres.known()) == FAL


@pytest.mark.parametrize("name", FAL)
def test_fal_models_load(name):
    atmos = atmospheres.load(name)
    atmospheres.validate(atmos)
    assert atmos.Nspace == (82 if name == "FALC" else 80)
    T = np.asarray(atmos.temperature)
    assert T[0] > 9e4, "the transition region"
    assert 3500.0 < T.min() < 4900.0, "the temperature minimum"
    assert 8500.0 < T[-1] < 1.05e4
    assert 2.0e6 < atmos.z[0] - atmos.z[-1] < 2.6e6
    assert np.all(np.diff(atmos.nHTot) > 0.0)


@pytest.mark.parametrize("name", FAL)
def test_fal_files_say_where_they_come_from(name):
    head = (files("lw_rl.atmospheres") / f"{name}.atmos").read_text().splitlines()[:11]
    assert all(line.startswith("*") for line in head[:8])
    text = " ".join(head)
    assert "Fontenla, Avrett and Loeser 1993" in text
    assert "ApJ 406, 319" in text
    assert "[cm-3]" in text
    assert "[K]" in text
    assert "Licence: " in text and "MIT licence" in text


def test_falc_is_lightweavers():
    """The file that ships gives the host's own FAL C (its built-in is the same table)."""
    from lightweaver.fal import Falc82

    ours, host = atmospheres.load("FALC"), Falc82()
    np.testing.assert_allclose(ours.temperature, host.temperature, rtol=1e-6)
    np.testing.assert_allclose(ours.ne, host.ne, rtol=1e-3)
    np.testing.assert_allclose(ours.nHTot, host.nHTot, rtol=1e-2)


@pytest.mark.parametrize("spelling", ["falc", "FAL-C", "fal_c", "Fal C"])
def test_spelling_is_forgiven(spelling):
    assert atmospheres.load(spelling).Nspace == 82


def test_unknown_atmosphere_lists_the_known():
    with pytest.raises(UnknownNameError, match="FALA, FALC, FALF, FALX"):
        atmospheres.load("VALC")


# ---- resampling -----


@pytest.mark.parametrize("name", FAL)
@pytest.mark.parametrize("Nspace", [3, 41, 82, 200])
def test_resampling_keeps_ends_and_order(name, Nspace):
    old = atmospheres.load(name)
    new = atmospheres.resample(old, Nspace)
    assert new.Nspace == Nspace
    for quantity in ("z", "temperature", "ne", "nHTot", "vturb", "vz"):
        a, b = np.asarray(getattr(old, quantity)), np.asarray(getattr(new, quantity))
        np.testing.assert_allclose(b[[0, -1]], a[[0, -1]], rtol=1e-12)
        rounding = 1e-12 * np.abs(a).max()
        assert b.min() >= a.min() - rounding, f"{quantity}: monotone pieces make no new extremes"
        assert b.max() <= a.max() + rounding
    assert np.all(np.diff(new.z) < 0.0)
    assert np.all(np.diff(new.nHTot) > 0.0)


def test_resampling_to_the_same_points_changes_nothing():
    old = atmospheres.load("FALF")
    new = atmospheres.resample(old, old.Nspace)
    np.testing.assert_allclose(new.temperature, old.temperature, rtol=1e-12)
    np.testing.assert_allclose(new.z, old.z, rtol=1e-12)


def test_resampling_a_line_is_exact():
    """Linear in the index, linear after resampling."""
    old = atmospheres.from_arrays(np.linspace(1e6, 0.0, 11), 5e3, 1e17, 1e21)
    new = atmospheres.resample(old, 37)
    np.testing.assert_allclose(new.z, np.linspace(1e6, 0.0, 37), atol=1e-6)


def test_load_resamples():
    assert atmospheres.load("FALC", 41).Nspace == 41


@pytest.mark.parametrize("Nspace", [2, 0, -1])
def test_too_few_points(Nspace):
    with pytest.raises(AtmosphereError, match=f"got {Nspace}"):
        atmospheres.resample(atmospheres.load("FALC"), Nspace)


# ---- hydrostatic equilibrium and the equation of state -----


@pytest.mark.parametrize("T", [4000.0, 5500.0, 7000.0, 12000.0])
def test_isothermal_slabs_are_hydrostatic(T):
    atmos = atmospheres.isothermal(T, Nspace=SMALL)
    m = np.geomspace(1e-4, 80.0, SMALL)
    np.testing.assert_array_equal(atmos.temperature, T)
    # P = g m: the ideal gas law with the densities that the equation of state gave. The host's
    # equation of state also knows H2, which binds 6 % of the particles at the bottom at 4000 K.
    np.testing.assert_allclose(
        gas_pressure(atmos), SOLAR_GRAVITY * m, rtol=0.1 if T < 5e3 else 0.01
    )
    # The height is the integral of dm / rho by the trapezoidal rule in 1 / rho.
    np.testing.assert_allclose(column_mass(atmos)[-1], m[-1] - m[0], rtol=0.1)


def test_an_isothermal_slab_falls_off_with_its_scale_height():
    """Neutral and isothermal: rho ~ exp(-z / H) with H = kT / (mu m_u g)."""
    T, N = 5000.0, 120
    atmos = atmospheres.isothermal(T, Nspace=N)
    abundance = lw.DefaultAtomicAbundance
    mu = abundance.massPerH / abundance.totalAbundance
    H = lw.KBoltzmann * T / (mu * lw.Amu * SOLAR_GRAVITY)
    slope = -np.gradient(np.log(atmos.nHTot), atmos.z)
    # 10 % because a point spans 11 % of the density and H2 forms at the bottom
    np.testing.assert_allclose(slope[1:-1] * H, 1.0, rtol=0.05)


def test_electrons_follow_the_temperature_through_ionisation():
    """Electrons are not scaled: at fixed pressure they rise far faster than any power of T."""
    m = np.array([0.1, 0.2, 0.4])
    ionised = [
        np.asarray(a.ne) / np.asarray(a.nHTot)
        for a in (hydrostatic(m, np.full(3, T)) for T in (4500.0, 6000.0, 9000.0, 15000.0))
    ]
    assert np.all(ionised[0] < 2e-4), "metals only: at most their abundance"
    assert np.all(ionised[1] > 3.0 * ionised[0])
    assert np.all(ionised[2] > 100.0 * ionised[1])
    assert np.all((ionised[3] > 0.95) & (ionised[3] < 1.25)), "hydrogen ionised, helium in part"


def test_electrons_obey_saha():
    """Hydrogen's Saha equation at 8000 K, where it gives nearly all of the electrons."""
    T, m = 8000.0, np.array([0.01, 0.02, 0.04])
    atmos = hydrostatic(m, np.full(3, T))
    ne, nH = np.asarray(atmos.ne), np.asarray(atmos.nHTot)
    x = ne / nH
    K = (2.0 * np.pi * lw.MElectron * lw.KBoltzmann * T / lw.HPlanck**2) ** 1.5 * np.exp(
        -13.598 * lw.EV / (lw.KBoltzmann * T)
    )
    np.testing.assert_allclose(x * ne / (1.0 - x), K, rtol=0.1)


def test_column_mass_must_increase():
    with pytest.raises(AtmosphereError, match="column mass.*index 1"):
        hydrostatic(np.array([1.0, 2.0, 1.5]), np.full(3, 5e3))


def test_the_equation_of_states_limit_is_named():
    with pytest.raises(AtmosphereError, match=r"at least 2000.*1500"):
        atmospheres.isothermal(1500.0, Nspace=5)


def test_isothermal_refuses_nonsense():
    with pytest.raises(AtmosphereError, match="0 < top < bottom"):
        atmospheres.isothermal(column_mass=(1.0, 0.1))
    with pytest.raises(AtmosphereError, match="at least 3"):
        atmospheres.isothermal(Nspace=2)
    with pytest.raises(AtmosphereError, match="temperature"):
        atmospheres.isothermal(5.0 * u.m)


# ---- the random family -----


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_atmosphere(kind):
    a, b, c = (atmospheres.random(seed, kind=kind, Nspace=SMALL) for seed in (7, 7, 8))
    for quantity in ("z", "temperature", "ne", "nHTot", "vturb", "vz"):
        np.testing.assert_array_equal(getattr(a, quantity), getattr(b, quantity))
    assert not np.array_equal(a.temperature, c.temperature)


def test_seeds_may_be_sequences_and_generators():
    seeds = (np.random.SeedSequence(5), np.random.default_rng(np.random.SeedSequence(5)))
    a, b = (atmospheres.random(s, Nspace=SMALL) for s in seeds)
    np.testing.assert_array_equal(a.temperature, b.temperature)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_every_random_atmosphere_is_a_star_in_hydrostatic_equilibrium(kind, seed):
    atmos = atmospheres.random(seed, kind=kind, Nspace=32)
    atmospheres.validate(atmos)
    assert atmos.Nspace == 32
    T = np.asarray(atmos.temperature)
    assert 2600.0 <= T.min()
    assert T.max() <= 1.01e5
    assert np.all(np.asarray(atmos.vturb) >= 0.0)
    # P = g m, within what molecules and helium's second ionisation take from the ideal gas: the
    # pressure recovered from the densities rises inwards as the column mass between the depths.
    P = gas_pressure(atmos)
    assert np.all(np.diff(P) > 0.0)
    np.testing.assert_allclose(P[-1] - P[0], SOLAR_GRAVITY * column_mass(atmos)[-1], rtol=0.15)
    if kind == "isothermal":
        np.testing.assert_allclose(T, T[0])
    if kind == "chromosphere":
        assert T[0] > 1.9e4
        k = int(T.argmin())
        assert 0 < k < 31, "a temperature minimum inside"
    if kind in ("cool", "photosphere"):
        assert T.max() < 1.2e4


def test_the_family_draws_every_kind_and_size():
    drawn = [atmospheres.random(seed) for seed in range(40)]
    tops = np.array([a.temperature[0] for a in drawn])
    assert 0.25 < np.mean(tops > 1.9e4) < 0.75, "half have a transition region"
    sizes = np.array([a.Nspace for a in drawn])
    assert sizes.min() < 60
    assert sizes.max() > 180
    moving = np.mean([np.any(np.asarray(a.vz) != 0.0) for a in drawn])
    assert 0.15 < moving < 0.65


def test_moving_is_a_choice():
    assert np.all(np.asarray(atmospheres.random(1, moving=False, Nspace=SMALL).vz) == 0.0)
    assert np.std(atmospheres.random(1, moving=True, Nspace=SMALL).vz) > 10.0


def test_unknown_kind():
    with pytest.raises(UnknownNameError, match="chromosphere.*photosphere"):
        atmospheres.random(0, kind="corona")


# ---- units -----

ARRAYS = {
    "height": np.linspace(2e6, 0.0, 9),
    "temperature": np.linspace(8e3, 5e3, 9),
    "ne": np.geomspace(1e16, 1e19, 9),
    "nHTot": np.geomspace(1e17, 1e23, 9),
    "vturb": np.full(9, 1.5e3),
    "vlos": np.linspace(-2e3, 2e3, 9),
}
UNITS = {
    "height": (u.km, 1e-3),
    "temperature": (u.kK, 1e-3),
    "ne": (u.cm**-3, 1e-6),
    "nHTot": (u.cm**-3, 1e-6),
    "vturb": (u.km / u.s, 1e-3),
    "vlos": (u.cm / u.s, 1e2),
}
HOST = {"height": "z", "vlos": "vz"}


def test_quantities_in_any_unit_give_the_same_atmosphere():
    plain = atmospheres.from_arrays(**ARRAYS)
    with_units = atmospheres.from_arrays(
        **{k: v * UNITS[k][1] * UNITS[k][0] for k, v in ARRAYS.items()}
    )
    for name, value in ARRAYS.items():
        got = np.asarray(getattr(with_units, HOST.get(name, name)))
        np.testing.assert_allclose(got, getattr(plain, HOST.get(name, name)), rtol=1e-13)
        np.testing.assert_allclose(got, value, rtol=1e-13)


def test_isothermal_takes_quantities():
    a = atmospheres.isothermal(
        5.5 * u.kK, 8, (1e-5 * u.g / u.cm**2, 8.0 * u.g / u.cm**2), 1.0 * u.km / u.s
    )
    b = atmospheres.isothermal(5500.0, 8, (1e-4, 80.0), 1e3)
    np.testing.assert_allclose(a.ne, b.ne, rtol=1e-12)
    np.testing.assert_allclose(a.vturb, b.vturb, rtol=1e-12)


def test_a_view_with_units():
    view = atmospheres.isothermal(Nspace=5).unit_view()
    assert view.temperature.unit == u.K
    assert view.ne.unit.is_equivalent(u.m**-3)


def test_the_caller_keeps_its_arrays():
    mine = {k: v.copy() for k, v in ARRAYS.items()}
    atmos = atmospheres.from_arrays(**mine)
    atmos.temperature[:] = 1.0
    np.testing.assert_array_equal(mine["temperature"], ARRAYS["temperature"])


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.atmos"
    path.write_text((files("lw_rl.atmospheres") / "FALA.atmos").read_text())
    np.testing.assert_array_equal(atmospheres.read(path).z, atmospheres.load("FALA").z)
    assert atmospheres.read(str(path), SMALL).Nspace == SMALL
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-20]))
    with pytest.raises(AtmosphereError, match="mine.atmos cannot be read .* MULTI format"):
        atmospheres.read(path)
    with pytest.raises(AtmosphereError, match="none.atmos cannot be read"):
        atmospheres.read(tmp_path / "none.atmos")


# ---- refusals -----


@pytest.mark.parametrize("name", ["temperature", "ne", "nHTot"])
@given(depth=st.integers(0, 8), bad=st.sampled_from([np.nan, np.inf, -np.inf, -1.0, 0.0]))
def test_densities_and_temperatures_must_be_positive_and_finite(name, depth, bad):
    values = ARRAYS[name].copy()
    values[depth] = bad
    with pytest.raises(AtmosphereError, match=rf"{name} .*depth index {depth}$") as info:
        atmospheres.from_arrays(**{**ARRAYS, name: values})
    assert repr(np.float64(bad)) in str(info.value) or str(bad) in str(info.value)


@pytest.mark.parametrize("name", ["vturb", "vlos", "height"])
@given(depth=st.integers(0, 8), bad=st.sampled_from([np.nan, np.inf]))
def test_velocities_and_heights_must_be_finite(name, depth, bad):
    values = ARRAYS[name].copy()
    values[depth] = bad
    with pytest.raises(AtmosphereError, match=f"finite.*depth index {depth}$"):
        atmospheres.from_arrays(**{**ARRAYS, name: values})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("temperature", 2e9), ("ne", 2e30), ("nHTot", 2e30), ("vturb", 3e8), ("vlos", -3e8),
        ("height", 2e15),
        *((name, 9.969209968386869e36) for name in ("temperature", "ne", "nHTot", "vturb", "vlos")),
    ],
)  # fmt: skip
def test_what_no_atmosphere_holds_is_refused(name, bad):
    """The fill value of netCDF is a number like any other, unless there are upper limits."""
    values = ARRAYS[name].copy()
    values[0] = bad
    with pytest.raises(AtmosphereError, match=r"at depth index 0$"):
        atmospheres.from_arrays(**{**ARRAYS, name: values})


def test_the_electron_density_of_lte():
    falc = atmospheres.load("FALC")
    T, nH = np.asarray(falc.temperature), np.asarray(falc.nHTot)
    ne = atmospheres.lte_electron_density(T, nH)
    # Hydrogen is ionised at the top; metals alone give electrons at the temperature minimum.
    assert 1.0 < ne[0] / nH[0] < 1.25
    cool = int(np.argmin(T))
    assert 1e-5 < ne[cool] / nH[cool] < 1.5e-4
    # Where the model is in LTE, at the bottom, it is the model's.
    np.testing.assert_allclose(ne[-4:], np.asarray(falc.ne)[-4:], rtol=0.05)
    without = atmospheres.from_arrays(falc.z, T, None, nH)
    np.testing.assert_array_equal(without.ne, ne)
    with pytest.raises(AtmosphereError, match=r"temperature \[K\] must be positive"):
        atmospheres.from_arrays(falc.z, -T, None, nH)


def test_a_magnetic_field():
    N = ARRAYS["temperature"].size
    field = np.zeros((3, N))
    field[:, 0], field[:, 1] = (0.0, 0.0, -0.2), (0.1, 0.1, 0.0)
    atmos = atmospheres.from_arrays(**ARRAYS, magnetic=field * 1e4 * u.G)
    np.testing.assert_allclose(atmos.B[:3], [0.2, np.sqrt(0.02), 0.0])
    np.testing.assert_allclose(atmos.gammaB[:3], [np.pi, np.pi / 2.0, 0.0])
    np.testing.assert_allclose(atmos.chiB[1], np.pi / 4.0)
    assert atmospheres.from_arrays(**ARRAYS).B is None
    with pytest.raises(AtmosphereError, match=r"magnetic has shape \(9,\), expected \(3, 9\)"):
        atmospheres.from_arrays(**ARRAYS, magnetic=field[0])
    field[1, 4] = np.nan
    with pytest.raises(AtmosphereError, match=r"magnetic field \[T\] .* depth index 4"):
        atmospheres.from_arrays(**ARRAYS, magnetic=field)


def test_boundaries():
    atmos = atmospheres.from_arrays(**ARRAYS)
    assert isinstance(atmos.zLowerBc, lw.ThermalisedRadiation)
    assert isinstance(atmos.zUpperBc, lw.ZeroRadiation)
    mine = lw.ZeroRadiation()
    atmos = atmospheres.from_arrays(**ARRAYS, bottom=mine, top="thermalised")
    assert atmos.zLowerBc is mine and isinstance(atmos.zUpperBc, lw.ThermalisedRadiation)
    assert isinstance(atmospheres.resample(atmos, 12).zLowerBc, lw.ZeroRadiation)
    with pytest.raises(AtmosphereError, match="top is one of zero, thermalised.*got 'mirror'"):
        atmospheres.from_arrays(**ARRAYS, top="mirror")


def test_a_negative_microturbulence_is_refused():
    with pytest.raises(AtmosphereError, match="microturbulence.*-100.*depth index 3"):
        atmospheres.from_arrays(**{**ARRAYS, "vturb": np.where(np.arange(9) == 3, -100.0, 1e3)})


@pytest.mark.parametrize(("a", "b"), [(3, 4), (0, 8)])
def test_heights_must_decrease(a, b):
    z = ARRAYS["height"].copy()
    z[a], z[b] = z[b], z[a]
    with pytest.raises(
        AtmosphereError, match=rf"height z \[m\] must be strictly greater.*index {a}"
    ):
        atmospheres.from_arrays(**{**ARRAYS, "height": z})


def test_equal_heights_are_refused():
    z = ARRAYS["height"].copy()
    z[5] = z[4]
    with pytest.raises(AtmosphereError, match="depth index 4"):
        atmospheres.from_arrays(**{**ARRAYS, "height": z})


@pytest.mark.parametrize("name", ["temperature", "ne", "nHTot", "vturb", "vlos"])
def test_wrong_shapes(name):
    with pytest.raises(AtmosphereError, match=rf"{name} has shape \(8,\), expected \(9,\)"):
        atmospheres.from_arrays(**{**ARRAYS, name: ARRAYS[name][:-1]})


def test_a_height_grid_that_is_not_a_line():
    with pytest.raises(AtmosphereError, match=r"one-dimensional, got shape \(3, 3\)"):
        atmospheres.from_arrays(**{**ARRAYS, "height": ARRAYS["height"].reshape(3, 3)})


def test_too_few_depths():
    with pytest.raises(AtmosphereError, match="at least 3 depths, this one has 2"):
        atmospheres.from_arrays(**{k: v[:2] for k, v in ARRAYS.items()})


@pytest.mark.parametrize("name", ARRAYS)
def test_wrong_units(name):
    with pytest.raises(AtmosphereError, match=f"{name} must be convertible"):
        atmospheres.from_arrays(**{**ARRAYS, name: ARRAYS[name] * u.kg})


def test_what_is_not_a_number():
    with pytest.raises(AtmosphereError, match="temperature must be convertible"):
        atmospheres.from_arrays(**{**ARRAYS, "temperature": "hot"})


# ---- two dimensions ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", atmospheres.PLANE_KINDS)
def test_planes_are_valid_and_the_same_for_a_seed(kind):
    one, same, other = (atmospheres.slab_2d(kind, 21, 8, seed) for seed in (1, 1, 2))
    atmospheres.validate(one)
    assert np.array_equal(one.temperature, same.temperature)
    assert np.array_equal(one.nHTot, same.nHTot)
    if kind not in ("homogeneous", "prominence"):
        assert not np.array_equal(one.nHTot, other.nHTot)
        columns = np.reshape(one.nHTot, (21, 8))
        assert np.array_equal(columns[:, 0], columns[:, -1])
    assert np.any(one.vz) == (kind == "threads")


def test_a_plane_is_the_same_on_another_grid():
    coarse, fine = (atmospheres.slab_2d("smooth", N, M, 1) for N, M in ((21, 9), (41, 17)))
    there = np.reshape(fine.temperature, (41, 17))[::2, ::2]
    # Columns are resampled, fields are not.
    assert np.allclose(np.reshape(coarse.temperature, (21, 9))[3:], there[3:], rtol=0.05)


def test_the_sun_is_seen_from_above_its_surface_only_downwards():
    atmos = atmospheres.slab_2d("prominence", 11, 9)
    atmos.quadrature(3)

    class Spectrum:
        wavelength = np.array([393.0, 400.0])

    side = atmos.xLowerBc.compute_bc(atmos, Spectrum)
    assert side.shape == (2, len(atmos.xLowerBc.muz), 11)
    outward = np.asarray(atmos.xLowerBc.muz) > 0.17
    assert np.all(side[:, outward] > 0.0) and np.all(side[:, ~outward] == 0.0)
    assert atmos.zLowerBc.compute_bc(atmos, Spectrum).shape[2] == 9


def plane(**changes):
    given = {
        "height": np.array([2e6, 1e6, 0.0]), "x": np.array([0.0, 1e5, 2e5, 3e5]),
        **{name: np.full((3, 4), value) for name, value in
           (("temperature", 6e3), ("ne", 1e17), ("nHTot", 1e20), ("vturb", 1e3))},
    }  # fmt: skip
    return lw.Atmosphere.make_2d(**{**given, **changes})


def test_planes_that_the_host_would_not_take_are_refused_by_name():
    atmospheres.validate(plane())
    hotter = np.full((3, 4), 6e3)
    hotter[1, -1] = 7e3
    with pytest.raises(
        AtmosphereError, match="temperature is 6000 in the first and 7000 in the last"
    ):
        atmospheres.validate(plane(temperature=hotter))
    with pytest.raises(AtmosphereError, match=r"column x \[m\] must be strictly less"):
        atmospheres.validate(plane(x=np.array([0.0, 1e5, 1e5, 3e5])))
    with pytest.raises(AtmosphereError, match=r"height z \[m\] must be strictly greater"):
        atmospheres.validate(plane(height=np.array([1e6, 1e6, 0.0])))
    sides = {"xLowerBc": lw.ZeroRadiation(), "xUpperBc": lw.PeriodicRadiation()}
    with pytest.raises(AtmosphereError, match="sides are ZeroRadiation and PeriodicRadiation"):
        atmospheres.validate(plane(**sides))
    few = {name: np.full((3, 2), 1e17) for name in ("ne", "nHTot", "vturb")}
    with pytest.raises(AtmosphereError, match="at least 3 rows and 3 columns, this one has 3 x 2"):
        atmospheres.validate(plane(x=np.array([0.0, 1.0]), temperature=hotter[:, :2].copy(), **few))
    fast = np.full((3, 4), 4e8)
    with pytest.raises(AtmosphereError, match=r"velocity vx \[m s-1\]"):
        atmospheres.validate(plane(vx=fast))


def test_slabs_that_are_none_are_refused():
    with pytest.raises(UnknownNameError, match="smooth"):
        atmospheres.slab_2d("smoth")
    with pytest.raises(AtmosphereError, match="got 2 x 8"):
        atmospheres.slab_2d(Nz=2, Nx=8)
    with pytest.raises(AtmosphereError, match="width must be positive"):
        atmospheres.slab_2d(width=-1.0)

import numpy as np
from multilevel_helpers import problem

from lw_rl.host.adapter import Adapter
from lw_rl.host.equations import Equations


def test_entries_are_the_transitions_wavelengths():
    t = Equations(Adapter(problem("hydrogen"))).transfer
    assert t.start[-1] == t.emission.shape[1]
    for k in range(len(t.lower)):
        entries, places = t.entries(k), t.places(k)
        assert entries.stop - entries.start == places.stop - places.start
        assert 0 <= places.start and places.stop <= len(t.waves)


def test_other_emission_profiles_scale_what_upper_levels_do():
    t = Equations(Adapter(problem("hydrogen"))).transfer
    one = np.ones_like(t.emission)
    assert t.emitting(one) is t
    twice = t.emitting(2.0 * one)
    for name in ("emission", "stimulated", "down"):
        np.testing.assert_array_equal(getattr(twice, name), 2.0 * getattr(t, name))
    assert twice.absorption is t.absorption and twice.up is t.up

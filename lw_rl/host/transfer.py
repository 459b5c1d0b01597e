"""Lines and continua of the active atoms as plain arrays: what an operator is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Array, Integers

__all__ = ["Transfer"]


@dataclass(frozen=True)
class Transfer:
    """Lines and continua of the active atoms at the wavelengths where there are any.

    An *entry* is a transition at a wavelength. Entries are sorted by transition, those of one by
    wavelength, of which a transition has all from its first to its last.

    Attributes
    ----------
    height : Array
        Height of the depths, downwards [m], [Nspace]; in two dimensions of the rows.
    mu, weight : Array
        Cosines of the rays' angles and their weights, which sum to one, [Nray].
    waves : Array
        Indices of the wavelengths in the context's grid, [Nwave].
    planck : Array
        Planck function at the two lowest depths [J s-1 m-2 sr-1 Hz-1], [Nwave, 2]; in two
        dimensions `PlaneLight` has what enters.
    first_level, Nlevel : Array
        Of every atom, [Natom].
    charge : Array
        Electrons that an atom in every level has lost, [Nlevel].
    lower, upper : Array
        Levels of every transition, [Ntransition].
    multiple : Array
        Rate of stimulated emission over that of absorption [s-1 per s-1], [Ntransition, Nspace];
        NaN where that depends on the wavelength.
    inverse : Array
        The largest ratio over wavelengths of ``stimulated`` over ``absorption``,
        [Ntransition, Nspace].
    start : Array
        First entry of every transition and the number of entries, [Ntransition + 1].
    first : Array
        Place of every transition's first wavelength in `waves`, [Ntransition].
    emission, absorption, stimulated : Array
        See the module, [Nspace, Nentry].
    profile, emits : Array
        What a bundle of rays sees of a transition over the mean of all, [Nbundle, Nspace, Nentry],
        of its absorption and of its emission: these differ where emission profiles are those of
        the atoms' rest frame. At rest there is one bundle, all rays; else each ray is one inward
        and one outward.
    up, down : Array
        Rates of absorption and of stimulated emission per mean intensity, [Nspace, Nentry].
    """

    height: Array
    mu: Array
    weight: Array
    waves: Integers
    planck: Array
    first_level: Integers
    Nlevel: Integers
    charge: Integers
    lower: Integers
    upper: Integers
    multiple: Array
    inverse: Array
    start: Integers
    first: Integers
    emission: Array
    absorption: Array
    stimulated: Array
    profile: Array
    emits: Array
    up: Array
    down: Array

    def entries(self, transition: int) -> slice:
        """Return where a transition's entries are."""
        return slice(self.start[transition], self.start[transition + 1])

    def places(self, transition: int) -> slice:
        """Return where a transition's wavelengths are in `waves`."""
        first = self.first[transition]
        return slice(first, first + self.start[transition + 1] - self.start[transition])

    def emitting(self, scale: Array, emits: Array | None = None) -> Transfer:
        """Return it with what upper levels do times a factor, [Nspace, Nentry].

        Parameters
        ----------
        scale : Array
            The factor.
        emits : Array, optional
            What bundles see of that, where it is something else than of absorption.
        """
        if emits is None and np.all(scale == 1.0):
            return self
        scaled = {n: getattr(self, n) * scale for n in ("emission", "stimulated", "down")}
        return replace(self, emits=self.profile if emits is None else emits, **scaled)

"""References and solves that were computed once, on disk.

Every entry is a file of its own, named by a digest of everything that defines it, and written whole
or not at all: a benchmark that is interrupted goes on where it ended, and one that is repeated
computes only what is not known. What defines a problem is its recipe, the versions of the packages
that numbers depend on, and what the host makes of it: atmosphere, model atoms, LTE populations,
wavelengths, background. A solve is defined by that and by its scheme; where the scheme is one of
this package's own, which are still worked on, by the source of the rooms that solve as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection
from dataclasses import asdict, fields
from functools import cache
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import lightweaver as lw
import numpy as np

from ..arrays import Array
from ..errors import NoReferenceError
from ..files import Json, versions, write_atomically
from ..host.adapter import Adapter
from ..host.names import Named, entry
from ..policies.card import card_of
from ..problems import Problem
from ..schemes import Safeguarded
from .confirmed import Reference, confirmed_reference
from .peers import Peer
from .solves import PeerSolve

__all__ = ["Store", "default_folder", "fingerprint"]

#: Version of how references and solves are made, and of the layout of the files.
_FORMAT = 1
#: The rooms and modules that a solve goes through.
_SOLVING = (
    "accelerated_context.py", "certificate", "extrapolation.py", "host", "iterate.py", "norms.py",
    "operator", "policies", "resample.py", "schemes",
)  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def default_folder() -> Path:
    """Return the user's cache folder of this package: ``$XDG_CACHE_HOME/lw_rl/bench``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lw_rl" / "bench"


def fingerprint(problem: Problem, ctx: lw.Context) -> str:
    """Return a digest of everything that defines a problem.

    Parameters
    ----------
    problem : Problem
        Its recipe.
    ctx : lightweaver.Context
        What the host made of it, in LTE.
    """
    # Rays are among the arrays.
    recipe = {k: v for k, v in asdict(problem).items() if k not in ("name", "Nrays")}
    text = json.dumps([_FORMAT, recipe, versions()], sort_keys=True)
    digest = hashlib.sha256(text.encode())
    radset = Named(Named(entry(ctx.kwargs, "spect")).rad_set)
    digest.update(_plain_repr(radset.atoms))
    adapter = Adapter(ctx)
    arrays: list[Array] = [
        adapter.grid.height, *adapter.circumstances(), np.asarray(ctx.kwargs["atmos"].ne),
        np.asarray(ctx.kwargs["atmos"].muz), *adapter.lte_populations(),
        np.asarray(ctx.spect.wavelength), np.asarray(ctx.background.chi), adapter.scattering(),
    ]  # fmt: skip
    for values in arrays:
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()[:32]


def _plain_repr(thing: object) -> bytes:
    return _ADDRESS.sub("", repr(thing)).encode()


@cache
def source_of_the_package() -> bytes:
    """Return a digest of the source of the rooms that a solve goes through."""
    package, digest = Path(__file__).parents[1], hashlib.sha256()
    for name in _SOLVING:
        path = package / name
        for file in sorted(path.rglob("*.*")) if path.is_dir() else [path]:
            if file.suffix in (".py", ".json", ".safetensors"):
                digest.update(file.read_bytes())
    return digest.digest()


class Store:
    """Files of references and solves.

    Parameters
    ----------
    references, solves : path-like
        Folders of the two, which are made when something is to be kept.
    again : collection of str, optional
        Names of peers whose solves are made anew, known or not (default: none).
    """

    def __init__(
        self,
        references: str | os.PathLike[str],
        solves: str | os.PathLike[str],
        again: Collection[str] = (),
    ):
        self.references, self.solves = Path(references), Path(solves)
        self.again = frozenset(again)
        self._made: set[Path] = set()

    def reference(self, key: str, ctx: lw.Context, prd: bool) -> Reference:
        """Return the reference of a problem, computed if it is not known.

        Parameters
        ----------
        key : str
            The problem's :func:`fingerprint`.
        ctx : lightweaver.Context
            It is not changed.
        prd : bool
            As for :func:`lw_rl.benchmark.confirmed.confirmed_reference`.

        Raises
        ------
        NoReferenceError
            If there is none. That is kept as well.
        """
        path = self.references / f"{key}.npz"
        found = _load(path)
        if found is None:
            try:
                found = confirmed_reference(ctx, prd)
            except NoReferenceError as err:
                _save(path, message=np.array(str(err)))
                raise
            scalars = {f.name: getattr(found, f.name) for f in fields(Reference) if f.name != "n"}
            populations = {f"n{k}": n for k, n in enumerate(found.n)}
            _save(path, **{k: np.array(v) for k, v in scalars.items()}, **populations)
        if isinstance(found, str):
            raise NoReferenceError(found)
        return found

    def known(self, key: str, peer: Peer) -> PeerSolve | None:
        """Return a solve of a problem by a peer, None if it is not known or to be made anew."""
        path = self._solve(key, peer)
        if peer.name in self.again and path not in self._made:
            return None
        try:
            values = json.loads(path.read_bytes())
            tuples = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
            return PeerSolve(**{**values, **tuples})
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, key: str, peer: Peer, solve: PeerSolve) -> None:
        """Keep a solve."""
        path = self._solve(key, peer)
        self._made.add(path)
        write_atomically(path, json.dumps(asdict(solve)).encode())

    def _solve(self, key: str, peer: Peer) -> Path:
        defined: Json = {f.name: getattr(peer, f.name) for f in fields(Peer)}
        digest = hashlib.sha256(key.encode() + _plain_repr(defined))
        if isinstance(peer.scheme, Safeguarded) and peer.scheme.abilities.policy is not None:
            digest.update(str(card_of(peer.scheme.abilities.policy).get("sha256")).encode())
        if peer.own:
            digest.update(source_of_the_package())
        return self.solves / f"{digest.hexdigest()[:32]}.json"


def _save(path: Path, **values: Array) -> None:
    buffer = BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **values)
    write_atomically(path, buffer.getvalue())


def _load(path: Path) -> Reference | str | None:
    """Return a kept reference, why there is none, or None where nothing can be read."""
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as file:
            values = {name: file[name] for name in file.files}
        if "message" in values:
            return str(values["message"])
        n = tuple(values.pop(f"n{k}") for k in range(len([v for v in values if v[1:].isdigit()])))
        return Reference(n=n, **{k: float(v) for k, v in values.items()})
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile):
        return None

"""Solve a cube: read it, open its output, and run over the blocks that the output lacks."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import astropy.units as u
import numpy as np
import xarray as xr
from distributed import Client
from lightweaver.atomic_model import AtomicModel

from .. import atoms as ready_made
from ..errors import CubeSettingsError
from ..policies.base import PolicyLike, make_policy
from ..schemes import make_scheme
from .cluster import connect, policy_id
from .column import Workshop
from .given import GivenPopulations
from .learn import LearningSchedule
from .lines import AtomLike, named_atoms
from .progress import Listener, Progress, progress_of
from .run import CubeRun
from .settings import DATASET, CubeSettings, Start
from .source import Source
from .store import Output

__all__ = ["Progress", "solve"]

#: Schemes that ask a policy.
_WITH_POLICY = ("depthwise", "sigmoid")


def solve(
    data: str | os.PathLike[str] | xr.Dataset,
    out: str | os.PathLike[str] | None = None,
    line: str = "CaII_K",
    *,
    atoms: AtomLike | Sequence[AtomLike] = (),
    lines: str | Sequence[str] = (),
    wavelengths: Any = (),
    policy: PolicyLike = "default",
    client: Client | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    block: tuple[int, int] | None = None,
    learning: LearningSchedule | None = None,
    interval: float = 1.0,
    listener: Listener | None = None,
    on_connect: Callable[[Client], None] | None = None,
    **settings: Any,
) -> xr.Dataset:
    """Solve every column of a cube by itself (1.5D), or what is missing of it.

    The same call goes on where an earlier one was interrupted, however that happened, and does
    nothing where everything is done.

    Parameters
    ----------
    data : path-like or xarray.Dataset
        The cube (`lw_rl.cube.source`).
    out : path-like, optional
        The output, a zarr (default: none; what is returned is then in memory, and nothing is kept
        that could be gone on with).
    line : str, optional
        The line of a two-level atom: a name, or ion and wavelength, ``"CaII 8542"`` (default:
        ``"CaII_K"``). Not looked at where `atoms` or `lines` are given.
    atoms : str, AtomicModel, or sequence of these, optional
        The active atoms, solved together: names (`lw_rl.atoms.known`) or models of one's own.
    lines : str or sequence of str, optional
        The lines whose light is kept (default: all of `atoms`); without `atoms`, those are solved
        that the lines belong to, with all their levels.
    wavelengths : array_like or Quantity, optional
        Vacuum wavelengths to keep the light at in the place of the lines' own [nm], shape [Nwave].
    policy : str, path-like or Policy, optional
        As for :func:`lw_rl.solve`; it is sent to the workers.
    client, scheduler, workers : optional
        The Dask cluster (`lw_rl.cube.cluster.connect`).
    block : tuple of int, optional
        Columns of a block in x and y (`lw_rl.cube.window.block_shape`).
    learning : LearningSchedule, optional
        When the policy is fine-tuned on the columns solved so far, unless ``frozen=True``.
    interval : float, optional
        Seconds between two looks at the cluster and at the fine-tuning (default: 1).
    listener : callable, optional
        Called with a :class:`Progress` as the run goes on.
    on_connect : callable, optional
        Called with the client once there is one.
    **settings
        The others of :class:`lw_rl.cube.settings.CubeSettings`; `start` may be a dataset of
        populations too (`lw_rl.cube.given`).

    Returns
    -------
    dataset : xarray.Dataset
        The output, opened lazily where it is on disk.

    Raises
    ------
    CubeInputError, CubeSettingsError, CubeOutputError, ContextError, UnknownNameError, \
    UnusedPolicyError, PolicyFileError
        Before any work.
    ClusterError
        If there is no cluster, its versions differ, or it is lost. What was solved is kept.
    """
    if out is None:
        given = dict(
            atoms=atoms, lines=lines, wavelengths=wavelengths, policy=policy, client=client,
            scheduler=scheduler, workers=workers, block=block, learning=learning,
            interval=interval, listener=listener, on_connect=on_connect, **settings,
        )  # fmt: skip
        with TemporaryDirectory(prefix="lw_rl-cube-") as folder:
            return solve(data, Path(folder) / "out.zarr", line, **given).load()
    source = Source(data, magnetic=bool(settings.get("stokes", False)))
    scheme = settings.get("scheme", CubeSettings.scheme)
    actor = make_policy(policy) if scheme in _WITH_POLICY else None
    if actor is None:
        # Refuses a policy that the scheme does not ask.
        make_scheme(scheme, policy)
    populations = None
    if isinstance(settings.get("start"), xr.Dataset):
        populations, settings["start"] = settings["start"], DATASET
    names, models = named_atoms([atoms] if isinstance(atoms, str | AtomicModel) else atoms)
    if len(names) == 1 and names[0] in ready_made.known_lines() and not len(lines):
        # The same settings, however they are written.
        line, names = names[0], ()
    kept = (lines,) if isinstance(lines, str) else tuple(lines)
    chosen = CubeSettings(
        line=line if not (names or len(lines)) else "",
        atoms=names,
        lines=kept,
        wavelengths=_nanometres(wavelengths),
        policy=policy_id(actor),
        **settings,
    )
    shop = Workshop(chosen, models=models)
    begin = None
    if chosen.start not in get_args(Start):
        begin = GivenPopulations(
            chosen.start if populations is None else populations, source, shop.elements
        )
    attrs = {"policy_card": getattr(actor, "card", {}), "line_centre_nm": shop.line_centre}
    output = Output(
        out, source, chosen, shop.wavelength, block, attrs, levels=shop.levels, lines=shop.lines
    )
    try:
        if output.pending():
            with connect(client, scheduler, workers) as found:
                if on_connect is not None:
                    on_connect(found)
                run = CubeRun(
                    found, source, output, actor, learning, interval, listener, models, begin
                )
                run.finish()
        elif listener is not None:
            listener(progress_of(output))
        return output.dataset()
    finally:
        output.close()


def _nanometres(wavelengths: Any) -> tuple[float, ...]:
    """Return wavelengths as numbers in nanometres; bare numbers are taken to be that already."""
    try:
        given = np.atleast_1d(u.Quantity(wavelengths, u.nm).value)
    except (u.UnitConversionError, TypeError, ValueError) as err:
        raise CubeSettingsError(f"wavelengths must be convertible to nm: {err}") from err
    return tuple(map(float, given)) if given.ndim == 1 else ()

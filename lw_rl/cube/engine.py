"""Solve a cube: read it, open its output, and run over the blocks that the output lacks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import xarray as xr
from distributed import Client

from ..policies.base import PolicyLike, make_policy
from ..schemes import make_scheme
from .cluster import connect, policy_id
from .column import Workshop
from .learn import LearningSchedule
from .progress import Listener, Progress, progress_of
from .run import CubeRun
from .settings import CubeSettings
from .source import Source
from .store import Output

__all__ = ["Progress", "solve"]

#: Schemes that ask a policy.
_WITH_POLICY = ("depthwise", "sigmoid")


def solve(
    data: str | os.PathLike[str] | xr.Dataset,
    out: str | os.PathLike[str],
    line: str = "CaII_K",
    *,
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
    out : path-like
        The output, a zarr.
    line : str, optional
        The line (default: ``"CaII_K"``).
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
        The others of :class:`lw_rl.cube.settings.CubeSettings`.

    Returns
    -------
    dataset : xarray.Dataset
        The output, opened lazily.

    Raises
    ------
    CubeInputError, CubeSettingsError, CubeOutputError, UnknownNameError, UnusedPolicyError, \
    PolicyFileError
        Before any work.
    ClusterError
        If there is no cluster, its versions differ, or it is lost. What was solved is kept.
    """
    source = Source(data)
    scheme = settings.get("scheme", CubeSettings.scheme)
    actor = make_policy(policy) if scheme in _WITH_POLICY else None
    if actor is None:
        # Refuses a policy that the scheme does not ask.
        make_scheme(scheme, policy)
    chosen = CubeSettings(line=line, policy=policy_id(actor), **settings)
    shop = Workshop(chosen)
    attrs = {"policy_card": getattr(actor, "card", {}), "line_centre_nm": shop.line_centre}
    output = Output(out, source, chosen, shop.wavelength, block, attrs)
    try:
        if output.pending():
            with connect(client, scheduler, workers) as found:
                if on_connect is not None:
                    on_connect(found)
                CubeRun(found, source, output, actor, learning, interval, listener).finish()
        elif listener is not None:
            listener(progress_of(output))
        return output.dataset()
    finally:
        output.close()

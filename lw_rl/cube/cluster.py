"""The Dask cluster that a cube is solved on: a local one, or one that is there already."""

from __future__ import annotations

import hashlib
import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cloudpickle
import dask
from distributed import Client, LocalCluster, Worker

from ..errors import ClusterError
from ..policies.actor import Actor
from ..policies.base import Policy
from .block import mismatch, required_versions

__all__ = ["check_versions", "connect", "dask_setup", "policy_id"]


@contextmanager
def connect(
    client: Client | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    timeout: float = 10.0,
) -> Iterator[Client]:
    """Give a client of a Dask cluster whose workers have the client's versions.

    Parameters
    ----------
    client : distributed.Client, optional
        Used as it is and left open.
    scheduler : str, optional
        Address of a running scheduler, e.g. ``tcp://host:8786``, or path of the file that
        ``dask scheduler --scheduler-file`` writes.
    workers : int, optional
        Processes of a local cluster, if neither is given (default: one for every core).
    timeout : float, optional
        Seconds after which a scheduler that does not answer is taken not to be there (default: 10).

    Raises
    ------
    ClusterError
        If there is no scheduler, the client cannot be used, a worker has another version of lw_rl,
        or no local processes can be started.
    """
    if workers is not None and workers < 1:
        raise ClusterError(f"a local cluster needs at least one worker, got workers={workers!r}")
    if client is not None:
        if client.asynchronous:
            raise ClusterError("the client is asynchronous; make one without asynchronous=True")
        if client.status != "running":
            raise ClusterError(
                f"the client is {client.status}: it has lost its scheduler or was closed"
            )
        check_versions(client)
        yield client
        return
    if scheduler is not None:
        with _client_of(scheduler, timeout) as found:
            check_versions(found)
            yield found
        return
    settings = {
        # The host's advice on tuning comes once for every process; the client gives it already.
        "distributed.nanny.pre-spawn-environ.PYTHONWARNINGS": "ignore:No config file found",
        # Dask looks at what its workers do a hundred times a second: a tenth of their time.
        "distributed.worker.profile.enabled": False,
    }
    with warnings.catch_warnings(), dask.config.set(settings):
        # A port of the dashboard that is in use is replaced by a free one; the link says which.
        warnings.filterwarnings(
            "ignore", message=".*Port .* is already in use", module="distributed"
        )
        try:
            cluster = LocalCluster(
                n_workers=workers or os.cpu_count(),
                threads_per_worker=1,
                processes=True,
                # What dies or is cancelled is reported by the run.
                silence_logs=logging.CRITICAL,
                # A terminal's Ctrl-C goes to every process; ending the workers is the client's.
                preload=[__name__],
            )
        except (RuntimeError, OSError, TimeoutError) as err:
            raise ClusterError(
                f"the processes of a local cluster could not be started ({err}). In a script, the "
                "call belongs under `if __name__ == '__main__':`, since each of them imports it"
            ) from err
    with cluster, Client(cluster) as local:
        yield local


def dask_setup(worker: Worker) -> None:
    """Let a worker process of a local cluster go on at Ctrl-C, as Dask's hook for preloads."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _client_of(scheduler: str, timeout: float) -> Client:
    try:
        if "://" not in scheduler and os.path.exists(scheduler):
            return Client(scheduler_file=scheduler, timeout=timeout)
        return Client(scheduler, timeout=timeout)
    except Exception as err:  # no scheduler, no address, no scheduler's file: each has its own
        why = str(err) or type(err).__name__
        raise ClusterError(
            f"there is no Dask scheduler at {scheduler!r}, waited {timeout:g} s ({why}); start one "
            "with `dask scheduler`, or leave --scheduler out for a local cluster"
        ) from err


def check_versions(client: Client) -> None:
    """Check that every worker has the client's versions of lw_rl and Lightweaver.

    Workers that join later check themselves, with every block.

    Raises
    ------
    ClusterError
        If one has not; the message names worker and versions.
    """
    ours = required_versions()
    answers = client.run(required_versions, on_error="return")
    broken = {name: a for name, a in answers.items() if isinstance(a, BaseException)}
    if broken:
        name, err = next(iter(broken.items()))
        raise ClusterError(
            f"worker {name} cannot import lw_rl.cube ({type(err).__name__}: {err}); install "
            "'lw-rl[cube]' in the workers' environment"
        )
    other = {name: a for name, a in answers.items() if a != ours}
    if other:
        raise ClusterError(mismatch(other, ours))


def policy_id(policy: Policy | None) -> str:
    """Return a policy's name and a digest of what it does."""
    if policy is None:
        return "none"
    if isinstance(policy, Actor) and "sha256" in policy.card:
        return f"{policy.name} {policy.card['sha256'][:16]}"
    digest = hashlib.sha256(cloudpickle.dumps(policy)).hexdigest()
    return f"{type(policy).__name__} {digest[:16]}"

"""Solve a cube on Dask: a bounded number of blocks in flight, each committed as it comes back."""

from __future__ import annotations

import os
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import Empty, Queue
from time import monotonic
from typing import Any

import numpy as np
import xarray as xr
from distributed import CancelledError, Client, Future, KilledWorker

from ..errors import ClusterError, LwRlError
from ..schemes import make_policy
from .block import Order, lost, solve_block, versions
from .cluster import connect, policy_id
from .column import OUTCOMES, Workshop
from .learn import Learner
from .settings import Settings
from .source import Columns, Source, Window
from .store import Output

Array = np.ndarray

#: Blocks in flight for every thread of the workers: one to solve, one to go on with at once.
_AHEAD = 2
#: Seconds between two looks at the state of the cluster.
_TICK = 1.0
#: Seconds that a finished block may take to arrive.
_ARRIVAL = 120.0
#: Times that a block is sent anew before the cluster is given up.
_RESENDS = 10
#: Schemes that ask a policy.
_WITH_POLICY = ("depthwise", "sigmoid")


@dataclass
class Progress:
    """How far a cube is.

    Attributes
    ----------
    columns, total, failed : int
        Columns done, of how many, and how many of those failed.
    already : int
        Columns that were there when the run began.
    Nformal : int
        Formal solutions of the columns that converged.
    version : int
        Version of the policy that is sent out.
    workers : int
        Threads of the workers at the last look.
    in_flight : int
        Blocks sent and not back.
    note : str
        What happened last that is out of the ordinary.
    """

    columns: int = 0
    total: int = 0
    failed: int = 0
    already: int = 0
    Nformal: int = 0
    version: int = 0
    workers: int = 0
    in_flight: int = 0
    note: str = ""

    @property
    def mean_Nformal(self) -> float:  # noqa: N802 (the count's name)
        """Formal solutions per converged column."""
        converged = self.columns - self.failed
        return self.Nformal / converged if converged else float("nan")


Listener = Callable[[Progress], None]


def solve(
    data: str | os.PathLike[str] | xr.Dataset,
    out: str | os.PathLike[str],
    line: str = "CaII_K",
    *,
    policy: Any = "default",
    client: Client | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    block: tuple[int, int] | None = None,
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
    policy : str, path-like or object, optional
        As for :func:`lw_rl.solve`; it is sent to the workers.
    client, scheduler, workers : optional
        The Dask cluster (`lw_rl.cube.cluster.connect`).
    block : tuple of int, optional
        Columns of a block in x and y (`lw_rl.cube.store.block_shape`).
    listener : callable, optional
        Called with a :class:`Progress` as the run goes on.
    on_connect : callable, optional
        Called with the client once there is one.
    **settings
        The others of :class:`lw_rl.cube.settings.Settings`.

    Returns
    -------
    dataset : xarray.Dataset
        The output, opened lazily.

    Raises
    ------
    CubeInputError, CubeSettingsError, CubeOutputError, UnknownNameError, PolicyFileError
        Before any work.
    ClusterError
        If there is no cluster, its versions differ, or it is lost. What was solved is kept.
    """
    source = Source(data)
    known = settings.get("scheme", Settings.scheme)
    actor = make_policy(policy) if known in _WITH_POLICY else None
    chosen = Settings(line=line, policy=policy_id(actor), **settings)
    shop = Workshop(chosen)
    output = Output(
        out,
        source,
        chosen,
        shop.wavelength,
        block,
        {"policy_card": getattr(actor, "card", {}), "line_centre_nm": shop.line_centre},
    )
    try:
        if output.pending():
            with connect(client, scheduler, workers) as found:
                if on_connect is not None:
                    on_connect(found)
                Run(found, source, output, actor, listener).finish()
        elif listener is not None:
            listener(_progress(output))
        return output.dataset()
    finally:
        output.close()


def _progress(output: Output) -> Progress:
    done, failed, Nformal = output.totals()
    total = Output.columns(output.windows)
    return Progress(columns=done, total=total, failed=failed, already=done, Nformal=Nformal)


@dataclass(frozen=True)
class Sent:
    """A block, or one column of it, that a worker has, and how often it was sent before."""

    window: Window
    order: Order
    column: int | None = None
    before: int = 0


class Run:
    """One run over the blocks that an output lacks.

    Parameters
    ----------
    client : distributed.Client
    source : Source
    output : Output
    policy : object or None
        The policy that the run begins with.
    listener : callable, optional
        Called with a :class:`Progress`.
    """

    def __init__(
        self,
        client: Client,
        source: Source,
        output: Output,
        policy: Any,
        listener: Listener | None = None,
    ):
        self.client, self.source, self.output = client, source, output
        self.progress = _progress(output)
        self._listener = listener or (lambda progress: None)
        self._waiting = deque(output.pending())
        self._sent: dict[Future, Sent] = {}
        self._finished: Queue[Future] = Queue()
        #: Columns of blocks that were with workers when they died, and what came of them.
        self._suspects: deque[tuple[Window, Columns, int]] = deque()
        self._parts: dict[Window, dict[int, dict[str, Array]]] = {}
        self._versions = versions()
        self._address = client.scheduler_info()["address"]
        # Keys of another run on the same scheduler must not be taken for these.
        self._name = f"lw_rl-{uuid.uuid4().hex[:8]}"
        self._sends = 0
        self._learner = None if output.settings.frozen else Learner(output, client, policy)
        version = 0 if self._learner is None else self._learner.version
        self._send_policy(policy if self._learner is None else self._learner.policy, version)

    # ---- sending ------------------------------------------------------------------------------

    def _send_policy(self, policy: Any, version: int) -> None:
        """Have the cluster hold a policy: once for each worker, whatever the number of blocks."""
        self.progress.version = version
        self._in_force = policy
        self._sends += 1
        # As the result of a task the policy can be had again when a worker that holds it dies;
        # scattered data cannot.
        self._policy = (
            None
            if policy is None
            else self.client.submit(_itself, policy, key=f"{self._name}-policy-{self._sends}")
        )

    def _submit(
        self, window: Window, columns: Columns, column: int | None = None, before: int = 0
    ) -> None:
        order = Order(
            columns=columns,
            shape=window.shape if column is None else (1, 1),
            settings=self.output.settings,
            version=self.progress.version,
            versions=self._versions,
            record=self._learner is not None,
        )
        self._sends += 1
        key = f"{self._name}-block-{self._sends}"
        future = self.client.submit(solve_block, order, self._policy, key=key)
        self._sent[future] = Sent(window, order, column, before)
        future.add_done_callback(self._finished.put)

    def _fill(self) -> None:
        """Send blocks until there is enough to do, and no more: this bounds everyone's memory."""
        limit = _AHEAD * max(self.progress.workers, 1)
        if self._suspects:
            # Alone in flight, so that no other column is blamed for what this one does.
            if not self._sent:
                self._submit(*self._suspects.popleft())
        else:
            while self._waiting and len(self._sent) < limit:
                window = self._waiting.popleft()
                self._submit(window, self.source.read(window))
        self.progress.in_flight = len(self._sent)

    # ---- the loop -----------------------------------------------------------------------------

    def finish(self) -> None:
        """Solve everything that is missing.

        Raises
        ------
        ClusterError
            If the cluster is lost; the blocks that came back before are kept.
        """
        looked = -np.inf
        try:
            while self._waiting or self._suspects or self._sent:
                if monotonic() - looked >= _TICK:
                    self._look()
                    looked = monotonic()
                self._fill()
                self._listener(self.progress)
                try:
                    future = self._finished.get(timeout=_TICK)
                except Empty:
                    continue
                self._receive(future)
        except LwRlError:
            raise
        except (OSError, TimeoutError, CancelledError) as err:
            # However the connection broke: what Dask raises then is not for the user.
            raise ClusterError(self._loss()) from err
        finally:
            if self._learner is not None:
                self._learner.close()
            self._forget()
        self._listener(self.progress)

    def _forget(self) -> None:
        """Take back what was sent and is not wanted any more."""
        if self._sent and not self._gone():
            self.client.cancel(list(self._sent), force=True)
        self._sent.clear()

    def _gone(self) -> bool:
        return self.client.status != "running"

    def _loss(self) -> str:
        done = self.progress.columns
        return (
            f"the Dask scheduler at {self._address} is gone. The {done} columns "
            "written so far are whole: with a scheduler running, the same command goes on from "
            "there"
        )

    def _look(self) -> None:
        """Look at the cluster: is it there, and how large is it."""
        if self._gone():
            raise ClusterError(self._loss())
        self.progress.workers = sum(self.client.nthreads().values())
        if self._learner is not None:
            learned = self._learner.look(self.progress.columns - self.progress.already)
            self.progress.note = self._learner.note
            if learned is not None:
                self._send_policy(learned, self._learner.version)
        elif self.progress.workers == 0:
            self.progress.note = "waiting for workers"
        else:
            self.progress.note = ""

    # ---- receiving ----------------------------------------------------------------------------

    def _receive(self, future: Future) -> None:
        sent = self._sent.pop(future)
        if future.status == "finished":
            try:
                values = future.result(timeout=_ARRIVAL)
            except (TimeoutError, CancelledError):
                # Its worker died with it, and no other has it yet.
                self._send_again(sent, "its result did not arrive")
            else:
                self._keep(sent, values)
        elif future.status == "error":
            self._failed(sent, future.exception())
        else:
            # Lost with its worker between its end and now; or taken back by the scheduler, as all
            # is when the connection broke for a moment.
            self._send_again(sent, f"it was {future.status}")

    def _failed(self, sent: Sent, err: BaseException | None) -> None:
        if isinstance(err, KilledWorker):
            if self._policy is not None and err.task == self._policy.key:
                self._send_again(sent, f"its policy was lost: {err}")
            else:
                self._take_apart(sent, err)
            return
        if isinstance(err, ClusterError):
            raise err
        raise ClusterError(
            f"block {sent.window} failed in its worker: {type(err).__name__}: {err}"
        ) from err

    def _send_again(self, sent: Sent, why: str) -> None:
        """Send a block that came to nothing again, with a policy that is sure to be there."""
        if self._gone():
            raise ClusterError(self._loss())
        if sent.before >= _RESENDS:
            raise ClusterError(
                f"block {sent.window} was sent to the cluster {sent.before + 1} times and came to "
                f"nothing each time, the last because {why}. What was solved is kept: the same "
                "command goes on from there"
            )
        self._send_policy(self._in_force, self.progress.version)
        self._submit(sent.window, sent.order.columns, sent.column, sent.before + 1)

    def _keep(self, sent: Sent, values: dict[str, Array]) -> None:
        if sent.column is not None:
            parts = self._parts[sent.window]
            parts[sent.column] = values
            nx, ny = sent.window.shape
            if len(parts) < nx * ny:
                return
            values = {
                name: np.concatenate([parts[k][name] for k in range(nx * ny)]) for name in values
            }
            del self._parts[sent.window]
        self.output.commit(sent.window, values)
        converged = values["outcome"] == OUTCOMES.index("converged")
        self.progress.columns += converged.size
        self.progress.failed += int(np.sum(~converged))
        self.progress.Nformal += int(values["formal_solutions"][converged].sum())

    def _take_apart(self, sent: Sent, err: KilledWorker) -> None:
        """Find the column on which workers die: the block is sent again, column by column."""
        if sent.column is not None:
            reason = f"every worker that was given this column died: {err}"
            self._keep(sent, lost(sent.order, reason, self.output.Nwave))
            return
        self._parts[sent.window] = {}
        columns = sent.order.columns
        for k in range(len(columns)):
            one = replace(columns, **{n: v[k : k + 1] for n, v in vars(columns).items()})
            self._suspects.append((sent.window, one, k))


def _itself(policy: Any) -> Any:
    return policy

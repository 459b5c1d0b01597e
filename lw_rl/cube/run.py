"""A run over a cube: a bounded number of blocks in flight, each committed as it comes back."""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from queue import Empty, Queue
from time import monotonic

import numpy as np
from distributed import CancelledError, Client, Future, KilledWorker
from lightweaver.atomic_model import AtomicModel

from ..errors import ClusterError, LwRlError
from ..policies.base import Policy
from .block import Order, lost, required_versions, solve_block
from .column import OUTCOMES
from .given import Given, GivenPopulations
from .layout import Values
from .learn import Learner, LearningSchedule
from .progress import Listener, progress_of
from .source import Columns, Source
from .store import Output
from .window import Window

__all__ = ["CubeRun"]

#: Blocks in flight for every thread of the workers: one to solve, one to go on with at once.
_AHEAD = 2
#: Seconds that a finished block may take to arrive.
_ARRIVAL = 120.0
#: Times that a block is sent again before the cluster is given up.
_RESENDS = 10


@dataclass(frozen=True)
class Sent:
    """A block, or one column of it, that a worker has, and how often it was sent before."""

    window: Window
    order: Order
    column: int | None = None
    before: int = 0


class CubeRun:
    """One run over the blocks that an output lacks.

    Parameters
    ----------
    client : distributed.Client
    source : Source
    output : Output
    policy : Policy or None
        The policy that the run begins with.
    learning : LearningSchedule, optional
        When the policy is fine-tuned, unless the output's settings say that it is frozen.
    interval : float, optional
        Seconds between two looks at the cluster and at the fine-tuning (default: 1).
    listener : callable, optional
        Called with a :class:`lw_rl.cube.progress.Progress`.
    models : mapping, optional
        The user's own models among the active atoms.
    given : GivenPopulations, optional
        Populations that the columns begin with.
    """

    def __init__(
        self,
        client: Client,
        source: Source,
        output: Output,
        policy: Policy | None,
        learning: LearningSchedule | None = None,
        interval: float = 1.0,
        listener: Listener | None = None,
        models: Mapping[str, AtomicModel] | None = None,
        given: GivenPopulations | None = None,
    ):
        self._models, self._given = dict(models or {}), given
        self.client, self.source, self.output = client, source, output
        self.interval = interval
        self.progress = progress_of(output)
        self._listener = listener or (lambda progress: None)
        self._waiting = deque(output.pending())
        self._sent: dict[Future, Sent] = {}
        self._finished: Queue[Future] = Queue()
        #: Columns of blocks that were with workers when they died, and what came of them.
        self._suspects: deque[tuple[Window, Columns, Given | None, int]] = deque()
        self._parts: dict[Window, dict[int, dict[str, Values]]] = {}
        self._versions = required_versions()
        self._address = client.scheduler_info()["address"]
        # Keys of another run on the same scheduler must not be taken for these.
        self._name = f"lw_rl-{uuid.uuid4().hex[:8]}"
        self._sends = 0
        if output.settings.frozen:
            self._learner = None
            self._send_policy(policy, 0)
        else:
            self._learner = Learner(output, client, policy, learning)
            self._send_policy(self._learner.policy, self._learner.version)

    # ---- sending ------------------------------------------------------------------------------

    def _send_policy(self, policy: Policy | None, version: int) -> None:
        """Have the cluster keep a policy: once for each worker, whatever the number of blocks."""
        self.progress.version = version
        self._in_force = policy
        self._sends += 1
        # As the result of a task the policy can be had again when a worker that has it dies;
        # scattered data cannot.
        self._policy = (
            None
            if policy is None
            else self.client.submit(_itself, policy, key=f"{self._name}-policy-{self._sends}")
        )

    def _submit(
        self,
        window: Window,
        columns: Columns,
        given: Given | None,
        column: int | None = None,
        before: int = 0,
    ) -> None:
        order = Order(
            columns=columns,
            shape=window.shape if column is None else (1, 1),
            settings=self.output.settings,
            version=self.progress.version,
            versions=self._versions,
            record=self._learner is not None and self._learner.able,
            models=self._models,
            given=given,
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
                given = None if self._given is None else self._given.read(window)
                self._submit(window, self.source.read(window), given)
        self.progress.in_flight = len(self._sent)

    # ---- the loop -----------------------------------------------------------------------------

    def finish(self) -> None:
        """Solve everything that is missing.

        Raises
        ------
        ClusterError
            If the cluster is lost; the blocks that came back before are kept.
        """
        looked, began = -np.inf, monotonic()
        try:
            while self._waiting or self._suspects or self._sent:
                if monotonic() - looked >= self.interval:
                    self._look()
                    looked = monotonic()
                self._fill()
                self.progress.seconds = monotonic() - began
                self._listener(self.progress)
                try:
                    future = self._finished.get(timeout=self.interval)
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
        self.progress.seconds = monotonic() - began
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
        order = sent.order
        self._submit(sent.window, order.columns, order.given, sent.column, sent.before + 1)

    def _keep(self, sent: Sent, values: dict[str, Values]) -> None:
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
            self._keep(sent, lost(sent.order, reason, self.output.Nwave, self.output.Nlevel))
            return
        self._parts[sent.window] = {}
        columns, given = sent.order.columns, sent.order.given
        for k in range(len(columns)):
            one = None if given is None else given.only(k)
            self._suspects.append((sent.window, columns.only(k), one, k))


def _itself(policy: Policy) -> Policy:
    return policy

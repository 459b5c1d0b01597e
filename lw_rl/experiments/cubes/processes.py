"""A Dask cluster of separate processes, to measure with and to kill: scheduler, workers, client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from ...errors import ClusterError

__all__ = ["Processes", "kill", "start_command"]

#: Seconds that a scheduler may take to appear.
_START = 180.0


class Processes:
    """A scheduler and workers, each a process of its own on this machine.

    Parameters
    ----------
    folder : Path
        Where the scheduler file and the logs go.
    workers : int, optional
        Number of workers (default: 2), one thread each, without nannies: one that is killed
        stays dead.
    environment : dict, optional
        Environment variables of the workers besides this process's.
    """

    def __init__(self, folder: Path, workers: int = 2, environment: dict[str, str] | None = None):
        self.folder = folder
        self._number = workers
        self._environment = {**os.environ, **(environment or {})}
        # As in a local cluster (`lw_rl.cube.cluster`).
        self._environment.setdefault("DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED", "False")
        self._environment.setdefault("PYTHONWARNINGS", "ignore:No config file found")
        # The package that is installed, not sources that happen to lie in the working directory.
        self._environment.setdefault("PYTHONSAFEPATH", "1")
        self._started = 0
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        self.file = folder / "scheduler.json"

    def __enter__(self) -> Processes:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start a scheduler and its workers.

        Raises
        ------
        ClusterError
            If the scheduler does not come up; the message says where its log is.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.unlink(missing_ok=True)
        self.scheduler = self._run(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"
        )
        deadline = time.monotonic() + _START
        while not (self.file.exists() and self.file.stat().st_size):
            if self.scheduler.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ClusterError(f"the Dask scheduler did not start; its log is in {self.folder}")
            time.sleep(0.05)
        for _ in range(self._number):
            self.add_worker()

    def add_worker(self) -> None:
        """Start one more worker."""
        # A worker that is left alone, its scheduler killed before it came up, ends itself.
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60")
        self.workers.append(self._run("dask_worker", *options))

    def _run(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        self._started += 1
        with open(self.folder / f"{module}_{self._started}.log", "wb") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", f"distributed.cli.{module}", *arguments),
                    *("--scheduler-file", str(self.file)),
                ],
                stdout=log,
                stderr=log,
                env=self._environment,
            )

    def kill_worker(self, number: int = 0) -> None:
        """Kill a worker, without a chance to say goodbye."""
        kill(self.workers.pop(number))

    def stop(self) -> None:
        """Kill whatever is still there."""
        for process in [*self.workers, self.scheduler]:
            if process is not None:
                kill(process)
        self.workers.clear()
        self.scheduler = None


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process (SIGKILL) and wait for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def start_command(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `lw-rl` with arguments as a process of its own, its output going to a file."""
    code = "from lw_rl.cli import main; main()"
    with open(log, "ab") as file:
        command = [sys.executable, "-P", "-c", code, *arguments]
        return subprocess.Popen(command, stdout=file, stderr=file)

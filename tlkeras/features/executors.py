"""Who runs the tasks of an extraction: processes of this machine, or Beam."""

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from tlkeras.data.parallel import ordered_map
from tlkeras.errors import GateError, InputError
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import ShardRecord, ShardTask
from tlkeras.processes import child_command, kill_tree, shared_environment

WORKER = "tlkeras.features.shard_worker"
# Of a worker within one command: two until its images are looked at one by
# one, and two more, for whatever else kills workers.
MAX_DEATHS = 4


class Executor(Protocol):
    """Runs tasks somewhere."""

    def run(
        self, bundle: Path, tasks: Sequence[ShardTask], folder: TaskFolder
    ) -> Iterator[ShardRecord]:
        """Yields the record of each task, once it is staged in the folder.

        Args:
            bundle: Directory of what workers compute with.
            tasks: To run, each at least once.
            folder: That all workers see.

        Raises:
            GateError: If a task could not be run; what others staged stays.
        """
        ...


class LocalProcesses:
    """Processes of this machine, each with one engine of one thread.

    Args:
        num_processes: At least 1.
    """

    def __init__(self, num_processes: int) -> None:
        self.num_processes = num_processes

    def run(
        self, bundle: Path, tasks: Sequence[ShardTask], folder: TaskFolder
    ) -> Iterator[ShardRecord]:
        """Yields records in the order of the tasks; see `Executor`."""
        count = min(self.num_processes, len(tasks))
        workers = [_Worker(bundle, folder, count) for _ in range(count)]
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in workers:
            idle.put(worker)

        def run_task(task: ShardTask) -> ShardRecord:
            worker = idle.get()
            try:
                return worker.run(task)
            finally:
                idle.put(worker)

        records = ordered_map(run_task, tasks, num_workers=count)
        try:
            yield from records
        finally:
            for worker in workers:
                worker.end()  # before its thread is waited for
            records.close()


class _Worker:
    """A process that runs one task at a time, and is replaced when it dies."""

    def __init__(self, bundle: Path, folder: TaskFolder, count: int) -> None:
        self.command = child_command(WORKER, str(bundle), str(folder.directory))
        self.log = folder.log
        self.environment = shared_environment(count)
        self._is_over = False
        self._lock = threading.Lock()  # none starts while it is ended
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, task: ShardTask) -> ShardRecord:
        for _ in range(MAX_DEATHS):
            answer = self._ask(task)
            if answer is not None:
                return self._read(answer)
            if self._is_over:
                break
        code = self._process.returncode if self._process else None
        raise GateError(
            f"A shard of {len(task.images)} images ended its worker "
            f"{MAX_DEATHS} times, last with exit code {code}; see "
            f"'{self.log}', then start the same command again."
        )

    def _ask(self, task: ShardTask) -> bytes | None:
        """Returns the worker's line; None if it died."""
        with self._lock:
            if self._is_over:
                return None
            if self._process is None or self._process.poll() is not None:
                self._start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(task.encode().encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:  # nobody reads, or it was ended
            answer = b""
        if answer.endswith(b"\n"):
            return answer
        process.wait()
        return None

    def _start(self) -> None:
        self._close_pipes()
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self.environment,
            )

    def _read(self, line: bytes) -> ShardRecord:
        answer: dict[str, Any] = json.loads(line)
        if "record" in answer:
            return ShardRecord.decode(answer["record"])
        if "input_error" in answer:
            raise InputError(answer["input_error"])
        raise GateError(
            f"A worker failed ({answer['error']}); see '{self.log}', then "
            "start the same command again, which goes on."
        )

    def end(self) -> None:
        with self._lock:
            self._is_over = True
        if self._process is not None:
            kill_tree(self._process.pid)
            self._process.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        process = self._process
        for pipe in (process.stdin, process.stdout) if process else ():
            # One that died is never told the rest of its task.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

"""A chief and its workers, by keras-tuner's own protocol and variables.

The chief holds the oracle and serves it; all share the work directory, on a
disk or in a store. A worker that died is started again under its own id, since
the chief keeps its trial for that id.
"""

import contextlib
import math
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus
from threadpoolctl import threadpool_limits

from tlkeras import remote_directory, workdir
from tlkeras.errors import GateError, InputError
from tlkeras.processes import kill_tree
from tlkeras.tuning.address import IP, PORT, TUNER, Address, read_address
from tlkeras.tuning.context import SearchContext
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.store.keras_tuner_private import (
    add_servicer,
    have_all_left,
)
from tlkeras.tuning.store.stored_oracle import StoredOracle
from tlkeras.tuning.trials.outcome import (
    read_outcomes,
    store_of,
    trial_folder,
)
from tlkeras.tuning.trials.watched_process import tlkeras_command

LOOK_SECONDS = 0.5
CLOCK_SECONDS = 10.0  # between uploads of the clock to a store
# What Kubernetes and others ask: gRPC Health Checking Protocol, v1.
HEALTH = "grpc.health.v1.Health"
SERVING = b"\x08\x01"  # HealthCheckResponse(status=SERVING)
# For workers to ask once more and hear that the search is over; one that died
# without a trial never does.
FAREWELL_SECONDS = 5.0
MAX_RESTARTS = 5  # of one worker without a trial ending in between


def lead_workers(context: SearchContext, table: LiveTable) -> None:
    """Serves the oracle until the search is over.

    With `tuning.workers` the workers are started here, else by hand.
    """
    address = read_address()
    tuning = context.plan.config.tuning
    if address is None:
        port = tuning.port or _free_port()
        address = Address("127.0.0.1", port, "chief")
    else:
        context.oracle.leave_to_holders(
            lambda name: not _ended_with_chief(name, tuning.workers)
        )
    remote_directory.commit(context.directory)  # workers read it there
    oracle = SharedOracle(context.oracle, context.directory)
    with _serve(oracle, address) as servicer:
        context.console.line(
            f"chief at {address.ip}:{address.port}; trials in {context.store}"
        )
        supervisor = Supervisor(context, address, tuning.workers)
        try:
            _watch(context, oracle, servicer, supervisor, table)
        finally:
            supervisor.stop()


def _ended_with_chief(tuner_id: str, count: int) -> bool:
    """Says whether a tuner was the chief's process, or one started by it."""
    own = "tuner|worker" if count else "tuner"
    return re.fullmatch(rf"({own})\d+", tuner_id) is not None


class SharedOracle:
    """An oracle whose workers find in a store what they hear of, and it them.

    Args:
        oracle: That is asked.
        directory: Of the search; a store's, or nothing travels.

    Attributes:
        error: What the store refused, or failed with, if it did: those who ask
            see no more than that the chief failed.
    """

    def __init__(self, oracle: StoredOracle, directory: Path) -> None:
        self.oracle = oracle
        self.directory = directory
        self.error: InputError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.oracle, name)

    def create_trial(self, tuner_id: str) -> Trial:
        """Returns a trial, which another chief would know of by then."""
        trial = self.oracle.create_trial(tuner_id)
        with self._keeping_errors():
            if trial.status == TrialStatus.RUNNING:
                self._commit(self.oracle.trial_file(trial.trial_id))
            elif trial.status == TrialStatus.STOPPED:
                self._commit(self.directory / workdir.SEARCH_CLOCK)
        return trial

    def end_trial(self, trial: Trial) -> None:
        """Notes that a trial has ended; its files are here before."""
        folder = trial_folder(store_of(self.directory), trial.trial_id)
        with self._keeping_errors():
            remote_directory.refresh(folder)
            self.oracle.end_trial(trial)
            self._commit(folder)

    def _commit(self, part: Path) -> None:
        """Uploads a part, and what the oracle says then.

        Nothing else: other trials may be written at by workers here.
        """
        remote_directory.commit_part(part)
        remote_directory.commit_part(self.oracle.state_file)

    @contextlib.contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            self.error = error
            raise


@contextlib.contextmanager
def _serve(oracle: Any, address: Address) -> Iterator[Any]:
    """Serves an oracle over gRPC, as keras-tuner's chief does.

    Unlike its `start_server` this one notices a port that is in use, and ends
    as soon as the last worker was told to stop.
    """
    import grpc

    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=1),
        options=[("grpc.so_reuseport", 0)],
    )
    servicer = add_servicer(oracle, server)
    # Answered by the oracle's own thread: one that hangs is not healthy.
    check = grpc.unary_unary_rpc_method_handler(lambda *_: SERVING)
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(HEALTH, {"Check": check})]
    )
    try:
        bound = server.add_insecure_port(f"{address.ip}:{address.port}")
    except RuntimeError:
        bound = 0
    if not bound:
        raise InputError(
            f"The port {address.port} of {address.ip} is in use, or no "
            "address of this machine; expected a free one: set "
            f"--config.tuning.port, or {PORT}."
        )
    server.start()
    try:
        # Proposals are small products, and the machine's cores are workers'.
        with threadpool_limits(1):
            yield servicer
    finally:
        server.stop(grace=1).wait()


def _watch(
    context: SearchContext,
    oracle: SharedOracle,
    servicer: Any,
    supervisor: "Supervisor",
    table: LiveTable,
) -> None:
    """Waits for the end, shows what has ended, keeps workers alive."""
    seen = {outcome.trial_id for outcome in read_outcomes(context.store)}
    leave_at = math.inf
    clock_at = 0.0
    while True:
        if oracle.error:
            raise oracle.error
        if time.monotonic() > clock_at:  # workers read their deadline there
            clock = context.directory / workdir.SEARCH_CLOCK
            remote_directory.commit_part(clock)
            clock_at = time.monotonic() + CLOCK_SECONDS
        for outcome in read_outcomes(context.store):
            if outcome.trial_id not in seen:
                seen.add(outcome.trial_id)
                table.end(outcome)
                supervisor.on_trial_end()
        is_over = servicer.stop_triggered or context.oracle.ended
        if is_over and not context.oracle.ongoing_trials:
            leave_at = min(leave_at, time.monotonic() + FAREWELL_SECONDS)
            if have_all_left(context.oracle) or time.monotonic() > leave_at:
                return
        supervisor.look()
        time.sleep(LOOK_SECONDS)


class Supervisor:
    """Keeps a number of workers alive on this machine.

    Args:
        context: Of the search.
        address: Of the chief.
        count: Workers; 0 leaves them to others.
    """

    def __init__(
        self, context: SearchContext, address: Address, count: int
    ) -> None:
        self.context = context
        self.address = address
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts = dict.fromkeys((f"worker{i}" for i in range(count)), 0)
        for name in self.restarts:
            self._start(name)

    def _start(self, name: str) -> None:
        directory = self.context.directory
        environment = {
            **os.environ,
            IP: self.address.ip,
            PORT: str(self.address.port),
            TUNER: name,
        }
        with open(self.context.store / f"{name}.log", "ab") as log:
            self.workers[name] = subprocess.Popen(
                tlkeras_command(
                    "tune",
                    f"--config={directory / workdir.GIVEN_CONFIG}",
                    f"--workdir={directory}",
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
            )

    def on_trial_end(self) -> None:
        """Forgets earlier restarts: the search moves."""
        self.restarts = dict.fromkeys(self.restarts, 0)

    def look(self) -> None:
        """Starts dead workers again, under their own ids.

        Raises:
            GateError: If one dies again and again.
        """
        for name, process in list(self.workers.items()):
            code = process.poll()
            if code is None:
                continue
            if code == 0:  # it was told that the search is over
                del self.workers[name]
                continue
            self.restarts[name] += 1
            if self.restarts[name] > MAX_RESTARTS:
                raise GateError(
                    f"The worker '{name}' ended {MAX_RESTARTS} times with exit "
                    f"code {code}; see '{self.context.store / name}.log'."
                )
            self.context.console.line(
                f"{name} ended with exit code {code}: started again"
            )
            self._start(name)

    def stop(self) -> None:
        """Lets the workers end by themselves, or ends them."""
        limit = time.monotonic() + 10
        for process in self.workers.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, limit - time.monotonic()))
            if process.poll() is None:
                kill_tree(process.pid)
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

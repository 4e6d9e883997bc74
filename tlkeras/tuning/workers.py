"""A chief and its workers, by keras-tuner's own protocol and variables.

The chief holds the oracle and serves it; a worker asks for a trial, runs it in
a process, and tells. All share the work directory. A worker that died is
started again under its own id, since the chief keeps its trial for that id.
"""

import contextlib
import dataclasses
import math
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.errors import GateError, InputError
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.search import (
    describe_trial,
    finish,
    store_of,
    tell,
    wait_for_trial,
)
from tlkeras.tuning.store.search_clock import is_search_over, read_deadline
from tlkeras.tuning.store.search_directory import require_search
from tlkeras.tuning.trials.outcome import read_outcomes
from tlkeras.tuning.trials.watched_process import child_command, kill_tree

if TYPE_CHECKING:
    from tlkeras.tuning.context import SearchContext
    from tlkeras.tuning.page.live_table import LiveTable

IP, PORT, TUNER = (
    "KERASTUNER_ORACLE_IP",
    "KERASTUNER_ORACLE_PORT",
    "KERASTUNER_TUNER_ID",
)
LOOK_SECONDS = 0.5
# For workers to ask once more and hear that the search is over; one that died
# without a trial never does.
FAREWELL_SECONDS = 5.0
MAX_RESTARTS = 5  # of one worker without a trial ending in between


@dataclasses.dataclass(frozen=True)
class Address:
    """Where the chief is, and who this process is.

    Attributes:
        ip: Of the chief.
        port: Of the chief.
        tuner_id: Of this process; one with `chief` in it is the chief.
    """

    ip: str
    port: int
    tuner_id: str

    @property
    def is_chief(self) -> bool:
        """Whether this process is the chief, by keras-tuner's own rule."""
        return "chief" in self.tuner_id


def read_address() -> Address | None:
    """Reads keras-tuner's variables; None where there are none.

    Raises:
        InputError: If some of them are missing, or the port is no port.
    """
    if IP not in os.environ:
        return None
    missing = [name for name in (PORT, TUNER) if not os.environ.get(name)]
    port = os.environ.get(PORT, "")
    if missing or not port.isdigit() or not 0 < int(port) < 65536:
        problem = f"{missing[0]} is missing" if missing else f"{PORT}={port}"
        raise InputError(
            f"{IP} is set, but {problem}; expected the chief's address, a port "
            f"and this process' id: set {IP}, {PORT} and {TUNER}."
        )
    return Address(os.environ[IP], int(port), os.environ[TUNER])


def require_processes(config: ConfigDict) -> None:
    """Chooses full mode, in which trials are processes, for a chief's search.

    Raises:
        InputError: If the config asks for codes mode.
    """
    if config.tuning.mode == "codes":
        raise InputError(
            f"{IP} is set, but tuning.mode is 'codes', which trains all heads "
            "in one process; expected trials for workers: set "
            f"--config.tuning.mode=full, or unset {IP}."
        )
    config.tuning.mode = "full"


def lead_workers(context: "SearchContext", table: "LiveTable") -> None:
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
    with _serve(context.oracle, address) as servicer:
        context.console.line(
            f"chief at {address.ip}:{address.port}; trials in {context.store}"
        )
        supervisor = Supervisor(context, address, tuning.workers)
        try:
            _watch(context, servicer, supervisor, table)
        finally:
            supervisor.stop()


def _ended_with_chief(tuner_id: str, count: int) -> bool:
    """Says whether a tuner was the chief's process, or one started by it."""
    own = "tuner|worker" if count else "tuner"
    return re.fullmatch(rf"({own})\d+", tuner_id) is not None


@contextlib.contextmanager
def _serve(oracle: Any, address: Address) -> Iterator[Any]:
    """Serves an oracle over gRPC, as keras-tuner's chief does.

    Unlike its `start_server` this one notices a port that is in use, and ends
    as soon as the last worker was told to stop.
    """
    import grpc
    from keras_tuner.src import protos
    from keras_tuner.src.distribute.oracle_chief import OracleServicer

    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=1),
        options=[("grpc.so_reuseport", 0)],
    )
    servicer = OracleServicer(oracle)
    protos.get_service_grpc().add_OracleServicer_to_server(servicer, server)
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
        yield servicer
    finally:
        server.stop(grace=1).wait()


def _watch(
    context: "SearchContext",
    servicer: Any,
    supervisor: "Supervisor",
    table: "LiveTable",
) -> None:
    """Waits for the end, shows what has ended, keeps workers alive."""
    from keras_tuner.src.distribute.oracle_chief import exit_chief

    seen = {outcome.trial_id for outcome in read_outcomes(context.store)}
    leave_at = math.inf
    while True:
        for outcome in read_outcomes(context.store):
            if outcome.trial_id not in seen:
                seen.add(outcome.trial_id)
                table.end(outcome)
                supervisor.on_trial_end()
        is_over = servicer.stop_triggered or context.oracle.ended
        if is_over and not context.oracle.ongoing_trials:
            leave_at = min(leave_at, time.monotonic() + FAREWELL_SECONDS)
            if exit_chief(context.oracle) or time.monotonic() > leave_at:
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
        self, context: "SearchContext", address: Address, count: int
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
                child_command(
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


def work(plan: SearchPlan, directory: Path, address: Address) -> int:
    """Runs trials of a chief until it has no more; returns how many.

    Args:
        plan: Of the search, made from the same config as the chief's.
        directory: Of the search, shared with the chief.
        address: Of the chief.

    Raises:
        InputError: If the directory is another search's, or not the chief's.
    """
    from keras_tuner.src.distribute.oracle_client import OracleClient

    from tlkeras.tuning.store.oracles import ORACLES
    from tlkeras.tuning.tune import make_runner

    local = ORACLES[plan.config.tuning.oracle](plan)
    client = OracleClient(local)
    if not (directory / workdir.SEARCH).exists():
        client.get_space()  # waits for the chief, who writes it
    require_search(directory, plan)
    run_trials = make_runner(plan, None)
    store = store_of(directory)
    count = 0
    # Asked of the directory first: the chief may have left.
    while not is_search_over(directory) and (
        trial := wait_for_trial(client, address.tuner_id)
    ):
        run_trials.limits = dataclasses.replace(
            run_trials.limits, deadline=read_deadline(directory)
        )
        asked = describe_trial(trial, store, plan.epochs)
        (outcome,) = finish([asked], run_trials)
        tell(client, trial, outcome)
        count += 1
    return count


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""Networks of a transferability study in several processes at once.

A step of a small network is many small operations that threads share badly:
two processes of one thread each take 2.5 times as many steps a second on two
cores as one of two threads.
"""

import contextlib
import os
import pickle
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tlkeras import devices, workdir
from tlkeras.errors import GateError
from tlkeras.processes import child_command, kill_tree, shared_environment
from tlkeras.studies.transfer_networks import Network
from tlkeras.studies.transfer_trainer import NetworkTrainer, Study

LOOK_SECONDS = 0.1
WORKER = "tlkeras.studies.transfer_worker"


def count_workers(study: Study) -> int:
    """Returns how many processes train a study: one a seed at most.

    Networks of a seed begin with one another's weights, and those of two seeds
    never do. Not what is missing counts, but the whole study: so one that goes
    on computes in as many threads as before.
    """
    if devices.accelerator_name() is not None:
        return 1
    cores = study.config.runtime.num_workers or os.cpu_count() or 1
    return min(cores, len({half.seed for half in study.halves}))


def train_here(
    trainer: NetworkTrainer, networks: Sequence[Network]
) -> Iterator[tuple[Network, float]]:
    """Trains networks one after the other; yields each with its seconds."""
    for network in networks:
        started = time.perf_counter()
        trainer.keep(network)
        yield network, time.perf_counter() - started


def train_in_workers(
    study: Study,
    trainer: NetworkTrainer,
    networks: Sequence[Network],
    count: int,
) -> Iterator[tuple[Network, float]]:
    """Trains networks in processes; yields each that is done, with seconds.

    Args:
        study: That the networks are of.
        trainer: Of it; only asked whether a network is done.
        networks: In an order that each process keeps.
        count: Of processes, from `count_workers`.

    Raises:
        GateError: If a process ends before its networks are done.
    """
    seeds = sorted({half.seed for half in study.halves})
    shares = [
        [n for n in networks if seeds.index(n.half.seed) % count == number]
        for number in range(count)
    ]
    log = study.directory / workdir.LOG
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(_working(study, share, count, log))
            for share in shares
        ]
        since = [time.perf_counter()] * count
        while any(shares):
            ended = [worker.poll() is not None for worker in workers]
            for number, share in enumerate(shares):
                while share and trainer.read(share[0]):
                    now = time.perf_counter()
                    yield share.pop(0), now - since[number]
                    since[number] = now
                if share and ended[number]:
                    raise GateError(
                        f"A process that trained '{share[0].name}' ended with "
                        f"exit code {workers[number].returncode}; see "
                        f"'{log}', then start the same command again."
                    )
            time.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def _working(
    study: Study, share: Sequence[Network], count: int, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts one of some processes with its networks; ends it in the end."""
    with open(log, "ab") as output:
        worker = subprocess.Popen(
            child_command(WORKER),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=shared_environment(count),
        )
    try:
        assert worker.stdin is not None
        # One that could not start is told of by its exit code.
        with contextlib.suppress(BrokenPipeError), worker.stdin as pipe:
            pickle.dump((study, share), pipe)
        yield worker
    finally:
        kill_tree(worker.pid)
        worker.wait()

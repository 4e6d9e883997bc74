"""Commands in processes forked from one that has imported the frameworks.

Importing TensorFlow costs more than most small commands. It is imported here,
but its context, with the threads that no fork survives, starts in the child.
"""

import contextlib
import dataclasses
import os
import pkgutil
import signal
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil

import tlkeras
from tlkeras.startup import import_frameworks

HANG_SECONDS = 600  # of a command that takes a minute at most
CHILD_SECONDS = 10  # that what a killed command started may take to end
TICK = 0.01


@dataclasses.dataclass(frozen=True)
class Kill:
    """When and how a command is ended.

    Attributes:
        after: Seconds from its start.
        number: Of the signal.
    """

    after: float
    number: int = signal.SIGKILL


@dataclasses.dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        code: Exit code, or minus the signal that ended it.
        seconds: That it took.
        text: What it printed.
        was_killed: Whether the signal came before its end.
        hung: Whether it was still there after `HANG_SECONDS`.
        survivors: Command lines of processes that it left behind.
    """

    code: int
    seconds: float
    text: str
    was_killed: bool
    hung: bool
    survivors: tuple[str, ...]


def import_all() -> None:
    """Imports the frameworks and every module of the product."""
    import_frameworks(lean=True)
    for module in pkgutil.walk_packages(tlkeras.__path__, "tlkeras."):
        import_module(module.name)


def run_command(
    arguments: Sequence[str],
    output: Path,
    environment: dict[str, str],
    kill: Kill | None = None,
) -> End:
    """Runs `tlkeras ARGUMENTS` in a fork, to its end or to its kill.

    Args:
        arguments: Command and flags.
        output: File for both streams, written over.
        environment: Variables that it has beside those here.
        kill: None lets it end.
    """
    sys.stdout.flush()
    started = time.monotonic()
    child = os.fork()
    if not child:
        _become(arguments, output, environment)
    process = psutil.Process(child)
    deadline = started + (kill.after if kill else HANG_SECONDS)
    ended = _wait(child, deadline)
    family = _family(process)
    hung = False
    if ended is None:
        os.kill(child, kill.number if kill else signal.SIGKILL)
        status = _wait(child, time.monotonic() + HANG_SECONDS)
        hung = kill is None or status is None
        if status is None:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    else:
        status = ended
    return End(
        code=os.waitstatus_to_exitcode(status),
        seconds=time.monotonic() - started,
        text=output.read_text("utf-8", "replace"),
        was_killed=ended is None and kill is not None,
        hung=hung,
        survivors=_end_survivors(family),
    )


def _become(
    arguments: Sequence[str], output: Path, environment: dict[str, str]
) -> None:
    """Turns this fork into the command; does not return."""
    code: Any = 70
    try:
        os.setsid()
        file = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.environ.update(environment)
        from tlkeras.cli.main import main

        try:
            main(["tlkeras", *arguments])
            code = 0
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            import traceback

            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def _wait(child: int, deadline: float) -> int | None:
    """Returns the status of a child that ended by then."""
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() >= deadline:
            return None
        time.sleep(TICK)


def _family(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _end_survivors(family: list[psutil.Process]) -> tuple[str, ...]:
    """Ends what is left of a command's children, and names it."""
    _, alive = psutil.wait_procs(family, timeout=CHILD_SECONDS)
    lines = []
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            lines.append(" ".join(process.cmdline())[:200])
            process.kill()
    return tuple(lines)

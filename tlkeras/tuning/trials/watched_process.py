"""A process with limits on its time and its resident memory.

Not RLIMIT_AS: frameworks reserve far more addresses than they ever use.
"""

import dataclasses
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tlkeras.processes import child_command, kill_tree, resident_bytes

LOOK_SECONDS = 0.1
MIB = 1024**2


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a process may use; None is no limit.

    Attributes:
        seconds: Wall clock.
        bytes: Resident memory, of the process and those it started.
        deadline: `time.monotonic()` at which it is ended.
    """

    seconds: float | None = None
    bytes: int | None = None
    deadline: float | None = None


@dataclasses.dataclass(frozen=True)
class ProcessEnd:
    """How a process ended.

    Attributes:
        code: Its exit code; negative for a signal.
        reason: Why it was ended from outside, or "".
        peak_bytes: Most resident memory that was seen.
    """

    code: int
    reason: str
    peak_bytes: int


def run_watched(
    command: Sequence[str],
    *,
    log: Path,
    limits: Limits,
    environment: Mapping[str, str] | None = None,
) -> ProcessEnd:
    """Runs a command to its end, or ends it when it passes a limit.

    Args:
        command: Program and arguments.
        log: File that its output is appended to.
        limits: Of time and memory.
        environment: Of the process; None = this one's.
    """
    started = time.monotonic()
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    peak, reason = 0, ""
    try:
        while process.poll() is None:
            used = resident_bytes(process.pid)
            peak = max(peak, used)
            reason = _passed(limits, time.monotonic() - started, used)
            if reason:
                kill_tree(process.pid)
                break
            time.sleep(LOOK_SECONDS)
    finally:
        if process.poll() is None:
            kill_tree(process.pid)
        code = process.wait()
    if not reason and code < 0:
        reason = f"killed by {signal.Signals(-code).name}"
    return ProcessEnd(code, reason, peak)


def tlkeras_command(*arguments: str) -> list[str]:
    """Returns what starts `tlkeras ARGUMENTS` so that it ends with us."""
    return child_command("tlkeras.cli.child", *arguments)


def _passed(limits: Limits, seconds: float, used: int) -> str:
    if limits.bytes is not None and used > limits.bytes:
        return (
            f"over memory: {used / MIB:.0f} MiB resident, the limit is "
            f"{limits.bytes / MIB:.0f} MiB"
        )
    if limits.seconds is not None and seconds > limits.seconds:
        return f"over time: the limit is {limits.seconds:g} s"
    if limits.deadline is not None and time.monotonic() > limits.deadline:
        return "the time of the search was up"
    return ""

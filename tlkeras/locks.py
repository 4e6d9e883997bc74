"""One process, or thread, at a time in a directory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tlkeras import workdir
from tlkeras.errors import InputError


@contextlib.contextmanager
def sole_use(
    directory: Path, *, who: str = "process", flag: str = "--workdir"
) -> Iterator[None]:
    """Keeps others out of a directory that there is, for as long as it takes.

    The system gives the lock back when the process ends, however it ends.

    Args:
        directory: To work in.
        who: Is kept out, in the error.
        flag: That names another directory.

    Raises:
        InputError: If somebody else has it.
    """
    lock = FileLock(directory / workdir.LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(
            f"Another {who} is at work in '{directory}'; expected one at a "
            f"time: wait for it, or choose another {flag}."
        ) from None
    try:
        yield
    finally:
        lock.release()

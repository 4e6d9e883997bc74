"""One process, or thread, at a time in a directory."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tlkeras import workdir
from tlkeras.errors import InputError


@contextlib.contextmanager
def own_directory(
    directory: Path, *, first: str, last: str, what: str
) -> Iterator[None]:
    """Creates a work directory and keeps others out of it meanwhile.

    What is finished is only read, and stays as it is: nobody is kept out.

    Args:
        directory: That may not exist.
        first: Name of the file with which work in it begins.
        last: Name of the file with which work in it ends.
        what: It holds then, e.g. `run`.

    Raises:
        InputError: If it holds other files, cannot be written, or somebody
            else has it.
    """
    if (directory / last).exists():
        yield
        return
    workdir.require_own(directory, first, what=what)
    workdir.make_directory(directory, what="work directory")
    with sole_use(directory):
        yield


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

"""One process, or thread, at a time in a directory."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from tlkeras import workdir
from tlkeras.console import warn
from tlkeras.errors import InputError

# Of file systems that know no locks, such as NFS without its daemon.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP)


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

    The system gives the lock back when the process ends, however it ends. On a
    file system without locks work goes on without one, and a line says so.

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
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        warn(
            f"The file system of '{directory}' knows no locks "
            f"({error.strerror}): see to it that one {who} at a time works "
            "there."
        )
    try:
        yield
    finally:
        lock.release()

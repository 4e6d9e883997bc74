"""`python -m tlkeras.cli.child PARENT COMMAND ...`: tlkeras, not orphaned.

Runs a command of the command line in a process that ends with its parent: a
trial whose search was killed must not go on in a directory that the search,
started again, gives to another process.
"""

import ctypes
import os
import signal
import sys
import threading
import time

import psutil

from tlkeras.cli.main import main

PR_SET_PDEATHSIG = 1  # of Linux' prctl
LOOK_SECONDS = 1


def end_with_parent(parent: int) -> None:
    """Ends this process when its parent ends.

    Linux' kernel does it, whatever the process is doing; elsewhere, and where
    a sandbox forbids that, a thread looks.

    Args:
        parent: Process id; if it has ended already, so does this process.
    """
    is_told = _ask_kernel()
    if not is_below(parent):
        os._exit(1)
    if not is_told:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _ask_kernel() -> bool:
    """Lets Linux kill this process after its parent; says whether it will."""
    if sys.platform != "linux":
        return False
    try:
        prctl = ctypes.CDLL(None).prctl
        return bool(prctl(PR_SET_PDEATHSIG, signal.SIGKILL) == 0)
    except (OSError, AttributeError):
        return False


def is_below(parent: int) -> bool:
    """Says whether a process still is this one's parent."""
    return os.getppid() == parent and psutil.pid_exists(parent)


def _watch(parent: int) -> None:
    while is_below(parent):
        time.sleep(LOOK_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    main(["tlkeras", *sys.argv[2:]])

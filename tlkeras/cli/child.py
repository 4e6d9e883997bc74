"""`python -m tlkeras.cli.child PARENT COMMAND ...`: tlkeras, not orphaned.

Runs a command of the command line in a process that ends with its parent: a
trial whose search was killed must not go on in a directory that the search,
started again, gives to another process.
"""

import ctypes
import os
import signal
import sys

from tlkeras.cli.main import main

PR_SET_PDEATHSIG = 1  # of Linux' prctl


def end_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when its parent ends.

    Args:
        parent: Process id; if it has ended already, so does this process.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    main(["tlkeras", *sys.argv[2:]])

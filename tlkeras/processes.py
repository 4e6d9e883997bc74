"""Processes below this one: that they end with it, and all of them."""

import ctypes
import os
import signal
import sys
import threading
import time

import psutil

PR_SET_PDEATHSIG = 1  # of Linux' prctl
LOOK_SECONDS = 1
# Of TensorFlow, in a process.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


def child_command(module: str, *arguments: str) -> list[str]:
    """Returns what runs a module with our process id and more arguments.

    Args:
        module: Calls `end_with_parent` with its first argument.
        arguments: After that.
    """
    return [sys.executable, "-m", module, str(os.getpid()), *arguments]


def shared_environment(count: int) -> dict[str, str]:
    """Returns the environment of one of some processes that share the cores.

    Args:
        count: Of the processes.
    """
    threads = str(max(1, (os.cpu_count() or 1) // count))
    return {**os.environ, **dict.fromkeys(THREADS, threads)}


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


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process and those below it."""
    total = 0
    for process in _tree(pid):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended in between
            continue
    return total


def kill_tree(pid: int) -> None:
    """Kills a process and those that it started."""
    for process in _tree(pid):
        try:
            process.kill()
        except psutil.Error:
            continue


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []

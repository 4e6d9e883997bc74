"""What a scan found out about files, kept so that the next reads what changed.

A file is the same if its size, both its times and its inode are: the time of
its last change (`ctime`) cannot be set back, so that other bytes under an old
date are seen. A record within a file is the same if the file is; what lies in a
store, if its size and etag are, or its time where there are no etags. Only what
is usable is remembered: what was wrong with a file may have been mended
elsewhere. Below the cache folder, one file a source; a convenience.
"""

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from tlkeras import workdir
from tlkeras.data.contents import file_of
from tlkeras.data.dataset import FileReport
from tlkeras.data.shared_folder import source_file
from tlkeras.errors import InputError
from tlkeras.remote import RemoteStamp

VERSION = 1  # of what a scan does, and of the file
# A file that changed so shortly before may change again within one tick of
# the file system's clock.
SETTLED_NS = 2_000_000_000

# Bytes; ns of both times; inode. Or what a store says.
Stamp = tuple[int, int, int, int] | RemoteStamp
Memory = Mapping[str, tuple[Stamp, FileReport]]


def stamp_of(path: str) -> Stamp | None:
    """Returns what changes with a file's bytes; None without the file."""
    try:
        stat = os.stat(file_of(path))
    except (OSError, ValueError):
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def memory_file(source: str, max_pixels: int) -> Path:
    """Returns where the scan of a source is kept.

    Args:
        source: As the user wrote it.
        max_pixels: Of an image; a scan with another limit is another one.
    """
    libraries = metadata.version("pillow")
    key = f"{VERSION}:{libraries}:{max_pixels}"
    return source_file("scans", source, key, ".jsonl")


def recall(path: Path) -> Memory:
    """Returns file -> stamp and report; empty where they cannot be read."""
    found = {}
    with contextlib.suppress(OSError, ValueError, TypeError, RecursionError):
        with open(path, encoding="ascii") as lines:
            for line in lines:
                file, stamp, digest, is_rotated, look, copy = json.loads(line)
                found[file] = (
                    tuple(stamp),
                    FileReport(digest, "", is_rotated, look, copy),
                )
        return found
    return {}


def find_known(
    memory: Memory, path: str, stamp: Stamp | None
) -> FileReport | None:
    """Returns what is remembered of a file, if it still is that file."""
    known = memory.get(path)
    if known is None or known[0] != stamp:
        return None
    report = known[1]
    if report.copy and not os.path.exists(report.copy):
        return None
    return report


def remember(
    path: Path, found: Iterable[tuple[str, Stamp | None, FileReport]]
) -> None:
    """Writes what a scan found; where that is impossible, nothing is.

    Args:
        path: From `memory_file`.
        found: (file, stamp before it was read, report) of all files.
    """
    now = time.time_ns()
    with contextlib.suppress(OSError, InputError):
        workdir.make_directory(path.parent, what="cache folder")
        workdir.remove_leftovers(path.parent, idle_seconds=workdir.DAY)
        with (
            workdir.replacing(path, durable=False) as temporary,
            open(temporary, "w", encoding="ascii") as lines,
        ):
            for file, stamp, report in found:
                if report.problem or stamp is None:
                    continue
                times = [n for n in stamp[1:3] if isinstance(n, int)]
                if now - max(times, default=0) > SETTLED_NS:
                    row = (
                        file,
                        stamp,
                        report.digest,
                        report.is_rotated,
                        report.look,
                        report.copy,
                    )
                    lines.write(json.dumps(row) + "\n")

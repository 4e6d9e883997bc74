"""Copies of remote images below the cache folder, by the hash of their bytes.

Each image is fetched once for all sources and runs that hold it. Copies are
kept while the disk has room; what has no copy is fetched whenever it is read.
"""

import functools
import shutil
from pathlib import Path

from tlkeras import workdir
from tlkeras.data.shared_folder import shared_folder

FOLDER = "remote"  # below the cache folder
FREE_BYTES = 2**30  # that copies leave free on its disk, at least,
FREE_SHARE = 0.05  # and of all that it holds


def room_for_copies(kind: str = FOLDER) -> int:
    """Returns how many bytes copies may still take, below 0 if too many do.

    Args:
        kind: Folder of the cache.
    """
    usage = shutil.disk_usage(_writable(workdir.cache_directory(), kind))
    return usage.free - max(FREE_BYTES, int(FREE_SHARE * usage.total))


def _writable(cache: Path, kind: str) -> Path:
    """Returns the folder for copies, also where it was removed since."""
    folder = _tried(cache, kind)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@functools.lru_cache(maxsize=8)
def _tried(cache: Path, kind: str) -> Path:
    """Tries once whether the folder of a cache can be written."""
    return shared_folder(kind)


def keep_copy(content: bytes, digest: str) -> str:
    """Returns the path of a copy, made if it is not there; "" without room.

    Args:
        content: Of the image.
        digest: Hash of these bytes.

    Raises:
        OSError: If it cannot be written.
    """
    path = workdir.cache_directory() / FOLDER / digest[:2] / f"{digest}.img"
    if path.exists():  # also where nothing can be written
        return str(path)
    if len(content) > room_for_copies():
        return ""
    folder = _writable(workdir.cache_directory(), FOLDER)
    path = folder / digest[:2] / f"{digest}.img"
    path.parent.mkdir(exist_ok=True)
    with workdir.replacing(path, durable=False) as temporary:
        temporary.write_bytes(content)
    return str(path)

"""Where files lie that a source is read from: below the cache, or for now."""

import atexit
import functools
import re
import shutil
import tempfile
from pathlib import Path

from tlkeras import workdir
from tlkeras.console import warn
from tlkeras.data.splits import digest_text
from tlkeras.errors import InputError
from tlkeras.remote import is_remote


def shared_path(kind: str, name: str) -> Path:
    """Returns where a written source lies, or is to be written.

    Args:
        kind: Folder of the cache.
        name: Of the source's folder in it.
    """
    path = workdir.cache_directory() / kind / name
    return path if path.is_dir() else shared_folder(kind) / name


def source_file(kind: str, source: str, key: str, suffix: str) -> Path:
    """Returns the file below the cache that keeps something of a source.

    Args:
        kind: Folder of the cache.
        source: As the user wrote it.
        key: Of what else it depends on.
        suffix: Of the file.
    """
    place = source.rstrip("/") if is_remote(source) else Path(source).resolve()
    key = digest_text(f"{place}:{key}")
    name = re.sub(r"\W+", "_", Path(source).name)
    return workdir.cache_directory() / kind / f"{name}-{key}{suffix}"


def shared_folder(name: str) -> Path:
    """Returns a folder of files that a source is read from, below the cache.

    Where that cannot be written it is one of this process, gone with it.
    """
    path = workdir.cache_directory() / name
    try:
        workdir.make_directory(path, what="cache folder")
    except InputError as error:
        path = _own_folder() / name
        path.mkdir(exist_ok=True)
        warn(f"{error} Till then files of this run lie in '{path}'.")
    else:
        workdir.remove_leftovers(path, idle_seconds=workdir.DAY)
    return path


@functools.cache
def _own_folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="tlkeras-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path

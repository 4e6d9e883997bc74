"""The bytes of an image, wherever they lie.

Whatever decodes an image asks here, by a name that is one of

    a path                          of a local file
    an address, s3://bucket/a.jpg   of a file of a store (`tlkeras/remote.py`)
    record:OFFSET:LENGTH:PATH       of bytes within a local file
"""

import os
from pathlib import Path

from tlkeras import remote

RECORD = "record:"  # begins the name of bytes within a file


def read_content(name: str, stamp: remote.RemoteStamp | None = None) -> bytes:
    """Returns the encoded image of a name.

    Args:
        name: As above.
        stamp: That a store listed it with, where it is an address.

    Raises:
        OSError: If it cannot be read.
        InputError: If its store refuses.
    """
    if remote.is_remote(name):
        return remote.read_bytes(name, stamp)
    if name.startswith(RECORD):
        offset, length, path = _parts(name)
        with open(path, "rb") as file:
            file.seek(offset)
            return file.read(length)
    return Path(name).read_bytes()


def name_record(path: str, offset: int, length: int) -> str:
    """Returns the name of bytes within a local file.

    Example:
    >>> name_record("shard", 12, 345)
    'record:12:345:shard'
    """
    return f"{RECORD}{offset}:{length}:{path}"


def size_of(name: str, stamp: remote.RemoteStamp | None = None) -> int:
    """Returns how many bytes a name stands for; 0 where a store tells nobody.

    Args:
        name: As above.
        stamp: That a store listed it with, where it is an address.

    Raises:
        OSError: If there is no such file.
    """
    if remote.is_remote(name):
        return stamp[0] if stamp else 0
    if name.startswith(RECORD):
        return _parts(name)[1]
    return os.stat(name).st_size


def can_be_read(name: str) -> bool:
    """Says whether reading would not wait for ever, as for a pipe."""
    if remote.is_remote(name) or name.startswith(RECORD):
        return True
    return os.path.isfile(name)


def file_of(name: str) -> str:
    """Returns the local file that a name's bytes lie in; an address as it is.

    Example:
    >>> file_of("record:12:345:shard"), file_of("a.jpg")
    ('shard', 'a.jpg')
    """
    return _parts(name)[2] if name.startswith(RECORD) else name


def _parts(name: str) -> tuple[int, int, str]:
    offset, length, path = name.removeprefix(RECORD).split(":", 2)
    return int(offset), int(length), path

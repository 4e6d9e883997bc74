"""Files of object stores and web servers: their addresses, bytes, and writing.

TensorFlow reads none of them, so bytes are fetched here, outside its graphs,
and decoded as ever.
"""

import dataclasses
import urllib.parse
from pathlib import Path

from tlkeras.errors import InputError
from tlkeras.stores import open_store, persist, scheme_of

OUTAGE = 8  # files in a row that a store fails to give, and it is given up

WEB = ("http", "https")  # addresses are quoted there
# Bytes, and what changes with them.
RemoteStamp = tuple[int, str]


@dataclasses.dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a store.

    Attributes:
        url: Its address.
        name: Below the folder that was listed, with `/` between parts; "" if
            that is no folder but the file itself.
        stamp: Bytes, and what changes with them (etag, else time); None where
            the store does not say.
    """

    url: str
    name: str
    stamp: RemoteStamp | None


def is_remote(name: str) -> bool:
    """Says whether a name is an address, of whatever scheme.

    Example:
    >>> is_remote("s3://bucket/photos"), is_remote("photos"), is_remote("C:/x")
    (True, False, False)
    """
    return bool(scheme_of(name))


def join(url: str, name: str) -> str:
    """Returns the address of a file below another one.

    Example:
    >>> join("s3://bucket/photos/", "cat/a b.jpg")
    's3://bucket/photos/cat/a b.jpg'
    """
    if scheme_of(url) in WEB:
        name = urllib.parse.quote(name)
    return f"{url.rstrip('/')}/{name}"


def last_name(url: str) -> str:
    """Returns the last part of an address."""
    name = url.rstrip("/").rpartition("/")[2]
    is_quoted = scheme_of(url) in WEB
    return urllib.parse.unquote(name) if is_quoted else name


def read_bytes(url: str, stamp: RemoteStamp | None = None) -> bytes:
    """Reads a file.

    Args:
        url: Its address.
        stamp: That it was listed with; other bytes than so many are read again.

    Raises:
        OSError: If it does not exist, may not be read, or cannot be after all
            attempts.
        InputError: If there are no credentials, or the store fails for one file
            after another.
    """
    system, path = open_store(url)

    def read() -> bytes:
        content = system.cat_file(path)
        if stamp and len(content) != stamp[0]:
            raise ConnectionError(f"{len(content)} of {stamp[0]} bytes came")
        return content

    try:
        content = persist(url, read)
    except FileNotFoundError:
        raise
    except OSError as error:
        _Outages.count(url, error)
        raise
    _Outages.count(url, None)
    return content


class _Outages:
    """Files in a row that a store could not give: past a limit it is down."""

    in_a_row = 0

    @classmethod
    def count(cls, url: str, error: OSError | None) -> None:
        cls.in_a_row = 0 if error is None else cls.in_a_row + 1
        if cls.in_a_row >= OUTAGE:
            cls.in_a_row = 0
            raise InputError(
                f"{OUTAGE} files in a row could not be read, the last '{url}' "
                f"({error.strerror if error else ''}); expected a store that "
                "answers: try again later, the same command goes on."
            ) from None


def fetch(url: str, path: Path, stamp: RemoteStamp | None) -> None:
    """Copies a file of any size to a local one, whole or not at all.

    Args:
        url: Its address.
        path: Not there yet, or replaced.
        stamp: That it was listed with.

    Raises:
        OSError: As `read_bytes`.
    """
    system, there = open_store(url)

    def get() -> None:
        system.get_file(there, str(path))
        if stamp and path.stat().st_size != stamp[0]:
            raise ConnectionError("not all bytes came")

    persist(url, get)


def upload(path: Path, url: str) -> None:
    """Writes a local file to a store, which shows it whole or not at all.

    Raises:
        OSError: If it cannot be written after all attempts.
        InputError: If the store refuses.
    """
    system, there = open_store(url)
    persist(url, lambda: system.put_file(str(path), there))


def remove(url: str) -> None:
    """Removes a file of a store, if it is there.

    Raises:
        OSError: If it cannot be removed after all attempts.
    """
    system, there = open_store(url)
    try:
        persist(url, lambda: system.rm_file(there))
    except FileNotFoundError:
        return

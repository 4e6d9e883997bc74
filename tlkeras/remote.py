"""Files of object stores and web servers: listing, reading and writing them.

TensorFlow reads none of them, so bytes are fetched here, outside its graphs,
and decoded as ever.
"""

import contextlib
import dataclasses
import urllib.parse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tlkeras.errors import InputError
from tlkeras.stores import ask_store, open_store, persist, refuse, scheme_of

OUTAGE = 8  # files in a row that a store fails to give, and it is given up
LOOK_UPS = 16  # requests at once, where each file is asked about
LISTED_FROM = 10  # files of one folder, which is listed instead

WEB = ("http", "https")  # addresses are quoted there
# Of what a store says of a file, the first that is there.
TAGS = ("ETag", "etag", "Last-Modified", "LastModified", "updated", "created")

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


def list_files(url: str) -> list[RemoteFile]:
    """Lists all files at and below an address, sorted by name.

    Raises:
        InputError: If the store cannot be reached or refuses, or there is no
            such bucket.
    """
    system, root = open_store(url)
    system.invalidate_cache()
    try:
        if scheme_of(url) in WEB:
            found = _walk_pages(system, root)
        else:
            found = ask_store(url, lambda: system.find(root, detail=True))
    except FileNotFoundError:  # of a prefix without files it would be empty
        raise InputError(
            f"The bucket of '{url}' does not exist; expected one that does: "
            "check the address."
        ) from None
    except PermissionError as error:
        raise refuse(url, str(error.strerror)) from None
    prefix = f"{root.rstrip('/')}/"
    files = []
    for path, about in found.items():
        if path != root and not path.startswith(prefix):
            continue  # `photos2`, which some stores find below `photos`
        name = path.removeprefix(prefix) if path != root else ""
        name = urllib.parse.unquote(name) if scheme_of(url) in WEB else name
        if not path.endswith("/"):  # what stands for an empty folder
            address = join(url, name) if name else url
            files.append(RemoteFile(address, name, _stamp(about)))
    return sorted(_with_stamps(files), key=lambda file: file.name.split("/"))


def _walk_pages(system: Any, root: str) -> dict[str, dict[str, Any]]:
    """Follows the links of a web server's listings, downwards only.

    fsspec's own walk passes over pages that fail, silently.
    """
    first = f"{root.rstrip('/')}/"
    found: dict[str, dict[str, Any]] = {}
    pages = [first]
    while pages:
        page = pages.pop()
        for about in _read_page(system, page, is_first=page == first):
            path = about["name"]
            if "?" in path or path in found:  # the same page, otherwise sorted
                continue
            found[path] = about
            if about["type"] == "directory":
                pages.append(path)
    return {p: a for p, a in found.items() if a["type"] == "file"}


def _read_page(system: Any, page: str, *, is_first: bool) -> list[Any]:
    """Returns what a page links to; of a file, what is known of it."""
    try:
        return ask_store(page, lambda: system.ls(page))
    except FileNotFoundError:
        if not is_first:
            raise InputError(
                f"'{page}' is linked to but does not exist; expected links to "
                "what is there: mend the server's listing, or name the images "
                "in a manifest."
            ) from None
    with contextlib.suppress(FileNotFoundError):
        file = page.rstrip("/")
        return [ask_store(file, lambda: system.info(file))]
    return []


def _with_stamps(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Asks about each file that a listing says too little of."""
    bare = [file for file in files if file.stamp is None]
    stamps = dict(zip(bare, look_up([f.url for f in bare]), strict=True))
    return [
        dataclasses.replace(file, stamp=stamps.get(file, file.stamp))
        for file in files
    ]


def _stamp(about: dict[str, Any]) -> RemoteStamp | None:
    size = about.get("size")
    tag = next((about[key] for key in TAGS if about.get(key)), "")
    if hasattr(tag, "timestamp"):
        tag = tag.timestamp()
    if isinstance(tag, float):
        tag = round(tag, 3)  # seconds; a listing and a look-up agree in these
    return (int(size), str(tag)) if size is not None and tag else None


def look_up(urls: Sequence[str]) -> list[RemoteStamp | None]:
    """Returns the stamps of files; None for what is missing or not shown.

    One request each, or one for a thousand of those of one folder.

    Raises:
        InputError: If a store cannot be reached.
    """
    folders = Counter(url.rpartition("/")[0] for url in urls)
    large = [
        folder
        for folder, count in folders.items()
        if count >= LISTED_FROM and scheme_of(folder) not in WEB
    ]
    listed: dict[str, RemoteStamp | None] = {}
    for folder in large:
        listed |= _list_one_level(folder)
    rest = [u for u in urls if u.rpartition("/")[0] not in large]
    with ThreadPoolExecutor(LOOK_UPS) as pool:
        asked = dict(zip(rest, pool.map(_ask_about, rest), strict=True))
    return [asked[url] if url in asked else listed.get(url) for url in urls]


def _list_one_level(folder: str) -> dict[str, RemoteStamp | None]:
    system, path = open_store(folder)
    system.invalidate_cache()
    try:
        entries = ask_store(folder, lambda: system.ls(path, detail=True))
    except (FileNotFoundError, PermissionError):
        return {}
    prefix = f"{path.rstrip('/')}/"
    return {
        join(folder, about["name"].removeprefix(prefix)): _stamp(about)
        for about in entries
    }


def _ask_about(url: str) -> RemoteStamp | None:
    system, path = open_store(url)
    try:
        return _stamp(ask_store(url, lambda: system.info(path)))
    except (FileNotFoundError, PermissionError):
        return None


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

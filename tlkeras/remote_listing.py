"""What object stores and web servers hold, and what they say of it."""

import contextlib
import dataclasses
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tlkeras.errors import InputError
from tlkeras.remote import WEB, RemoteFile, RemoteStamp, join
from tlkeras.stores import ask_store, open_store, refuse, scheme_of

LOOK_UPS = 16  # requests at once, where each file or folder is asked about
LISTED_FROM = 10  # files of one folder, which is listed instead
# Of what a store says of a file, the first that is there.
TAGS = ("ETag", "etag", "Last-Modified", "LastModified", "updated", "created")


def list_files(url: str) -> list[RemoteFile]:
    """Lists all files at and below an address, sorted by name.

    Raises:
        InputError: If the store cannot be reached or refuses, or there is no
            such bucket.
    """
    if scheme_of(url) in WEB:
        files = list(walk_files(url))
    else:
        system, root = _open_anew(url)
        with _in_words(url):
            found = ask_store(url, lambda: system.find(root, detail=True))
        files = _as_files(url, root, found.values())
    return sorted(files, key=lambda file: file.name.split("/"))


def walk_files(url: str) -> Iterator[RemoteFile]:
    """Yields the files of `list_files`, in any order, folder by folder.

    For millions of files: what a store says of one takes 2 kB, and is held
    for some folders only. That takes a request a folder, where `list_files`
    takes one for a thousand files, whatever their folders.

    Raises:
        InputError: As `list_files`, or if a web server links to what does not
            exist.
    """
    system, root = _open_anew(url)
    is_web = scheme_of(url) in WEB  # whose pages link to a file twice
    read = _read_page if is_web else _read_folder
    levels, seen = [root], set[str]()
    with _in_words(url), ThreadPoolExecutor(LOOK_UPS) as pool:
        while levels:
            some, levels = levels[:LOOK_UPS], levels[LOOK_UPS:]
            for found in pool.map(
                lambda place: read(system, place, url, place == root), some
            ):
                new = [about for about in found if about["name"] not in seen]
                yield from _as_files(url, root, new)
                inner = [
                    about["name"]
                    for about in new
                    # With a stamp it stands for the folder that is listed.
                    if about["type"] == "directory"
                    and not _stamp(about)
                    and about["name"] not in (root, f"{root}/" * is_web)
                ]
                levels += inner
                seen.update((a["name"] for a in new) if is_web else inner)


def _open_anew(url: str) -> tuple[Any, str]:
    system, root = open_store(url)
    system.invalidate_cache()
    return system, root


@contextlib.contextmanager
def _in_words(url: str) -> Iterator[None]:
    """Says what a listing of an address found wrong."""
    try:
        yield
    except FileNotFoundError:  # of a prefix without files it would be empty
        raise InputError(
            f"The bucket of '{url}' does not exist; expected one that does: "
            "check the address."
        ) from None
    except PermissionError as error:
        raise refuse(url, str(error.strerror)) from None


def _as_files(
    url: str, root: str, found: Iterable[dict[str, Any]]
) -> list[RemoteFile]:
    """Returns the files of a listing, with what it says too little of asked."""
    prefix = f"{root.rstrip('/')}/"
    files = []
    for about in found:
        path = about["name"]
        is_itself = f"{path}/" == prefix
        # Some stores find `photos2` below `photos`; a name that ends so stands
        # for an empty folder.
        is_below = is_itself or path.startswith(prefix)
        if about["type"] != "file" or not is_below or path.endswith("/"):
            continue
        name = "" if is_itself else path.removeprefix(prefix)
        name = urllib.parse.unquote(name) if scheme_of(url) in WEB else name
        address = join(url, name) if name else url
        files.append(RemoteFile(address, name, _stamp(about)))
    return _with_stamps(files)


def _read_folder(
    system: Any, folder: str, url: str, is_first: bool
) -> list[Any]:
    """Returns what lies in a folder of a store."""
    if folder.endswith("/") and not is_first:  # of `cat//a.jpg`: without a name
        above = folder.rstrip("/")
        found = ask_store(url, lambda: system.find(above, detail=True))
        return [a for a in found.values() if a["name"].startswith(f"{folder}/")]
    try:
        return ask_store(url, lambda: system.ls(folder, detail=True))
    except FileNotFoundError:
        if not is_first:  # gone since it was listed
            return []
    # Empty, or an error where there is no such bucket.
    found = ask_store(url, lambda: system.find(folder, detail=True))
    return list(found.values())


def _read_page(system: Any, page: str, _: str, is_first: bool) -> list[Any]:
    """Returns what a page of a web server links to, downwards only.

    fsspec's own walk passes over pages that fail, silently.
    """
    address = f"{page.rstrip('/')}/"
    try:
        found = ask_store(address, lambda: system.ls(address, detail=True))
        # Others are the same page, otherwise sorted.
        return [about for about in found if "?" not in about["name"]]
    except FileNotFoundError:
        if not is_first:
            raise InputError(
                f"'{address}' is linked to but does not exist; expected links "
                "to what is there: mend the server's listing, or name the "
                "images in a manifest."
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
    system, path = _open_anew(folder)
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

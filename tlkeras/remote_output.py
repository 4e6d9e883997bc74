"""Writing files and folders to a store: in an order that a kill may cut."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.remote import join, last_name, remove, upload
from tlkeras.remote_listing import list_files
from tlkeras.stores import require_writable

# Files with which the use of a directory begins, in any folder of it.
FIRST = (workdir.CONFIG, workdir.SEARCH, workdir.PROTOCOL)
# What says that something before it is there; later ones say more.
LAST = (
    workdir.STATE,
    workdir.OUTCOME,
    *("trial.json", "oracle.json"),  # of keras-tuner
    "saved_model.pb",  # without it a server finds no model in a version
    workdir.EXPORT,
    workdir.RESULT,
    workdir.TUNING,
)


def counts(name: str) -> bool:
    """Says whether a file is neither hidden, a lock, nor unfinished.

    Nor leads out of the directory: a store may hold any name.
    """
    parts = name.replace("\\", "/").split("/")
    return all(part and not part.startswith(".") for part in parts)


def names_below(folder: Path, below: str = "") -> set[str]:
    """Returns the files of a folder that count, at or below a place in it."""
    place = folder / below
    paths = [place] if place.is_file() else place.rglob("*")
    names = {p.relative_to(folder).as_posix() for p in paths if p.is_file()}
    return set(filter(counts, names))


def _rank(name: str) -> tuple[int, str]:
    file = PurePosixPath(name).name
    if file in FIRST:
        return -1, name
    return LAST.index(file) + 1 if file in LAST else 0, name


def upload_all(
    local: Path, url: str, names: Iterable[str], gone: Iterable[str] = ()
) -> None:
    """Uploads files below a folder, those that say that all is there last.

    What is gone is removed after them.
    """
    try:
        for name in sorted(names, key=_rank):
            upload(local / name, join(url, name))
        for name in gone:
            remove(join(url, name))
    except OSError as error:
        raise InputError(
            f"'{url}' cannot be written ({error.strerror}); expected a store "
            "that answers: try again later, the same command goes on from "
            "what was uploaded before."
        ) from None


@contextlib.contextmanager
def publishing(url: str, folder: Path) -> Iterator[Path]:
    """Yields where to write a file or folder that goes to a store at the end.

    Folders that are there are there, without their files: versions of exports
    are counted by them.

    Args:
        url: Of what is to be written.
        folder: Empty, of this process.

    Raises:
        InputError: If the store refuses or fails, or somebody else wrote the
            same files meanwhile.
    """
    require_writable(url)
    before = {file.name for file in list_files(url)}
    local = folder / last_name(url)
    for name in filter(counts, before):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
    try:
        yield local
    finally:
        if local.is_file():
            upload_all(folder, url.rpartition("/")[0], [local.name])
        elif names := names_below(local):
            taken = names & {file.name for file in list_files(url)} - before
            if taken:
                raise InputError(
                    f"'{join(url, min(taken))}' was written by somebody else "
                    "meanwhile; expected one process at a time on all "
                    "machines: run the same command again."
                )
            upload_all(local, url, names)

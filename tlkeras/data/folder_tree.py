"""What lies below a folder: images by content, and why others are passed over.

Every file that is passed over keeps its reason, so that nothing disappears
without a word.
"""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from tlkeras.data.conversion import CONVERTED_SUFFIXES, is_convertible
from tlkeras.data.image_header import JPEG, PNG
from tlkeras.remote import RemoteStamp, join, last_name
from tlkeras.remote_listing import walk_files
from tlkeras.workdir import is_written_by_us

# A file so named is taken for an image whatever it holds: where it is none, it
# is damaged. Others are images where they begin like one.
IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp"),
    *CONVERTED_SUFFIXES,
)
SIGNATURES = (  # (place, bytes)
    (0, JPEG),
    (0, PNG),
    (0, b"GIF8"),
    (8, b"WEBP"),
)
BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes; "BM" alone begins texts
# What systems and programs put beside files, in lower case.
SYSTEM_NAMES = frozenset(
    {
        *("__macosx", "__pycache__", "@eadir", "@tmp", "@recycle", "#recycle"),
        *("#snapshot", "$recycle.bin", "system volume information", "recycler"),
        *("lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"),
    }
)
HIDDEN = "hidden or of the system"
DANGLING = "a link to nothing"
MAX_LINKS = 3  # to folders on one way, so that links among many end
OURS = "written by tlkeras"


@dataclasses.dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, or a folder that is not entered; `problem` says why it is none.

    A folder that cannot be entered, as on a disk that is gone, is a `Folder`
    that holds itself as such a file: it may be a class, or a split.

    Attributes:
        path: Of it.
        problem: Why it is passed over; "" for what may be an image.
        stamp: What a store says of it; None of a local file.
    """

    path: str
    problem: str = ""
    stamp: RemoteStamp | None = None


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder and everything in it.

    Attributes:
        path: Of it, or its address.
        name: The folder's own.
        entries: Files and folders, sorted by name.
    """

    path: str
    name: str
    entries: tuple["FoundFile | Folder", ...]

    @property
    def files(self) -> list[FoundFile]:
        """The files in the folder itself."""
        return [e for e in self.entries if isinstance(e, FoundFile)]

    @property
    def folders(self) -> list["Folder"]:
        """The folders in the folder itself."""
        return [e for e in self.entries if isinstance(e, Folder)]

    @functools.cached_property
    def has_images(self) -> bool:
        """Whether there may be an image at any depth."""
        return any(not f.problem for f in self.files) or any(
            folder.has_images for folder in self.folders
        )

    def walk(self) -> Iterator[FoundFile]:
        """Yields the files at any depth, sorted by their paths."""
        for entry in self.entries:
            if isinstance(entry, Folder):
                yield from entry.walk()
            else:
                yield entry


def read_tree(directory: Path) -> Folder:
    """Reads what lies below a folder.

    Links are followed, but not to a folder that they lie in.
    """
    above = (directory.resolve(), *directory.resolve().parents)
    return _read(directory, frozenset(map(_identity, above)), 0)


@dataclasses.dataclass(slots=True)
class _Level:
    """A folder of a store, as far as it is known."""

    files: list[FoundFile] = dataclasses.field(default_factory=list)
    hidden: set[str] = dataclasses.field(default_factory=set)
    folders: dict[str, "_Level"] = dataclasses.field(default_factory=dict)

    def as_folder(self, url: str) -> Folder:
        """Returns it, sorted by names, with the address that it has."""
        self.files.sort(key=lambda file: last_name(file.path))
        hidden = [FoundFile(join(url, n), HIDDEN) for n in sorted(self.hidden)]
        folders = [
            self.folders.pop(name).as_folder(join(url, name))
            for name in sorted(self.folders)
        ]
        return Folder(url, last_name(url), (*self.files, *hidden, *folders))


def read_remote_tree(url: str) -> Folder | None:
    """Reads what lies below an address; None where that is no folder.

    Images are known by their names alone: a look into each file would cost a
    request.

    Raises:
        InputError: As `walk_files`.
    """
    root = _Level()
    for file in walk_files(url):
        if not file.name:
            return None
        *above, name = file.name.split("/")
        level = root
        for part in above:
            if is_hidden(part):
                name = part
                break
            level = level.folders.setdefault(part, _Level())
        if is_hidden(name):
            level.hidden.add(name)
        else:
            problem = "" if _is_named(name) else "no image by its name"
            level.files.append(FoundFile(file.url, problem, file.stamp))
    is_empty = not (root.files or root.hidden or root.folders)
    return None if is_empty else root.as_folder(url)


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _read(
    directory: Path, above: frozenset[tuple[int, int]], num_links: int
) -> Folder:
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    return Folder(
        str(directory),
        directory.name,
        tuple(
            _look_at(directory / e.name, e, above, num_links) for e in entries
        ),
    )


def _look_at(
    path: Path,
    entry: os.DirEntry[str],
    above: frozenset[tuple[int, int]],
    num_links: int,
) -> FoundFile | Folder:
    """Returns a folder with what it holds, or a file with its problem."""
    if is_hidden(entry.name):
        return FoundFile(str(path), HIDDEN)
    try:
        if not entry.is_dir():
            problem = _problem_of(entry)
            may_be_class = problem == DANGLING and not _is_named(entry.name)
            file = FoundFile(str(path), problem)
            if may_be_class:
                return Folder(str(path), path.name, (file,))
            return file
        if is_written_by_us(path):
            return FoundFile(str(path), OURS)
        identity = _identity(path)
        if identity in above:
            return FoundFile(str(path), "a folder that is read already")
        num_links += entry.is_symlink()
        if num_links > MAX_LINKS:
            problem = f"behind more than {MAX_LINKS} links"
            file = FoundFile(str(path), problem)
            return Folder(str(path), path.name, (file,))
        return _read(path, above | {identity}, num_links)
    except OSError as error:
        file = FoundFile(str(path), _unreadable(error))
        return Folder(str(path), path.name, (file,))


def _unreadable(error: OSError) -> str:
    return f"cannot be read ({error.strerror})"


def is_hidden(name: str) -> bool:
    """Says whether a name is hidden, or one that systems put beside files."""
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def _problem_of(entry: os.DirEntry[str]) -> str:
    if not entry.is_file():
        return DANGLING if entry.is_symlink() else "no regular file"
    try:
        is_image = _is_named(entry.name) or _begins_like_an_image(entry.path)
    except OSError as error:
        return _unreadable(error)
    return "" if is_image else "no image"


def _is_named(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def _begins_like_an_image(path: str) -> bool:
    with open(path, "rb") as file:
        head = file.read(18)
    if head[:2] == b"BM":
        return int.from_bytes(head[14:18], "little") in BMP_HEADERS
    return is_convertible(head) or any(
        head[place:].startswith(signature) for place, signature in SIGNATURES
    )

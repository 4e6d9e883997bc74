"""Working in a directory of a store, by way of a local copy of it.

The store is the truth. A command begins by making the local copy equal to it,
works there, and uploads what changed at every commit and at its end. A store
shows single files whole or not at all, but not several at once; so what a
directory begins with is uploaded first, what says that something is finished
last, and nothing is removed before all of it is there. A process that is killed
between two uploads leaves a directory that the next one, on any machine, goes
on with from the last commit that is whole.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.locks import sole_use
from tlkeras.remote import (
    RemoteFile,
    RemoteStamp,
    fetch,
    join,
    last_name,
    list_files,
    remove,
    upload,
)
from tlkeras.stores import require_writable

INDEX = "uploaded.json"  # beside the copy: what both sides were when equal
LocalStamp = tuple[int, int, int]  # bytes; ns of the time; inode
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
# Directories that are worked in now, by this process.
_OPEN: list["RemoteDirectory"] = []


@dataclasses.dataclass
class RemoteDirectory:
    """A directory of a store and its local copy.

    Attributes:
        url: Its address.
        local: The copy.
        index: Name -> stamps of a file, there and here, when both were equal.
        is_given_up: Whether the store refused or failed.
    """

    url: str
    local: Path
    index: dict[str, tuple[RemoteStamp | None, LocalStamp]] = dataclasses.field(
        default_factory=dict
    )
    is_given_up: bool = False

    def pull(self, *, exact: bool) -> None:
        """Makes the local copy equal to the store.

        Args:
            exact: Whether files that the store lacks are removed here.

        Raises:
            InputError: If the store refuses or fails.
        """
        there = {f.name: f for f in list_files(self.url) if _counts(f.name)}
        self._read_index()
        for name, file in there.items():
            known = self.index.get(name)
            here = _stamp_of(self.local / name)
            if known is None or known != (file.stamp, here) or not file.stamp:
                self.index[name] = (file.stamp, self._fetch(file))
        for name in _names_below(self.local) - there.keys() if exact else ():
            (self.local / name).unlink()
        for name in self.index.keys() - there.keys():
            del self.index[name]
        self._write_index()

    def push(self) -> None:
        """Uploads what changed, and then removes what is gone.

        Raises:
            InputError: If somebody else wrote there meanwhile, or the store
                refuses or fails: the local copy stays as it is.
        """
        here = {n: _stamp_of(self.local / n) for n in _names_below(self.local)}
        changed = [
            name
            for name, stamp in here.items()
            if name not in self.index or self.index[name][1] != stamp
        ]
        gone = sorted(self.index.keys() - here.keys())
        if changed or gone:
            self.is_given_up = True  # unless what follows succeeds
            self._require_own()
            _upload_all(self.local, self.url, changed, gone)
            self._note(changed, gone, here)
            self.is_given_up = False

    def _note(
        self,
        changed: Sequence[str],
        gone: Sequence[str],
        here: dict[str, LocalStamp | None],
    ) -> None:
        """Writes down that both sides are equal now."""
        there = {file.name: file.stamp for file in list_files(self.url)}
        for name in changed:
            stamp = here[name]
            assert stamp is not None
            self.index[name] = (there.get(name), stamp)
        for name in gone:
            del self.index[name]
        self._write_index()

    def _require_own(self) -> None:
        """Refuses to overwrite what another process wrote."""
        there = {file.name: file.stamp for file in list_files(self.url)}
        for name, (stamp, _) in self.index.items():
            if there.get(name) != stamp:
                raise InputError(
                    f"'{join(self.url, name)}' was changed by somebody else "
                    "since this command began; expected one process at a time "
                    "on all machines: end the other one, and run the same "
                    "command again."
                )

    def _fetch(self, file: RemoteFile) -> LocalStamp:
        path = self.local / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with workdir.replacing(path, durable=False) as temporary:
                fetch(file.url, temporary, file.stamp)
        except OSError as error:
            raise InputError(
                f"'{file.url}' cannot be fetched ({error.strerror}); expected "
                "a store that answers, and room in the cache folder: try "
                "again."
            ) from None
        stamp = _stamp_of(path)
        assert stamp is not None
        return stamp

    def _read_index(self) -> None:
        self.index = {}
        with contextlib.suppress(OSError, ValueError, TypeError):
            stored = workdir.read_json(self.local.parent / INDEX)
            for name, (there, here) in dict(stored).items():
                self.index[name] = (
                    tuple(there) if there else None,
                    tuple(here),
                )

    def _write_index(self) -> None:
        workdir.write_json(self.local.parent / INDEX, self.index)


def _counts(name: str) -> bool:
    """Says whether a file is neither hidden, a lock, nor unfinished.

    Nor leads out of the directory: a store may hold any name.
    """
    parts = name.replace("\\", "/").split("/")
    return all(part and not part.startswith(".") for part in parts)


def _names_below(folder: Path) -> set[str]:
    names = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    }
    return set(filter(_counts, names))


def _stamp_of(path: Path) -> LocalStamp | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _rank(name: str) -> tuple[int, str]:
    file = PurePosixPath(name).name
    if file in FIRST:
        return -1, name
    return LAST.index(file) + 1 if file in LAST else 0, name


def _upload_all(
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
def working_in(
    url: str, folder: Path, *, uploads: bool = True
) -> Iterator[Path]:
    """Yields a local copy of a directory of a store, which `commit` uploads.

    At the end, however it comes, what changed is uploaded too.

    Args:
        url: Of the directory, which may not exist.
        folder: Of its own, that other processes of this machine are kept out
            of; stays, so that the next command fetches only what changed.
        uploads: Whether anything is; else what is made stays here.

    Raises:
        InputError: If another process is at it, or the store refuses or fails.
    """
    if uploads:
        require_writable(url)
    with contextlib.ExitStack() as stack:
        workdir.make_directory(folder, what="cache folder")
        try:
            stack.enter_context(sole_use(folder))
        except InputError:
            raise InputError(
                f"Another process of this machine is at work in '{url}'; "
                "expected one at a time: wait for it, or choose another place."
            ) from None
        directory = RemoteDirectory(url, folder / last_name(url))
        directory.local.mkdir(exist_ok=True)
        directory.pull(exact=uploads)
        if not uploads:
            yield directory.local
            return
        _OPEN.append(directory)
        try:
            yield directory.local
        finally:
            _OPEN.remove(directory)
            if not directory.is_given_up:
                directory.push()


def commit(path: Path) -> None:
    """Uploads what changed in a directory, if it is the copy of a remote one.

    Args:
        path: Of the directory, or in it.

    Raises:
        InputError: As `RemoteDirectory.push`.
    """
    for directory in _OPEN:
        if path.is_relative_to(directory.local):
            directory.push()


def address_of(path: Path) -> str:
    """Returns where a directory really is, if it is the copy of a remote one.

    Args:
        path: Of the directory.
    """
    for directory in _OPEN:
        if path == directory.local:
            return directory.url
    return str(path)


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
    for name in filter(_counts, before):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
    try:
        yield local
    finally:
        if local.is_file():
            _upload_all(folder, url.rpartition("/")[0], [local.name])
        elif names := _names_below(local):
            taken = names & {file.name for file in list_files(url)} - before
            if taken:
                raise InputError(
                    f"'{join(url, min(taken))}' was written by somebody else "
                    "meanwhile; expected one process at a time on all "
                    "machines: run the same command again."
                )
            _upload_all(local, url, names)

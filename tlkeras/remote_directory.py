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
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.locks import sole_use
from tlkeras.remote import (
    RemoteFile,
    RemoteStamp,
    fetch,
    join,
    last_name,
)
from tlkeras.remote_listing import list_files
from tlkeras.remote_output import counts, names_below, upload_all
from tlkeras.stores import require_writable

INDEX = "uploaded.json"  # beside the copy: what both sides were when equal
LocalStamp = tuple[int, int, int]  # bytes; ns of the time; inode
# Directories that are worked in now, by this process.
_OPEN: list["RemoteDirectory"] = []


@dataclasses.dataclass
class RemoteDirectory:
    """A directory of a store and its local copy.

    Attributes:
        url: Its address.
        local: The copy.
        index: Name -> stamps of a file, there and here, when both were equal.
        is_shared: Whether it is another process' own: only what is named is
            uploaded.
        is_given_up: Whether the store refused or failed.
        lock: Held by the thread that compares or moves files.
    """

    url: str
    local: Path
    index: dict[str, tuple[RemoteStamp | None, LocalStamp]] = dataclasses.field(
        default_factory=dict
    )
    is_shared: bool = False
    is_given_up: bool = False
    lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    def pull(self, *, exact: bool) -> None:
        """Makes the local copy equal to the store.

        Args:
            exact: Whether files that the store lacks are removed here.

        Raises:
            InputError: If the store refuses or fails.
        """
        there = self._there()
        self._read_index()
        for name, file in there.items():
            known = self.index.get(name)
            here = _stamp_of(self.local / name)
            if known is None or known != (file.stamp, here) or not file.stamp:
                self.index[name] = (file.stamp, self._fetch(name, file))
        for name in names_below(self.local) - there.keys() if exact else ():
            (self.local / name).unlink()
        for name in self.index.keys() - there.keys():
            del self.index[name]
        self._write_index()

    def refresh(self, below: str) -> None:
        """Fetches what others wrote; what is here alone stays as it is.

        Args:
            below: At or below which place it is looked for; "" is everywhere.

        Raises:
            InputError: If the store refuses or fails.
        """
        with self.lock:
            for name, file in self._there(below).items():
                known = self.index.get(name)
                if known is None or known[0] != file.stamp or not file.stamp:
                    # It may have other bytes than were listed by now.
                    latest = dataclasses.replace(file, stamp=None)
                    self.index[name] = (file.stamp, self._fetch(name, latest))
            self._write_index()

    def push(self, below: str = "") -> None:
        """Uploads what changed, and then removes what is gone.

        Args:
            below: At or below which place; "" is everywhere.

        Raises:
            InputError: If somebody else wrote there meanwhile, or the store
                refuses or fails: the local copy stays as it is.
        """
        with self.lock:
            stamps = {
                name: _stamp_of(self.local / name)
                for name in names_below(self.local, below)
            }
            here = {name: stamp for name, stamp in stamps.items() if stamp}
            known = [name for name in self.index if _is_within(name, below)]
            changed = [
                name
                for name, stamp in here.items()
                if name not in self.index or self.index[name][1] != stamp
            ]
            gone = sorted(set(known) - here.keys())
            if changed or gone:
                # Others may write beside a part.
                touched = [n for n in changed if n in self.index] + gone
                self.is_given_up = True  # unless what follows succeeds
                self._require_own(touched if below else known, below)
                upload_all(self.local, self.url, changed, gone)
                self._note({name: here[name] for name in changed}, gone, below)
                self.is_given_up = False

    def _note(
        self,
        changed: Mapping[str, LocalStamp],
        gone: Sequence[str],
        below: str,
    ) -> None:
        """Writes down that both sides are equal now."""
        there = self._there(below)
        for name, stamp in changed.items():
            stored = there[name].stamp if name in there else None
            self.index[name] = (stored, stamp)
        for name in gone:
            del self.index[name]
        self._write_index()

    def _there(self, below: str = "") -> dict[str, RemoteFile]:
        """Returns name -> file of what the store holds at or below a place."""
        listed = list_files(join(self.url, below) if below else self.url)
        files = {"/".join(filter(None, (below, f.name))): f for f in listed}
        return {name: file for name, file in files.items() if counts(name)}

    def _require_own(self, names: Sequence[str], below: str) -> None:
        """Refuses to overwrite what another process wrote."""
        there = self._there(below)
        for name in names:
            file = there.get(name)
            if file is None or file.stamp != self.index[name][0]:
                raise InputError(
                    f"'{join(self.url, name)}' was changed by somebody else "
                    "since this command began; expected one process at a time "
                    "on all machines: end the other one, and run the same "
                    "command again."
                )

    def _fetch(self, name: str, file: RemoteFile) -> LocalStamp:
        path = self.local / name
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


def _is_within(name: str, below: str) -> bool:
    return not below or name == below or name.startswith(f"{below}/")


def _stamp_of(path: Path) -> LocalStamp | None:
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


@contextlib.contextmanager
def _local_copy(url: str, folder: Path) -> Iterator[RemoteDirectory]:
    """Yields a directory whose copy is this process' own."""
    workdir.make_directory(folder, what="cache folder")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(sole_use(folder))
        except InputError:
            raise InputError(
                f"Another process of this machine is at work in '{url}'; "
                "expected one at a time: wait for it, or choose another place."
            ) from None
        directory = RemoteDirectory(url, folder / last_name(url))
        directory.local.mkdir(exist_ok=True)
        yield directory


@contextlib.contextmanager
def _opened(directory: RemoteDirectory) -> Iterator[Path]:
    """Lets `commit` and `refresh` find a directory meanwhile."""
    _OPEN.append(directory)
    try:
        yield directory.local
    finally:
        _OPEN.remove(directory)


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
    with _local_copy(url, folder) as directory:
        directory.pull(exact=uploads)
        if not uploads:
            yield directory.local
            return
        try:
            with _opened(directory) as local:
                yield local
        finally:
            with directory.lock:  # a push under way is no failed one
                if not directory.is_given_up:
                    directory.push()


@contextlib.contextmanager
def helping_in(url: str, folder: Path) -> Iterator[Path]:
    """Yields a local copy of a directory that another process works in.

    It is empty at first. What others wrote comes by `refresh`, and nothing is
    uploaded but what `commit_part` names.

    Args:
        url: Of the directory.
        folder: As for `working_in`; of this helper alone.

    Raises:
        InputError: As `working_in`.
    """
    require_writable(url)
    with _local_copy(url, folder) as directory:
        shutil.rmtree(directory.local)
        directory.local.mkdir()
        directory.is_shared = True
        with _opened(directory) as local:
            yield local


def _places_of(path: Path) -> Iterator[tuple[RemoteDirectory, str]]:
    """Yields the remote directories that hold a path, and its name there."""
    for directory in _OPEN:
        if path.is_relative_to(directory.local):
            name = path.relative_to(directory.local).as_posix()
            yield directory, "" if name == "." else name


def commit(path: Path) -> None:
    """Uploads what changed in a directory, if it is the copy of a remote one.

    Args:
        path: Of the directory, or in it.

    Raises:
        InputError: As `RemoteDirectory.push`.
    """
    for directory, _ in _places_of(path):
        if not directory.is_shared:
            directory.push()


def commit_part(path: Path) -> None:
    """Uploads what changed at or below a path, and nothing beside it.

    Args:
        path: In the copy of a remote directory; of another one nothing is done.

    Raises:
        InputError: As `RemoteDirectory.push`.
    """
    for directory, name in _places_of(path):
        directory.push(name)


def refresh(path: Path) -> None:
    """Fetches what others wrote at or below a path, where `commit_part` acts.

    Raises:
        InputError: As `RemoteDirectory.refresh`.
    """
    for directory, name in _places_of(path):
        directory.refresh(name)


def address_of(path: Path) -> str:
    """Returns where a directory really is, if it is the copy of a remote one.

    Args:
        path: Of the directory.
    """
    for directory in _OPEN:
        if path == directory.local:
            return directory.url
    return str(path)

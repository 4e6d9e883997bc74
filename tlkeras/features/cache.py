"""Activations at a cut, on disk: computed once, shared by runs and phases.

A store is a folder named by the hash of its recipe. It holds shards:
`NAME.npy`, [rows, values] with the frontier tensors of an image side by side,
and `NAME.json`, written last, with the keys of the rows and a checksum. A key
is an image's hash and a view; `shard_index.py` finds it. Shards never change; a
name is the hash of its keys, so that work done again gives the same file. One
process fills a store at a time; others wait for it and find its rows.
"""

import contextlib
import dataclasses
import functools
import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.features.layout import STORAGE, Layout
from tlkeras.features.shard_index import (
    Header,
    Key,
    ShardIndex,
    Stamp,
    format_header,
    name_shard,
    read_header,
)

MAX_MAPPED = 64  # shards that are mapped at once: each holds a descriptor


class CacheError(Exception):
    """The store cannot be used, and work goes on without it.

    The disk is full, say, or read-only; what was written before is whole.
    """


class DamagedShardError(CacheError):
    """A shard is not what was written; its rows can be computed again."""


class ActivationCache:
    """A store of activations.

    Args:
        directory: Of the store; created when it is filled.
        layout: Of a row.

    Attributes:
        repaired: Names of shards that were damaged and dropped.
    """

    def __init__(self, directory: Path, layout: Layout) -> None:
        self.directory = directory
        self.layout = layout
        self.repaired: list[str] = []
        self._damaged: set[str] = set()
        self._whole: set[str] = set()  # shards whose checksum was compared
        self._mapped: dict[str, Shard] = {}  # the last used ones, in order

    @functools.cached_property
    def _index(self) -> ShardIndex:
        return ShardIndex(self.directory, self.layout.values)

    def missing(
        self, keys: Iterable[Key], *, repair: bool = False
    ) -> list[Key]:
        """Returns the keys, each once, that no shard holds.

        Shards whose header is damaged hold nothing; those whose rows are, are
        found by `read`, and hold nothing from then on.

        Args:
            keys: To look for.
            repair: Remove damaged shards; only while the store is `locked`.

        Raises:
            CacheError: If the store cannot be read; it stays as it is.
        """
        keys = list(keys if isinstance(keys, dict) else dict.fromkeys(keys))
        try:
            self._look(repair)
        except OSError as error:
            raise CacheError(str(error)) from None
        found = self._index.find(keys)
        return [keys[place] for place in np.flatnonzero(found < 0).tolist()]

    def _look(self, repair: bool) -> None:
        """Brings the index up to date with the folder."""
        if not self.directory.is_dir():
            self._index.remove(self._index.names())
            return
        headers, shards = _list_shards(self.directory)
        known = {
            name
            for name, stamp in headers.items()
            if name in shards - self._damaged
            and self._index.stamp_of(name) == stamp
        }
        self._index.remove(set(self._index.names()) - known)
        for name in sorted(headers.keys() - known):
            path = self.directory / f"{name}.json"
            header = None
            if name in shards - self._damaged:
                header = read_header(path, self.layout.values)
            if header:
                self._index.add(name, header, headers[name])
            elif repair:
                self.repaired.append(name)
                self._damaged.discard(name)
                self._drop(name)

    def _shard(self, name: str) -> "Shard":
        """Returns a shard; its checksum is compared when it is first read.

        Raises:
            DamagedShardError: If it is another one.
        """
        shard = self._mapped.pop(name, None)
        if name not in self._whole:
            shard = self._check(name)
        elif shard is None:
            shard = map_shard(self._data(name))
        self._mapped[name] = shard
        if len(self._mapped) > MAX_MAPPED:
            self._mapped.pop(next(iter(self._mapped)))
        return shard

    def _check(self, name: str) -> "Shard":
        path = self._data(name)
        try:
            is_whole = _checksum(path) == self._index.checksum_of(name)
            shard = map_shard(path) if is_whole else None
        except ValueError:
            shard = None
        if shard is None or shard.rows.shape[1] != self.layout.values:
            self._damaged.add(name)
            raise DamagedShardError(f"the shard {name} is damaged")
        self._whole.add(name)
        return shard

    def _drop(self, name: str) -> None:
        with contextlib.suppress(OSError):  # a folder of that name
            (self.directory / f"{name}.json").unlink(missing_ok=True)
            self._data(name).unlink(missing_ok=True)

    def _data(self, name: str) -> Path:
        return self.directory / f"{name}.npy"

    def read(self, keys: Sequence[Key]) -> list[np.ndarray]:
        """Returns the frontier tensors of keys that are there.

        Args:
            keys: [n]; none of them `missing`.

        Returns:
            float32 [n, ...] for each frontier tensor.

        Raises:
            DamagedShardError: If a shard of theirs is not what it was; its
                rows are `missing` now.
            CacheError: If they have gone.
        """
        try:
            return self._read(keys)
        except (OSError, ValueError) as error:
            raise CacheError(str(error)) from None

    def _read(self, keys: Sequence[Key]) -> list[np.ndarray]:
        rows = np.empty(
            (len(keys), self.layout.values), STORAGE[self.layout.storage]
        )
        touched = set()
        places = self._index.locate(self._index.find(keys))
        for number, (name, row) in enumerate(places):
            rows[number] = self._shard(name).rows[row]
            touched.add(name)
        for name in touched & self._mapped.keys():
            # Back to the page cache, so that memory does not grow with what
            # was ever read. Not on Windows, which has no such call.
            if hasattr(mmap, "MADV_DONTNEED"):
                self._mapped[name].mapped.madvise(mmap.MADV_DONTNEED)
        return self.layout.unpack(rows)

    @contextlib.contextmanager
    def locked(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Keeps other processes from filling the store at the same time.

        Args:
            on_wait: Called once if another process is at it.

        Raises:
            CacheError: If nothing can be written there.
        """
        lock = FileLock(self.directory / "lock")
        try:
            workdir.make_directory(self.directory, what="cache folder")
            try:
                lock.acquire(blocking=False)
            except Timeout:
                on_wait()
                lock.acquire()
            for leftover in self.directory.glob(".*"):
                leftover.unlink()  # of a killed process
        except (OSError, InputError) as error:
            lock.release()
            raise CacheError(str(error)) from None
        try:
            yield
            with contextlib.suppress(OSError):  # it can be made again
                self._index.save()
        finally:
            lock.release()

    def write(self, keys: Sequence[Key], rows: np.ndarray) -> None:
        """Writes one shard and makes its rows readable.

        Args:
            keys: [n].
            rows: [n, values] in the storage dtype, from `layout.pack`.

        Raises:
            CacheError: If it cannot be written; nothing half-written stays.
        """
        name = name_shard(keys)
        path = self._data(name)
        try:
            with workdir.replacing(path) as temporary:
                np.save(temporary, rows)
                header = Header(tuple(keys), _checksum(temporary))
            sidecar = self.directory / f"{name}.json"
            workdir.write_text(
                sidecar, format_header(header, self.layout.values)
            )
            stamp = _stamp(sidecar.stat())
        except OSError as error:
            self._drop(name)
            raise CacheError(str(error)) from None
        self._whole.add(name)
        self._index.add(name, header, stamp)


@dataclasses.dataclass(frozen=True)
class Shard:
    """A memory-mapped shard: rows [n, values], and the mapping itself.

    Attributes:
        rows: [n, values] in the storage dtype, read-only.
        mapped: The file; `np.memmap` hides it, and with it `madvise`.
    """

    rows: np.ndarray
    mapped: mmap.mmap


def map_shard(path: Path) -> Shard:
    """Maps a `.npy` file of two dimensions.

    Raises:
        ValueError: If it is none.
    """
    with open(path, "rb") as file:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"'{path}' is of another version of the format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        flat = np.frombuffer(mapped, dtype, offset=file.tell())
    return Shard(flat.reshape(shape), mapped)


def _list_shards(directory: Path) -> tuple[dict[str, Stamp], set[str]]:
    """Returns the headers of a store, name -> stamp, and its data files."""
    headers, shards = {}, set()
    with os.scandir(directory) as entries:
        for entry in entries:
            name, _, kind = entry.name.rpartition(".")
            if kind == "json" and not name.startswith("."):
                headers[name] = _stamp(entry.stat())
            elif kind == "npy" and entry.is_file():
                shards.add(name)
    return headers, shards


def _stamp(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size


def _checksum(path: Path) -> int:
    """Returns the CRC-32 of a file, read in pieces."""
    checksum = 0
    with open(path, "rb") as file:
        while piece := file.read(1024**2):
            checksum = zlib.crc32(piece, checksum)
    return checksum

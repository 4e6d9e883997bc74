"""Activations at a cut, on disk: computed once, shared by runs and phases.

A store is a folder named by the hash of its recipe. It holds shards:
`NAME.npy`, [rows, values] with the frontier tensors of an image side by side,
and `NAME.json`, written last, with the keys of the rows and a checksum. A key
is an image's hash and a view. Shards never change; a name is the hash of its
keys, so that work done again gives the same file. One process fills a store at
a time; others wait for it and find its rows.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import json
import mmap
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from tlkeras import workdir
from tlkeras.errors import InputError

Key = tuple[str, int]  # (hash of an image's bytes, view)
SHARD_BYTES = 32 * 1024**2  # one is held in memory while it fills
MAX_SHARD_ROWS = 256  # what a killed process loses at most
STORAGE = {"float32": np.float32, "float16": np.float16}
MAX_FLOAT16 = 65504.0
# Damage; other errors of the system, too many open files, say, are none.
NO_FILE = (FileNotFoundError, IsADirectoryError)
MAX_MAPPED = 64  # shards that are mapped at once: each holds a descriptor


class CacheError(Exception):
    """The store cannot be used, and work goes on without it.

    The disk is full, say, or read-only; what was written before is whole.
    """


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the frontier of one image lies in a row.

    Attributes:
        shapes: Of the frontier tensors, without the batch dimension.
        storage: `float32` or `float16`.
    """

    shapes: tuple[tuple[int, ...], ...]
    storage: str

    @property
    def values(self) -> int:
        """Numbers in a row."""
        return int(sum(np.prod(shape) for shape in self.shapes))

    @property
    def row_bytes(self) -> int:
        """Size of a row on disk."""
        return self.values * np.dtype(STORAGE[self.storage]).itemsize

    @property
    def shard_rows(self) -> int:
        """Rows of a full shard, a multiple of 8."""
        rows = min(MAX_SHARD_ROWS, SHARD_BYTES // self.row_bytes)
        return max(8, rows // 8 * 8)

    def pack(self, tensors: Sequence[np.ndarray]) -> np.ndarray:
        """Returns tensors as rows in the storage dtype.

        Args:
            tensors: float32 [n, ...] each, of `shapes`.

        Returns:
            [n, values].

        Raises:
            InputError: If a number is too large for float16.
        """
        flat = [tensor.reshape(len(tensor), -1) for tensor in tensors]
        rows = np.concatenate(flat, axis=1)
        largest = float(np.abs(rows).max(initial=0.0))
        if self.storage == "float16" and largest > MAX_FLOAT16:
            raise InputError(
                f"An activation of {largest:.3g} does not fit into float16; "
                "expected numbers up to 65504: set "
                "--config.features.storage=float32."
            )
        return rows.astype(STORAGE[self.storage])

    def unpack(self, rows: np.ndarray) -> list[np.ndarray]:
        """Returns rows as the tensors that were packed.

        Args:
            rows: [n, values] in the storage dtype.

        Returns:
            float32 [n, ...] each, of `shapes`.
        """
        ends = list(itertools.accumulate(int(np.prod(s)) for s in self.shapes))
        starts = [0, *ends[:-1]]
        return [
            rows[:, start:end].astype(np.float32).reshape(-1, *shape)
            for start, end, shape in zip(starts, ends, self.shapes, strict=True)
        ]


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
        self._places: dict[Key, tuple[str, int]] = {}
        self._whole: set[str] = set()  # shards whose checksum was compared
        self._mapped: dict[str, Shard] = {}  # the last used ones, in order

    def missing(
        self, keys: Iterable[Key], *, repair: bool = False
    ) -> list[Key]:
        """Returns the keys, each once, that no whole shard holds.

        Shards that hold one of the keys are read once to compare checksums;
        the rows of a damaged one count as missing.

        Args:
            keys: To look for.
            repair: Remove damaged shards; only while the store is `locked`.

        Raises:
            CacheError: If the store cannot be read; it stays as it is.
        """
        keys = list(dict.fromkeys(keys))
        try:
            self._scan(set(keys), repair)
        except OSError as error:
            raise CacheError(str(error)) from None
        return [key for key in keys if key not in self._places]

    def _scan(self, wanted: set[Key], repair: bool) -> None:
        if not self.directory.is_dir():
            return
        for sidecar in sorted(self.directory.glob("[!.]*.json")):
            name = sidecar.stem
            if name in self._whole:
                continue
            keys, checksum = _read_header(sidecar)
            if keys and wanted.isdisjoint(keys):
                continue
            if not keys or not self._is_whole(name, keys, checksum):
                if repair:
                    self.repaired.append(name)
                    self._drop(name)
                continue
            self._whole.add(name)
            for row, key in enumerate(keys):
                self._places.setdefault(key, (name, row))

    def _is_whole(self, name: str, keys: list[Key], checksum: int) -> bool:
        path = self._data(name)
        try:
            if _checksum(path) != checksum:
                return False
            shape = map_shard(path).rows.shape
        except (*NO_FILE, ValueError):
            return False
        return shape == (len(keys), self.layout.values)

    def _shard(self, name: str) -> "Shard":
        shard = self._mapped.pop(name, None) or map_shard(self._data(name))
        self._mapped[name] = shard
        if len(self._mapped) > MAX_MAPPED:
            self._mapped.pop(next(iter(self._mapped)))
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
        for number, key in enumerate(keys):
            name, row = self._places[key]
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
        name = _shard_name(keys)
        path = self._data(name)
        try:
            with workdir.replacing(path) as temporary:
                np.save(temporary, rows)
                checksum = _checksum(temporary)
            header = {"checksum": checksum, "keys": keys}
            sidecar = self.directory / f"{name}.json"
            workdir.write_text(sidecar, json.dumps(header))
        except OSError as error:
            self._drop(name)
            raise CacheError(str(error)) from None
        self._whole.add(name)
        self._places.update((key, (name, row)) for row, key in enumerate(keys))


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


def _shard_name(keys: Sequence[Key]) -> str:
    text = json.dumps(keys)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _read_header(path: Path) -> tuple[list[Key], int]:
    """Returns the keys and the checksum; no keys if it is damaged."""
    try:
        header = json.loads(path.read_text("utf-8"))
        keys = [(digest, view) for digest, view in header["keys"]]
        is_whole = _shard_name(keys) == path.stem
        return keys if is_whole else [], header["checksum"]
    except (*NO_FILE, ValueError, KeyError, TypeError, RecursionError):
        return [], 0


def _checksum(path: Path) -> int:
    """Returns the CRC-32 of a file, read in pieces."""
    checksum = 0
    with open(path, "rb") as file:
        while piece := file.read(1024**2):
            checksum = zlib.crc32(piece, checksum)
    return checksum

"""Which row of which shard holds an image: one index of a store.

A store of a million images has hundreds of shards, each with its keys beside
it. To read them all at every start would take seconds, and as a dictionary they
would fill a quarter of a gigabyte: the index holds 28 bytes a key, sorted by a
hash, in one file. It is a copy of what the shards say, and is made again where
it is missing, damaged or older than they are.
"""

import base64
import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir

Key = tuple[str, int]  # (hash of an image's bytes, view)
NAME = "index.npz"
DIGEST_BYTES = 16
FOUND_AT_ONCE = 2**16  # keys that are looked for together
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: views far apart
Stamp = tuple[int, int]  # time of the last change in ns, bytes
ENTRY = np.dtype(
    [
        ("hash", "<u8"),
        ("low", "<u8"),
        ("view", "<i4"),
        ("shard", "<i4"),
        ("row", "<i4"),
    ]
)
# Damage; other errors of the system, too many open files, say, are none.
NO_FILE = (FileNotFoundError, IsADirectoryError)
NO_HEADER = (ValueError, KeyError, TypeError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Header:
    """What stands beside a shard.

    Attributes:
        keys: Of its rows, in order.
        checksum: CRC-32 of the shard's file.
    """

    keys: tuple[Key, ...]
    checksum: int


@dataclasses.dataclass(frozen=True, slots=True)
class ShardRow:
    """What the index knows of one shard.

    Attributes:
        stamp: Of its header when it was read.
        checksum: CRC-32 of its file.
    """

    stamp: Stamp
    checksum: int


def name_shard(keys: Sequence[Key]) -> str:
    """Returns 16 hex digits that say which rows a shard holds."""
    text = json.dumps(keys)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def format_header(header: Header, values: int) -> str:
    """Returns the text beside a shard: 22 bytes a key.

    Args:
        header: Its keys and checksum.
        values: Numbers in a row.
    """
    digests, views = zip(*header.keys, strict=True)
    raw = _digest_bytes(digests)
    return json.dumps(
        {
            "checksum": header.checksum,
            "values": values,
            "digests": base64.b64encode(raw).decode() if raw else digests,
            "views": views[0] if len(set(views)) == 1 else views,
        }
    )


def read_header(path: Path, values: int) -> Header | None:
    """Returns what stands beside a shard; None if it is damaged.

    Args:
        path: Of the header, which has the shard's name.
        values: Numbers in a row; a shard of other rows counts as damaged.

    Raises:
        OSError: If it is there and cannot be read.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        if found.get("values", values) != values:
            return None
        keys = tuple(_keys_of(found))
        is_whole = bool(keys) and name_shard(keys) == path.stem
        return Header(keys, found["checksum"]) if is_whole else None
    except (*NO_FILE, *NO_HEADER, AttributeError):
        return None


def _keys_of(found: dict[str, Any]) -> list[Key]:
    if "keys" in found:  # as versions of before wrote it
        return [(digest, view) for digest, view in found["keys"]]
    digests = found["digests"]
    if isinstance(digests, str):
        text = base64.b64decode(digests, validate=True).hex()
        size = 2 * DIGEST_BYTES
        digests = [text[i : i + size] for i in range(0, len(text), size)]
    views = found["views"]
    if isinstance(views, int):
        views = [views] * len(digests)
    return list(zip(digests, views, strict=True))


def pack_keys(keys: Iterable[Key], shard: int = -1) -> np.ndarray:
    """Returns keys as `ENTRY` [n], in their order, of rows 0 .. n - 1."""
    keys = list(keys)
    entries = np.empty(len(keys), ENTRY)
    digests = [digest for digest, _ in keys]
    raw = _digest_bytes(digests) or b"".join(
        hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
        for text in digests
    )
    halves = np.frombuffer(raw, "<u8").reshape(-1, 2)
    entries["view"] = np.fromiter((v for _, v in keys), np.int32, len(keys))
    entries["hash"] = halves[:, 0] ^ (entries["view"].astype("<u8") * SPREAD)
    entries["low"] = halves[:, 1]
    entries["shard"] = shard
    entries["row"] = np.arange(len(keys))
    return entries


def _digest_bytes(digests: Sequence[str]) -> bytes:
    """Returns 16 bytes for each digest; none if one is not that of a scan."""
    if set(map(len, digests)) != {2 * DIGEST_BYTES}:
        return b""
    try:
        return bytes.fromhex("".join(digests))
    except ValueError:
        return b""


class ShardIndex:
    """The index of a store.

    Args:
        directory: Of the store.
        values: Numbers in a row; an index of other rows is none.
    """

    def __init__(self, directory: Path, values: int) -> None:
        self.path = directory / NAME
        self.values = values
        self._shards: dict[str, ShardRow] = {}  # in the order of their numbers
        self._added: list[np.ndarray] = []  # what is not sorted in yet
        self._take(np.empty(0, ENTRY))  # what is, by hash
        self._is_saved = True
        self._load()

    def stamp_of(self, name: str) -> Stamp | None:
        """Returns since when a shard's header is known; None if it is not."""
        row = self._shards.get(name)
        return row.stamp if row else None

    def checksum_of(self, name: str) -> int:
        """Returns the CRC-32 that the file of a known shard had."""
        return self._shards[name].checksum

    def names(self) -> list[str]:
        """Returns the shards that are known."""
        return list(self._shards)

    def add(self, name: str, header: Header, stamp: Stamp) -> None:
        """Takes in a shard that the index does not know."""
        self._added.append(pack_keys(header.keys, len(self._shards)))
        self._shards[name] = ShardRow(stamp, header.checksum)
        self._is_saved = False

    def remove(self, gone: Collection[str]) -> None:
        """Forgets shards: they are not there any more, damaged or changed."""
        kept = np.array([name not in gone for name in self._shards], bool)
        if kept.all():
            return
        entries = self._sorted()
        entries = entries[kept[entries["shard"]]]
        entries["shard"] = (np.cumsum(kept) - 1)[entries["shard"]]
        self._take(entries)
        self._shards = {n: r for n, r in self._shards.items() if n not in gone}
        self._is_saved = False

    def find(self, keys: Sequence[Key]) -> np.ndarray:
        """Returns where keys are in the index, int64 [n]; -1 = nowhere."""
        found = np.full(len(keys), -1)
        for start in range(0, len(keys), FOUND_AT_ONCE):
            part = slice(start, start + FOUND_AT_ONCE)
            found[part] = self._find(pack_keys(keys[part]))
        return found

    def _find(self, wanted: np.ndarray) -> np.ndarray:
        entries, hashes = self._sorted(), self._hashes
        order = np.argsort(wanted["hash"])  # neighbours are found together
        places = np.empty(len(wanted), np.int64)
        places[order] = np.searchsorted(hashes, wanted["hash"][order])
        found = np.full(len(wanted), -1)
        rest = np.arange(len(wanted))
        while len(rest):  # again only where two hashes are equal
            rest = rest[places[rest] < len(hashes)]
            there, asked = entries[places[rest]], wanted[rest]
            is_near = there["hash"] == asked["hash"]
            is_it = is_near & (there["low"] == asked["low"])
            is_it &= there["view"] == asked["view"]
            found[rest[is_it]] = places[rest[is_it]]
            rest = rest[is_near & ~is_it]
            places[rest] += 1
        return found

    def locate(self, found: np.ndarray) -> list[tuple[str, int]]:
        """Returns [n] (shard, row) of what `find` found.

        Args:
            found: int64 [n], none of it -1.
        """
        there, names = self._sorted()[found], self.names()
        return [
            (names[shard], row)
            for shard, row in zip(
                there["shard"].tolist(), there["row"].tolist(), strict=True
            )
        ]

    def _sorted(self) -> np.ndarray:
        if self._added:
            entries = np.concatenate([self._entries, *self._added])
            order = np.argsort(entries["hash"], kind="stable")
            self._take(entries[order])
        return self._entries

    def _take(self, entries: np.ndarray) -> None:
        self._entries, self._added = entries, []
        # Apart, for a search would copy them out of the entries each time.
        self._hashes = np.ascontiguousarray(entries["hash"])

    def save(self) -> None:
        """Writes the index, if it is not there.

        Raises:
            OSError: If it cannot be written.
        """
        if self._is_saved:
            return
        rows = [[n, *r.stamp, r.checksum] for n, r in self._shards.items()]
        text = json.dumps({"values": self.values, "shards": rows})
        with workdir.replacing(self.path, durable=False) as temporary:
            np.savez(
                temporary,
                shards=np.frombuffer(text.encode(), np.uint8),
                entries=self._sorted(),
            )
        self._is_saved = True

    def _load(self) -> None:
        """Reads the file; a damaged one, which its checksums show, is none."""
        try:
            with np.load(self.path) as file:
                head = json.loads(file["shards"].tobytes())
                entries = file["entries"]
            shards = {
                name: ShardRow((changed, size), checksum)
                for name, changed, size, checksum in head["shards"]
            }
            is_of_these_rows = head["values"] == self.values
        except (OSError, *NO_HEADER, zipfile.BadZipFile, EOFError):
            return
        if entries.dtype == ENTRY and is_of_these_rows:
            self._shards = shards
            self._take(entries)

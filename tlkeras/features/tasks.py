"""Tasks of an extraction: groups of images, each of which becomes one shard."""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Sequence
from typing import Any

from tlkeras.data.dataset import Split
from tlkeras.features.shard_index import Key


@dataclasses.dataclass(frozen=True, slots=True)
class TaskImage:
    """One image of a task.

    Attributes:
        path: As the source names it.
        digest: Hash of the bytes that were scanned.
        file: That is decoded: the same, or a copy of it as PNG.
    """

    path: str
    digest: str
    file: str

    @property
    def key(self) -> Key:
        """Of its row in the store: as it is, not augmented."""
        return self.digest, 0


@dataclasses.dataclass(frozen=True, slots=True)
class BadImage:
    """An image that has no row, and why.

    Attributes:
        path: As the source names it.
        digest: Hash of the bytes that were scanned.
        reason: For people.
        is_final: Whether these bytes can never have a row. Not so where a file
            could not be read, or has changed: it is tried again.
    """

    path: str
    digest: str
    reason: str
    is_final: bool


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """Images of one shard, in order.

    Attributes:
        images: At least one.
    """

    images: tuple[TaskImage, ...]

    @property
    def name(self) -> str:
        """Hash of the keys: the same task, whoever plans it."""
        keys = json.dumps([image.key for image in self.images])
        return hashlib.blake2b(keys.encode(), digest_size=12).hexdigest()

    def encode(self) -> str:
        """Returns it as one line of JSON; any name of a file survives."""
        rows = [(i.path, i.digest, i.file) for i in self.images]
        return json.dumps(rows)

    @classmethod
    def decode(cls, line: str) -> "ShardTask":
        """Returns the task that `encode` made a line of."""
        return cls(tuple(TaskImage(*row) for row in json.loads(line)))


@dataclasses.dataclass(frozen=True)
class ShardRecord:
    """What became of a task.

    Attributes:
        name: Of the task.
        keys: [n] of the rows, in order.
        bad: Images without one.
        seconds: Of a core, that the attempt took which counts.
    """

    name: str
    keys: tuple[Key, ...]
    bad: tuple[BadImage, ...]
    seconds: float

    def encode(self) -> str:
        """Returns it as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def decode(cls, line: str) -> "ShardRecord":
        """Returns the record that `encode` made a line of."""
        values: dict[str, Any] = json.loads(line)
        return cls(
            values["name"],
            tuple((digest, view) for digest, view in values["keys"]),
            tuple(BadImage(**bad) for bad in values["bad"]),
            values["seconds"],
        )


def plan_tasks(
    split: Split,
    missing: Sequence[Key],
    *,
    bad: Collection[str],
    shard_rows: int,
) -> list[ShardTask]:
    """Divides what a store lacks of a split into shards.

    They are the shards that one process would write: with the rows of whole
    shards gone, the borders of the rest stay where they were.

    Args:
        split: The images.
        missing: Keys of its images, in the split's order.
        bad: Digests that can have no row.
        shard_rows: Rows of a full shard.
    """
    rows = {digest: row for row, digest in enumerate(split.digests)}
    files = split.files
    images = [
        TaskImage(split.paths[row], digest, files[row])
        for digest, _ in missing
        if digest not in bad
        for row in [rows[digest]]
    ]
    return [
        ShardTask(tuple(images[i : i + shard_rows]))
        for i in range(0, len(images), shard_rows)
    ]

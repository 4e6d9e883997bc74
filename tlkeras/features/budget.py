"""How many bytes of activations a phase may keep, and what is promised."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from tlkeras.data.dataset import Split
from tlkeras.data.views import Views

Place = tuple[str, Views]  # (hash of a split's images, how they are shown)


def place_of(split: Split, views: Views) -> Place:
    """Returns what stands for the rows of a split, equal for equal images."""
    text = json.dumps(split.digests)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), views


@dataclasses.dataclass(frozen=True)
class CacheBudget:
    """A limit, and the bytes that were promised below it.

    Attributes:
        max_bytes: Of all places together, whether their rows are on the disk
            already or not. None = half of the disk that is free when asked;
            what is on the disk is not free, so that no place counts twice.
        reserved: Bytes by place.
    """

    max_bytes: int | None = None
    reserved: Mapping[Place, int] = dataclasses.field(default_factory=dict)

    def limit(self, folder: Path) -> int:
        """Returns how many bytes there may be in all.

        Args:
            folder: Of the cache; need not exist.
        """
        if self.max_bytes is not None:
            return self.max_bytes
        return shutil.disk_usage(_existing(folder)).free // 2

    def others(self, place: Place) -> int:
        """Returns the bytes of the limit that other places hold."""
        if self.max_bytes is None:
            return 0
        return sum(v for key, v in self.reserved.items() if key != place)

    def reserve(self, place: Place, num_bytes: int) -> "CacheBudget":
        """Returns the budget with bytes promised to a place."""
        return dataclasses.replace(
            self, reserved={**self.reserved, place: num_bytes}
        )


def _existing(path: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    return path if path.exists() else _existing(path.parent)

"""What codes of many images take: time, storage and requests."""

import dataclasses
import math
from collections.abc import Sequence

from tlkeras.features.layout import Layout

WORKERS = (1, 16, 100, 1000)  # of one core each
DAY = 86400  # seconds
MANY = 10**9  # images, whose shards are full ones


@dataclasses.dataclass(frozen=True)
class CostModel:
    """What was measured of one image, one shard and one worker.

    Attributes:
        image_seconds: c: of a core, to decode an image and run the network.
        warm_up_seconds: Of a core, until a worker begins its first image.
        shard_seconds: o: of a worker, to write a shard.
        scan_seconds: Of a core of this machine, to look at an image once.
        file_seconds: Of this machine, to put a shard into the store.
        image_bytes: Of a file, on average.
        layout: Of an image's codes in the store.
    """

    image_seconds: float
    warm_up_seconds: float
    shard_seconds: float
    scan_seconds: float
    file_seconds: float
    image_bytes: float
    layout: Layout

    def num_shards(self, num_images: int) -> int:
        """Returns how many shards there will be."""
        return math.ceil(num_images / self.layout.shard_rows(num_images))

    def wall_seconds(self, num_images: int, num_workers: int) -> float:
        """Returns T = N c / W + warm-up + (N / R) o / W.

        The busiest worker counts: with fewer shards than workers, the rest of
        them have nothing to do.

        Args:
            num_images: N.
            num_workers: W, of one core each.
        """
        shards = self.num_shards(num_images)
        whole = num_images / shards * self.image_seconds + self.shard_seconds
        return self.warm_up_seconds + math.ceil(shards / num_workers) * whole

    def here_seconds(self, num_images: int, num_cores: int) -> float:
        """Returns what this machine does before, beside and after the workers.

        Args:
            num_images: N.
            num_cores: That look at images at a time.
        """
        scan = num_images * self.scan_seconds / num_cores
        return scan + self.num_shards(num_images) * self.file_seconds


def describe_costs(
    model: CostModel, numbers: Sequence[int], num_cores: int
) -> list[str]:
    """Returns the lines of a table, one for each number of images.

    Args:
        model: As it was measured.
        numbers: Of images.
        num_cores: Of this machine.
    """
    row_bytes = model.layout.row_bytes
    full = model.layout.shard_rows(MANY)
    lines = [
        f"an image: {1000 * model.image_seconds:.1f} ms of a core, "
        f"{_size(model.image_bytes)} read, {_size(row_bytes)} of codes; "
        f"looked at here first: {1000 * model.scan_seconds:.1f} ms",
        f"a worker: {model.warm_up_seconds:.1f} s until it begins; a shard of "
        f"{full} images: {1000 * model.shard_seconds:.0f} ms to "
        f"write, {1000 * model.file_seconds:.0f} ms to file here",
        "",
        f"{'images':>14} {'here':>9} "
        + " ".join(f"{f'{w} cores':>10}" for w in WORKERS)
        + f" {'codes':>10} {'read':>10} {'shards':>10}",
    ]
    for number in numbers:
        here = _time(model.here_seconds(number, num_cores))
        walls = [_time(model.wall_seconds(number, w)) for w in WORKERS]
        codes = _size(number * row_bytes)
        read = _size(number * model.image_bytes)
        lines.append(
            f"{number:>14,} {here:>9} "
            + " ".join(f"{wall:>10}" for wall in walls)
            + f" {codes:>10} {read:>10} {model.num_shards(number):>10,}"
        )
    return lines


def _time(seconds: float) -> str:
    """Returns a time for people, of two digits and more."""
    for unit, length in (("d", DAY), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _size(num_bytes: float) -> str:
    """Returns a size for people, in powers of 1000 as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if num_bytes < 1000:
            return f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"

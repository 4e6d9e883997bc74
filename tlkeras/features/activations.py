"""The frontier of a frozen prefix for the images of a split, cached or live."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tlkeras.data.parallel import ordered_map
from tlkeras.features.cache import (
    ActivationCache,
    CacheError,
    DamagedShardError,
)
from tlkeras.features.engine import Engine
from tlkeras.features.shard_index import Key

# (rows of a split [n], views [n]) -> images [n, S, S, 3] in 0..255; called by
# several threads.
ReadImages = Callable[[np.ndarray, np.ndarray], np.ndarray]


def wanted_keys(digests: Sequence[str], num_views: int) -> dict[Key, int]:
    """Returns key -> row of a split, view by view."""
    return {
        (digest, view): row
        for view in range(num_views)
        for row, digest in enumerate(digests)
    }


def run_engine(
    engine: Engine, images: np.ndarray, *, num_workers: int
) -> list[np.ndarray]:
    """Runs an engine over images of any number, in several streams.

    Args:
        engine: A compiled prefix.
        images: [N, S, S, 3] in 0..255, in the engine's dtype.
        num_workers: Threads.

    Returns:
        float32 [N, ...] for each frontier tensor.
    """
    size = engine.batch_size
    parts = [images[i : i + size] for i in range(0, len(images), size)]
    return _concatenate(
        list(ordered_map(engine.run, parts, num_workers=num_workers))
    )


@dataclasses.dataclass
class Activations:
    """Rows of a split as the frozen prefix sees them.

    Attributes:
        get_engine: Gives the compiled prefix; called when a row is missing.
        read_images: Decodes, and augments where the view says so.
        digests: [N] hash of each image's bytes.
        cache: Where rows are kept, or None: the engine runs each time.
        num_workers: Streams of the engine.
        on_loss: Told why the cache is given up after it was filled.
        on_repair: Told the name of a shard that was damaged and done again.
    """

    get_engine: Callable[[], Engine]
    read_images: ReadImages
    digests: tuple[str, ...]
    cache: ActivationCache | None
    num_workers: int
    on_loss: Callable[[CacheError], None] = lambda error: None
    on_repair: Callable[[str], None] = lambda name: None
    _num_views: int = dataclasses.field(default=1, init=False)

    def fill(
        self,
        num_views: int,
        *,
        on_images: Callable[[int], None] = lambda done: None,
        on_wait: Callable[[], None] = lambda: None,
    ) -> int:
        """Computes what the cache lacks of views 0 .. num_views - 1.

        Args:
            num_views: Of each image.
            on_images: Told how many rows are done.
            on_wait: Called if another process is filling the same store.

        Returns:
            Number of rows that were computed.

        Raises:
            CacheError: If it cannot be filled; the cache is given up then.
        """
        cache = self.cache
        assert cache is not None
        self._num_views = num_views
        wanted = wanted_keys(self.digests, num_views)
        try:
            if not cache.missing(wanted):
                return 0
            with cache.locked(on_wait):
                missing = cache.missing(wanted, repair=True)
                self._fill(cache, missing, wanted, on_images)
        except CacheError:
            self.cache = None
            raise
        while cache.repaired:
            self.on_repair(cache.repaired.pop())
        return len(missing)

    def _fill(
        self,
        cache: ActivationCache,
        missing: list[Key],
        rows: dict[Key, int],
        on_images: Callable[[int], None],
    ) -> None:
        size = cache.layout.shard_rows(len(rows))
        ready: list[np.ndarray] = []
        held = written = 0
        indices = np.array([rows[key] for key in missing])
        views = np.array([view for _, view in missing])
        for tensors in self._run(indices, views):
            ready.append(cache.layout.pack(tensors))
            held += len(ready[-1])
            on_images(written + held)
            if held >= size or written + held == len(missing):
                keys = missing[written : written + held]
                cache.write(keys, np.concatenate(ready))
                written += held
                ready, held = [], 0

    def _run(
        self, rows: np.ndarray, views: np.ndarray
    ) -> Iterator[list[np.ndarray]]:
        """Decodes and infers: each worker does both for its own few images.

        Args:
            rows: int64 [n] places in the split.
            views: int64 [n].

        Yields:
            float32 [<= batch size, ...] for each frontier tensor, in order.
        """
        engine = self.get_engine()
        size = engine.batch_size
        parts = [slice(i, i + size) for i in range(0, len(rows), size)]
        return ordered_map(
            lambda part: engine.run(self.read_images(rows[part], views[part])),
            parts,
            num_workers=self.num_workers + 1,  # one decodes, the others infer
        )

    def rows(self, rows: np.ndarray, views: np.ndarray) -> list[np.ndarray]:
        """Returns the frontier of some images, cached or computed now.

        Args:
            rows: int64 [n] places in the split.
            views: int64 [n] which view of each.

        Returns:
            float32 [n, ...] for each frontier tensor.
        """
        if self.cache is not None:
            keys = [
                (self.digests[row], int(view))
                for row, view in zip(rows, views, strict=True)
            ]
            try:
                return self._read(self.cache, keys)
            except CacheError as error:  # somebody emptied the folder
                self.cache = None
                self.on_loss(error)
        return _concatenate(list(self._run(rows, views)))

    def _read(
        self, cache: ActivationCache, keys: list[Key]
    ) -> list[np.ndarray]:
        for _ in keys:  # each may lie in a shard that is damaged
            try:
                return cache.read(keys)
            except DamagedShardError:
                self.fill(self._num_views)
        return cache.read(keys)

    def batches(self, batch_size: int) -> Iterator[list[np.ndarray]]:
        """Yields the frontier of the whole split in order, view 0.

        Args:
            batch_size: Images at a time, at least 1.

        Yields:
            float32 [n <= batch_size, ...] for each frontier tensor.
        """
        for start in range(0, len(self.digests), batch_size):
            stop = min(start + batch_size, len(self.digests))
            rows = np.arange(start, stop)
            yield self.rows(rows, np.zeros_like(rows))

    def all_rows(self) -> list[np.ndarray]:
        """Returns the frontier of the whole split, view 0.

        Returns:
            float32 [N, ...] for each frontier tensor.
        """
        return _concatenate(list(self.batches(256)))


def _concatenate(parts: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Returns pieces [n, ...] of each frontier tensor as one [N, ...]."""
    return [np.concatenate(tensors) for tensors in zip(*parts, strict=True)]

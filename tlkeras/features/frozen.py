"""A frozen prefix at work: its engine and its cache in one place."""

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.views import Views
from tlkeras.errors import InputError
from tlkeras.features.activations import (
    Activations,
    ReadImages,
    wanted_keys,
)
from tlkeras.features.budget import CacheBudget, place_of
from tlkeras.features.cache import ActivationCache, CacheError, Layout
from tlkeras.features.engine import Engine, FrozenNetwork
from tlkeras.features.recipe import recipe_hash

CACHING = ("auto", "on", "off")
TIMED_BATCHES = 3  # of each worker
MakeReader = Callable[[Split, Views], ReadImages]


@dataclasses.dataclass(frozen=True)
class FeatureSettings:
    """How frozen parts are computed; see `config/defaults.py`.

    Attributes:
        engine: `auto`, `keras` or `openvino`.
        precision: `auto`, `float32` or `bfloat16`.
        cache: `auto`, `on` or `off`.
        storage: `float32` or `float16`.
        store: Folder of the cache; "" = below the folder that runs share.
        max_cache_bytes: Of one phase; None = half of the free disk.
        num_workers: Threads that decode and infer.
    """

    engine: str = "auto"
    precision: str = "auto"
    cache: str = "auto"
    storage: str = "float32"
    store: str = ""
    max_cache_bytes: int | None = None
    num_workers: int = 1


def pixel_dtype(views: Views) -> np.dtype:
    """Returns the type in which images come to an engine."""
    return np.dtype(np.uint8 if views.is_plain else np.float32)


class FrozenPrefix:
    """Gives the activations of any split at one cut.

    The engine is compiled when the first row is missing: a run whose rows are
    all cached never compiles one.

    Args:
        network: Images -> frontier, and the engine for it.
        make_reader: (split, views) -> reader of its images.
        views: Of the training images.
        settings: Of the cache.
        console: For people.
    """

    def __init__(
        self,
        network: FrozenNetwork,
        make_reader: MakeReader,
        views: Views,
        settings: FeatureSettings,
        console: Console,
    ) -> None:
        self.network = network
        self.make_reader = make_reader
        self.views = views
        self.plain = dataclasses.replace(views, augmentation=None, copies=())
        self.settings = settings
        self.console = console
        self._is_given_up = False
        self._seconds_an_image: float | None = None
        self._caches: dict[str, ActivationCache] = {}
        self.budget = CacheBudget(settings.max_cache_bytes)
        self.dtype = pixel_dtype(views)
        self.layout = Layout(network.shapes, settings.storage)

    @property
    def engine(self) -> Engine:
        """The compiled prefix."""
        return self.network.engine

    @property
    def precision(self) -> str:
        """What the engine computes in."""
        return self.network.decision.precision

    def obstacle(self, split: Split, views: Views) -> str:
        """Returns why a split cannot be cached, or "".

        Args:
            split: Its images; what is cached already costs nothing, unless
                `max_cache_bytes` says how much there may be in all.
            views: How they are shown.

        Raises:
            InputError: If `cache="on"` asks for what does not fit.
        """
        if self.settings.cache == "off":
            return "features.cache is off"
        if self._is_given_up:
            return "the cache cannot be used"
        others = self.budget.others(place_of(split, views))
        limit = self.budget.limit(self.root)
        row = self.layout.row_bytes
        num_rows = len(split) * views.count
        if self.budget.max_bytes is None and num_rows * row > limit:
            keys = wanted_keys(split.digests, views.count)
            num_rows = len(self.cache_of(views, split.definition).missing(keys))
        needed = num_rows * row
        if others + needed <= limit:
            return ""
        text = (
            f"{num_rows} x {_size(row)} = {_size(needed)} of "
            f"activations pass the limit of {_size(limit)}"
            + (f", of which {_size(others)} are in use" if others else "")
        )
        if self.settings.cache == "on":
            raise InputError(
                f"The cut cannot be cached: {text}; expected a smaller "
                "frontier: raise --config.features.max_cache_bytes, choose a "
                "cutoff further up, or set --config.features.cache=auto."
            )
        return text

    def expected_seconds(self, split: Split, views: Views) -> float:
        """Returns how long computing what a cache lacks of a split will take.

        A few images are timed; nothing of them is kept.

        Args:
            split: Its images.
            views: How they are shown.
        """
        missing = len(split) * views.count
        if not self.obstacle(split, views):
            keys = wanted_keys(split.digests, views.count)
            missing = len(self.cache_of(views, split.definition).missing(keys))
        if missing and self._seconds_an_image is None:
            self._seconds_an_image = self._time_images(split)
        return missing * (self._seconds_an_image or 0.0)

    def _time_images(self, split: Split) -> float:
        """Returns the seconds that one image takes, as training shows it."""
        self.network.engine  # noqa: B018  is compiled before the clock runs
        parts = TIMED_BATCHES * (self.settings.num_workers + 1)
        rows = np.arange(parts * self.network.engine.batch_size)
        rows %= len(split)
        live = self.activations(split, self.views, what="", live=True)
        begun = time.perf_counter()
        live.rows(rows, np.zeros_like(rows))
        return (time.perf_counter() - begun) / len(rows)

    def activations(
        self, split: Split, views: Views, *, what: str, live: bool = False
    ) -> Activations:
        """Returns a split's activations, computed where a cache lacks them.

        Args:
            split: Its images.
            views: How they are shown: the prefix' own, or `plain`.
            what: For the progress line.
            live: Keep nothing; each use runs the engine, as where there is an
                `obstacle`.
        """
        read = self.make_reader(split, views)
        result = Activations(
            get_engine=lambda: self.network.engine,
            read_images=lambda rows, shown: read(rows, shown).astype(
                self.dtype, copy=False
            ),
            digests=split.digests,
            cache=None,
            num_workers=self.settings.num_workers,
            on_loss=lambda error: self._give_up(error, what),
            on_repair=lambda name: self.console.line(
                f"  the shard {name} was damaged: done again"
            ),
        )
        if not live and not self.obstacle(split, views):
            needed = len(split) * views.count * self.layout.row_bytes
            self.budget = self.budget.reserve(place_of(split, views), needed)
            cache = self.cache_of(views, split.definition)
            self._fill(result, cache, views, what)
        return result

    def _fill(
        self,
        result: Activations,
        cache: ActivationCache,
        views: Views,
        what: str,
    ) -> None:
        result.cache = cache
        num_views = views.count
        total = num_views * len(result.digests)
        size = _size(total * self.layout.row_bytes)
        self.console.start(what, total)
        try:
            computed = result.fill(
                num_views,
                on_images=self.console.advance_to,
                on_wait=lambda: self.console.line(
                    "  another process fills this cache; waiting for it"
                ),
            )
        except CacheError as error:
            self.console.stop()
            self._give_up(error, f"{what}, {size},")
            return
        finally:
            self.console.stop()
        self.console.line(
            f"  {what}: {computed} of {total} computed, "
            f"{total - computed} cached, {size}"
        )

    def _give_up(self, error: CacheError, what: str) -> None:
        self._is_given_up = True
        self.console.line(
            f"  the cache is given up, {what} run live: {error}; free its "
            "disk, or set TLKERAS_CACHE to another folder"
        )

    @property
    def root(self) -> Path:
        """Folder of the stores."""
        if self.settings.store:
            return Path(self.settings.store)
        return workdir.cache_directory() / "activations"

    def cache_of(
        self, views: Views, definition: ImageDefinition
    ) -> ActivationCache:
        """Returns the store of images that are shown in some way.

        Args:
            views: How they are shown.
            definition: What their pixels are.
        """
        decision = self.network.decision
        name = recipe_hash(
            self.network.graph,
            engine=decision.engine,
            precision=decision.precision,
            storage=self.settings.storage,
            views=views,
            definition=definition,
        )
        if name not in self._caches:
            self._caches[name] = ActivationCache(self.root / name, self.layout)
        return self._caches[name]


def _size(num_bytes: int) -> str:
    """Returns a size for people."""
    value = float(num_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.1f} {unit}"

"""A frozen prefix at work: engine, precision gate and cache in one place."""

import dataclasses
import functools
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.views import Views
from tlkeras.errors import InputError
from tlkeras.features.activations import Activations, ReadImages
from tlkeras.features.cache import ActivationCache, Layout, OutOfSpaceError
from tlkeras.features.engines import (
    Engine,
    choose_engine,
    engine_obstacle,
    reference_outputs,
)
from tlkeras.features.precision_gate import compare_precision
from tlkeras.features.recipe import graph_hash, recipe_hash
from tlkeras.runtime import installed_versions

GATE_IMAGES = 256
SAMPLE_IMAGES = 8


@dataclasses.dataclass(frozen=True)
class FeatureSettings:
    """How frozen parts are computed; see `config/defaults.py`.

    Attributes:
        engine: `auto`, `keras` or `openvino`.
        precision: `auto`, `float32` or `bfloat16`.
        cache: `auto`, `on` or `off`.
        storage: `float32` or `float16`.
        max_cache_bytes: Of one phase; None = half of the free disk.
        num_workers: Threads that decode and infer.
    """

    engine: str = "auto"
    precision: str = "auto"
    cache: str = "auto"
    storage: str = "float32"
    max_cache_bytes: int | None = None
    num_workers: int = 1


class FrozenPrefix:
    """Gives the activations of any split at one cut.

    The engine is compiled when the first row is missing: a run whose rows are
    all cached never compiles one.

    Args:
        prefix: Images -> frontier; its weights must be final.
        train: The training split: its images decide about the engine.
        make_reader: (split, views) -> reader of its images.
        views: Of the training images.
        settings: Engine, precision and cache.
        console: For people.
    """

    def __init__(
        self,
        prefix: keras.Model,
        train: Split,
        make_reader: Callable[[Split, Views], ReadImages],
        views: Views,
        settings: FeatureSettings,
        console: Console,
    ) -> None:
        self.prefix = prefix
        self.train = train
        self.make_reader = make_reader
        self.views = views
        self.plain = dataclasses.replace(views, augmentation=None)
        self.settings = settings
        self.console = console
        self.dtype = np.dtype(np.float32 if views.augmentation else np.uint8)
        shapes = [
            tuple(t.shape[1:]) for t in keras.tree.flatten(prefix.outputs)
        ]
        self.layout = Layout(tuple(shapes), settings.storage)

    @functools.cached_property
    def engine(self) -> Engine:
        """The compiled prefix, after the checks of `choose_engine`."""
        name, precision = self._named_engine
        choice = choose_engine(
            self.prefix,
            self._sample(SAMPLE_IMAGES),
            engine=name,
            precision=precision,
            num_streams=self.settings.num_workers,
        )
        return choice.engine

    @functools.cached_property
    def _named_engine(self) -> tuple[str, str]:
        """Engine and precision, decided once for a prefix and remembered."""
        path = (
            workdir.cache_directory() / "engines" / f"{self._question()}.json"
        )
        remembers = self.settings.cache != "off"
        if remembers and path.exists():
            stored = workdir.read_json(path)
            if not engine_obstacle(stored["engine"]):
                self._say(
                    stored["engine"], stored["precision"], stored["reason"]
                )
                return stored["engine"], stored["precision"]
        precision, reasons = self._checked_precision()
        choice = choose_engine(
            self.prefix,
            self._sample(SAMPLE_IMAGES),
            engine=self.settings.engine,
            precision=precision,
            num_streams=self.settings.num_workers,
        )
        self.__dict__["engine"] = choice.engine
        reason = "; ".join([choice.reason, *reasons])
        answer = {
            "engine": choice.engine.name,
            "precision": precision,
            "reason": reason,
        }
        self._say(**answer)
        if remembers:
            workdir.make_directory(path.parent, what="cache folder")
            workdir.write_json(path, answer)
        return choice.engine.name, precision

    @property
    def precision(self) -> str:
        """What the engine computes in."""
        return self._named_engine[1]

    def _say(self, engine: str, precision: str, reason: str) -> None:
        self.console.line(f"  engine {engine} in {precision}: {reason}")

    def _question(self) -> str:
        """Returns a hash of what the choice of an engine depends on."""
        digest = hashlib.blake2b(digest_size=12)
        digest.update(self._graph.encode())
        digest.update(f"{self.settings.engine} {self.dtype}".encode())
        digest.update(f"{self.settings.precision}".encode())
        digest.update(str(sorted(installed_versions().items())).encode())
        if self.settings.precision == "bfloat16":
            digest.update(str(self.train.digests).encode())
        return digest.hexdigest()

    @functools.cached_property
    def _graph(self) -> str:
        return graph_hash(self.prefix)

    def _sample(self, count: int) -> np.ndarray:
        """Returns images spread over the training split."""
        rows = self._sample_rows(count)
        read = self.make_reader(self.train, self.plain)
        return read(rows, np.zeros_like(rows)).astype(self.dtype)

    def _sample_rows(self, count: int) -> np.ndarray:
        count = min(count, len(self.train))
        return np.linspace(0, len(self.train) - 1, count).astype(np.int64)

    def _checked_precision(self) -> tuple[str, list[str]]:
        """Resolves the precision, holding bfloat16 against the images."""
        own = keras.tree.flatten(self.prefix.outputs)[0].dtype
        wanted = self.settings.precision
        if wanted in ("auto", own):
            return own, []
        if wanted != "bfloat16" or own != "float32":
            raise InputError(
                f"features.precision={wanted} does not fit a network that "
                f"computes in {own}; expected auto: set "
                "--config.features.precision=auto."
            )
        engine = choose_engine(
            self.prefix,
            self._sample(SAMPLE_IMAGES),
            engine=self.settings.engine,
            precision=wanted,
            num_streams=self.settings.num_workers,
        ).engine
        images = self._sample(GATE_IMAGES)
        size = engine.batch_size
        parts = range(0, len(images), size)
        pairs = [
            (
                reference_outputs(self.prefix, images[i : i + size]),
                engine.run(images[i : i + size]),
            )
            for i in parts
        ]
        reference, values = (
            [np.concatenate(t) for t in zip(*side, strict=True)]
            for side in zip(*pairs, strict=True)
        )
        report = compare_precision(
            reference,
            values,
            self.train.targets[self._sample_rows(GATE_IMAGES)],
        )
        verdict = "accepted" if report.passed else "refused"
        return (
            wanted if report.passed else own,
            [f"bfloat16 is {verdict}: {report}"],
        )

    def obstacle(self, num_rows: int) -> str:
        """Returns why rows cannot be cached, or "".

        Args:
            num_rows: Of all splits and views of a phase.

        Raises:
            InputError: If `cache="on"` asks for what does not fit.
        """
        if self.settings.cache == "off":
            return "features.cache is off"
        needed = num_rows * self.layout.row_bytes
        limit = self.settings.max_cache_bytes
        if limit is None:
            limit = shutil.disk_usage(_existing(workdir.cache_directory())).free
            limit //= 2
        if needed <= limit:
            return ""
        text = (
            f"{num_rows} x {_size(self.layout.row_bytes)} = {_size(needed)} of "
            f"activations pass the limit of {_size(limit)}"
        )
        if self.settings.cache == "on":
            raise InputError(
                f"The cut cannot be cached: {text}; expected a smaller "
                "frontier: raise --config.features.max_cache_bytes, choose a "
                "cutoff further up, or set --config.features.cache=auto."
            )
        return text

    def activations(
        self, split: Split, views: Views, *, cached: bool, what: str
    ) -> Activations:
        """Returns a split's activations, computed where a cache lacks them.

        Args:
            split: Its images.
            views: How they are shown: the prefix' own, or `plain`.
            cached: Whether rows are kept; otherwise each use runs the engine.
            what: For the progress line.
        """
        read = self.make_reader(split, views)
        result = Activations(
            get_engine=lambda: self.engine,
            read_images=lambda rows, shown: read(rows, shown).astype(
                self.dtype, copy=False
            ),
            digests=split.digests,
            cache=None,
            num_workers=self.settings.num_workers,
        )
        if cached:
            self._fill(result, views, what)
        return result

    def _fill(self, result: Activations, views: Views, what: str) -> None:
        result.cache = ActivationCache(self._store(views), self.layout)
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
        except OutOfSpaceError as error:
            self.console.stop()
            self.console.line(
                f"  the cache is given up, {what} run live: {error}; free "
                f"{size} on its disk"
            )
            return
        finally:
            self.console.stop()
        for name in result.cache.repaired:
            self.console.line(f"  the shard {name} was damaged: done again")
        self.console.line(
            f"  {what}: {computed} of {total} computed, "
            f"{total - computed} cached, {size}"
        )

    def _store(self, views: Views) -> Path:
        root = workdir.make_directory(
            workdir.cache_directory() / "activations", what="cache folder"
        )
        engine, precision = self._named_engine
        return root / recipe_hash(
            self._graph,
            engine=engine,
            precision=precision,
            storage=self.settings.storage,
            views=views,
        )


def _existing(path: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    return path if path.exists() else _existing(path.parent)


def _size(num_bytes: int) -> str:
    """Returns a size for people."""
    value = float(num_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.1f} {unit}"

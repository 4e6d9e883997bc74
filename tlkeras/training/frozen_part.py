"""What a phase freezes, as activations that training reads."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.dataset import Split
from tlkeras.data.epoch import stream_seed
from tlkeras.data.views import Views, image_keys
from tlkeras.errors import GateError
from tlkeras.features.activations import (
    Activations,
    ReadImages,
    run_engine,
)
from tlkeras.features.frozen import FeatureSettings, FrozenPrefix
from tlkeras.models.inference import run_batches, run_outputs
from tlkeras.models.split import SplitClassifier, split_classifier
from tlkeras.training.context import RunContext
from tlkeras.training.phases import Phase

# Largest relative difference between the logits of the stitched model and
# those of prefix + suffix: rounding in float32, and what 16 bits may lose.
STITCH_TOLERANCE = {"float32": 1e-3, "float16": 5e-2, "bfloat16": 2e-1}
PROOF_IMAGES = 32


def phase_views(phase: Phase, run: RunContext) -> Views:
    """Returns how a phase shows the training images."""
    augment = run.config.data.augment.to_dict()
    return Views(
        augmentation=Augmentation(**augment) if phase.augment else None,
        num_views=run.config.features.num_views,
        seed=stream_seed(run.config.seed, "views"),
    )


def feature_settings(config: ConfigDict) -> FeatureSettings:
    """Returns the settings of frozen parts in a config."""
    features = config.features
    return FeatureSettings(
        engine=config.runtime.engine,
        precision=features.precision,
        cache=features.cache,
        storage=features.storage,
        max_cache_bytes=features.max_cache_bytes,
        num_workers=config.runtime.num_workers or os.cpu_count() or 1,
    )


def reader_factory(image_size: int) -> Callable[[Split, Views], ReadImages]:
    """Returns what makes readers of square images.

    Args:
        image_size: Side of the images, pixels.
    """

    def make_reader(split: Split, views: Views) -> ReadImages:
        from tlkeras.data.reader import ViewReader  # brings TensorFlow

        return ViewReader(split, (image_size, image_size), views)

    return make_reader


@dataclasses.dataclass
class FrozenPart:
    """A phase's frozen prefix, and the suffix that trains.

    Attributes:
        parts: Prefix and suffix.
        prefix: The prefix at work.
        splits: The data set's, by name.
        train: Activations of the training images, in the phase's views.
    """

    parts: SplitClassifier
    prefix: FrozenPrefix
    splits: Mapping[str, Split]
    train: Activations
    _plain: dict[str, Activations] = dataclasses.field(default_factory=dict)

    @property
    def is_cached(self) -> bool:
        """Whether training reads its rows from the cache."""
        return self.train.cache is not None

    @property
    def is_exact(self) -> bool:
        """Whether activations are the model's own numbers, up to rounding."""
        own = self.parts.prefix.outputs[0].dtype
        return (
            self.prefix.precision == own
            and self.prefix.settings.storage == "float32"
        )

    @property
    def suffix(self) -> keras.Model:
        """Frontier -> logits."""
        return self.parts.suffix

    def plain(self, split: str) -> Activations:
        """Returns the activations of a split's images, not augmented."""
        if split not in self._plain:
            self._plain[split] = self.prefix.activations(
                self.splits[split], self.prefix.plain, what=f"{split} images"
            )
        return self._plain[split]

    def logits(self, split: str, batch_size: int) -> np.ndarray:
        """Runs prefix, or cache, and suffix over a split: float32 [N, C].

        Args:
            split: Name; its images are not augmented.
            batch_size: Of the suffix.
        """
        batches = self.plain(split).batches(batch_size)
        return run_batches(self.suffix, map(as_inputs, batches))

    def codes_and_logits(
        self, split: str, batch_size: int
    ) -> tuple[np.ndarray, ...]:
        """Returns a split's CNN codes [N, d] and logits [N, C] in one pass."""
        batches = self.plain(split).batches(batch_size)
        return run_outputs(
            self.parts.suffix_with_codes, map(as_inputs, batches)
        )

    def cached_batches(
        self,
        order: Iterator[tuple[int, int, np.ndarray]],
        split: Split,
        class_weights: np.ndarray | None,
    ) -> Iterator[tuple[Any, ...]]:
        """Yields (frontier, targets[, weights]) of cached rows."""
        keys = image_keys(split)
        for epoch, _, chosen in order:
            views = self.prefix.views.of_epoch(keys[chosen], epoch)
            targets = split.targets[chosen]
            weights = (
                () if class_weights is None else (targets @ class_weights,)
            )
            yield as_inputs(self.train.rows(chosen, views)), targets, *weights

    def live_batches(
        self, batches: Iterator[tuple[np.ndarray, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """Yields (frontier, targets[, weights]) of batches of pixels."""
        for images, *others in batches:
            tensors = run_engine(
                self.prefix.engine,
                images.astype(self.prefix.dtype),
                num_workers=self.prefix.settings.num_workers,
            )
            yield as_inputs(tensors), *others


def build_frozen_part(
    phase: Phase, run: RunContext, cut: int, *, uses: int
) -> FrozenPart:
    """Splits the classifier and computes, or finds, what is frozen.

    Args:
        phase: Its augmentation decides about views.
        run: Whose classifier is frozen below the cutoff already.
        cut: Index of the first suffix layer of the backbone.
        uses: How often the phase asks for each training image.
    """
    parts = split_classifier(run.classifier, cut)
    views = phase_views(phase, run)
    train = run.dataset.splits["train"]
    prefix = FrozenPrefix(
        parts.prefix,
        train,
        reader_factory(run.classifier.image_size),
        views,
        feature_settings(run.config),
        run.console,
    )
    shapes = ", ".join("x".join(map(str, s)) for s in parts.frontier_shapes)
    run.console.line(f"{phase.name}: frozen part gives {shapes} an image")
    why_live = _why_live(prefix, train, uses)
    if why_live:
        run.console.line(f"  training images run live: {why_live}")
    elif uses > 1:
        run.console.line(
            f"  {uses} epochs read {len(train) * views.count} rows of the "
            f"cache instead of {uses * len(train)} passes through the prefix"
        )
    rows = prefix.activations(
        train, views, what="training images", live=bool(why_live)
    )
    frozen = FrozenPart(parts, prefix, run.dataset.splits, rows)
    frozen.plain("validation")
    return frozen


def _why_live(prefix: FrozenPrefix, train: Split, uses: int) -> str:
    """Returns why training images are not cached, or ""."""
    views = prefix.views
    if views.augmentation and views.augmentation.mixes_images:
        return "MixUp and CutMix combine pixels of several images"
    if views.augmentation and views.num_views is None:
        return (
            "each epoch has views of its own; --config.features.num_views=K "
            "goes round K"
        )
    wanted = prefix.settings.cache == "on"
    if views.augmentation and views.count >= uses and not wanted:
        return f"{uses} passes would use none of {views.count} views twice"
    return prefix.obstacle(train, views)


def as_inputs(tensors: list[np.ndarray]) -> Any:
    """Returns what a model takes: the one tensor, or a tuple of several."""
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def prove_stitched(phase: Phase, run: RunContext, frozen: FrozenPart) -> float:
    """Makes sure that the whole model equals prefix + suffix.

    Returns:
        The largest difference of logits on held-out images, relative to the
        largest logit.

    Raises:
        GateError: If it passes `STITCH_TOLERANCE`.
    """
    count = min(PROOF_IMAGES, len(run.dataset.splits["validation"]))
    rows = np.arange(count)
    frontier = frozen.plain("validation").rows(rows, np.zeros_like(rows))
    in_parts = run_batches(frozen.suffix, [as_inputs(frontier)])
    images = frozen.prefix.make_reader(
        run.dataset.splits["validation"], frozen.prefix.plain
    )(rows, np.zeros_like(rows))
    whole = run_batches(run.classifier.model, [images])
    scale = max(float(np.abs(whole).max()), 1e-6)
    error = float(np.abs(in_parts - whole).max()) / scale
    # The coarsest of what the network, the engine and the disk compute in.
    own = frozen.parts.prefix.outputs[0].dtype
    storage = frozen.prefix.settings.storage
    tolerance = max(
        STITCH_TOLERANCE[precision]
        for precision in (own, frozen.prefix.precision, storage)
    )
    if not error <= tolerance:
        raise GateError(
            f"The phase '{phase.name}' cannot be trusted: the whole model's "
            f"logits differ from prefix + suffix by {error:.2e} of the largest "
            f"(limit {tolerance:g}); train with --config.features.cache=off "
            "--config.runtime.engine=keras and report this."
        )
    run.console.line(
        f"{phase.name}: stitched; {error:.1e} between the whole model and "
        f"prefix + suffix on {count} held-out images (limit {tolerance:g})"
    )
    return error

"""What a phase freezes, as activations that training reads."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.views import image_keys
from tlkeras.errors import GateError
from tlkeras.evaluation.metrics import largest_error
from tlkeras.features.activations import (
    Activations,
    run_engine,
)
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.classifier import Classifier
from tlkeras.models.inference import run_batches, run_outputs
from tlkeras.models.split import SplitClassifier, split_classifier
from tlkeras.training.phases import Phase
from tlkeras.training.prefixes import open_prefix
from tlkeras.training.reading import (
    phase_views,
)

# Largest relative difference between the logits of the stitched model and
# those of prefix + suffix: rounding in float32, and what 16 bits may lose.
STITCH_TOLERANCE = {"float32": 1e-3, "float16": 5e-2, "bfloat16": 2e-1}
PROOF_IMAGES = 32
# Told of seconds that are to come; what they are too many for, it may raise.
Expect = Callable[[float], None]


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
        """Yields (frontier, targets [n, C][, weights [n]]) of cached rows.

        Args:
            order: (epoch, step, rows [n]) of each batch.
            split: Whose rows they are.
            class_weights: [C], or None.
        """
        keys = image_keys(split)
        for epoch, _, chosen in order:
            views = self.prefix.views.of_epoch(keys[chosen], epoch)
            targets = split.targets_of(chosen)
            weights = (
                () if class_weights is None else (targets @ class_weights,)
            )
            yield as_inputs(self.train.rows(chosen, views)), targets, *weights

    def live_batches(
        self, batches: Iterator[tuple[np.ndarray, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        """Yields (frontier, targets [n, C][, weights [n]]) of live batches.

        Args:
            batches: (images [n, S, S, 3], targets[, weights]).
        """
        for images, *others in batches:
            tensors = run_engine(
                self.prefix.engine,
                images.astype(self.prefix.dtype),
                num_workers=self.prefix.settings.num_workers,
            )
            yield as_inputs(tensors), *others


def build_frozen_part(
    phase: Phase,
    config: ConfigDict,
    classifier: Classifier,
    splits: Mapping[str, Split],
    console: Console,
    *,
    cut: int,
    uses: int,
    expect: Expect | None = None,
) -> FrozenPart:
    """Splits the classifier and computes, or finds, what is frozen.

    Args:
        phase: Its augmentation decides about views.
        config: Of the run.
        classifier: Frozen below the cutoff already.
        splits: `train` and `validation` at least.
        console: For people.
        cut: Index of the first suffix layer of the backbone.
        uses: How often the phase asks for each training image.
        expect: Told of the seconds that it will take, before.
    """
    parts = split_classifier(classifier, cut)
    views = phase_views(phase, config)
    train = splits["train"]
    prefix = open_prefix(parts.prefix, train, config, console, views=views)
    shapes = ", ".join("x".join(map(str, s)) for s in parts.frontier_shapes)
    console.line(f"{phase.name}: frozen part gives {shapes} an image")
    why_live = _why_live(prefix, train, uses)
    if why_live:
        console.line(f"  training images run live: {why_live}")
    elif uses > 1:
        console.line(
            f"  {uses} epochs read {len(train) * views.count} rows of the "
            f"cache instead of {uses * len(train)} passes through the prefix"
        )
    if expect is not None:
        seconds = prefix.expected_seconds(splits["validation"], prefix.plain)
        if not why_live:
            seconds += prefix.expected_seconds(train, views)
        expect(seconds)
    rows = prefix.activations(
        train, views, what="training images", live=bool(why_live)
    )
    frozen = FrozenPart(parts, prefix, splits, rows)
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
    """Returns what a model takes: one tensor [N, ...], or a tuple of them."""
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def prove_stitched(
    name: str, classifier: Classifier, frozen: FrozenPart, console: Console
) -> float:
    """Makes sure that the whole model equals prefix + suffix.

    Args:
        name: Of the phase.
        classifier: Whole.
        frozen: Whose suffix shares its layers.
        console: For people.

    Returns:
        The largest difference of logits on held-out images, relative to the
        largest logit.

    Raises:
        GateError: If it passes `STITCH_TOLERANCE`.
    """
    held_out = frozen.splits["validation"]
    count = min(PROOF_IMAGES, len(held_out))
    rows = np.arange(count)
    frontier = frozen.plain("validation").rows(rows, np.zeros_like(rows))
    in_parts = run_batches(frozen.suffix, [as_inputs(frontier)])
    images = frozen.prefix.make_reader(held_out, frozen.prefix.plain)(
        rows, np.zeros_like(rows)
    )
    whole = run_batches(classifier.model, [images])
    error = largest_error(in_parts, whole)
    # The coarsest of what the network, the engine and the disk compute in.
    own = frozen.parts.prefix.outputs[0].dtype
    storage = frozen.prefix.settings.storage
    tolerance = max(
        STITCH_TOLERANCE[precision]
        for precision in (own, frozen.prefix.precision, storage)
    )
    if not error <= tolerance:
        raise GateError(
            f"The phase '{name}' cannot be trusted: the whole model's "
            f"logits differ from prefix + suffix by {error:.2e} of the largest "
            f"(limit {tolerance:g}); train with --config.features.cache=off "
            "--config.runtime.engine=keras and report this."
        )
    console.line(
        f"{name}: stitched; {error:.1e} between the whole model and "
        f"prefix + suffix on {count} held-out images (limit {tolerance:g})"
    )
    return error

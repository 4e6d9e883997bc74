"""What the phases of a run share."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.epoch import balanced_class_weights
from tlkeras.evaluation.metrics import (
    compute_summary,
    per_image_scores,
    primary_metric,
)
from tlkeras.models.classifier import Classifier
from tlkeras.models.inference import run_batches, run_outputs
from tlkeras.training.history import History
from tlkeras.training.state import Checkpoints, Progress

if TYPE_CHECKING:
    from tlkeras.data.pipeline import ImageBatches
    from tlkeras.training.frozen_part import FrozenPart


@dataclasses.dataclass
class RunContext:
    """A run in progress.

    Attributes:
        config: Locked, validated.
        directory: The run directory.
        dataset: Labelled images in splits.
        classifier: The model and its parts.
        num_workers: Threads that decode images.
        console: For people.
        history: Rows of `history.csv`.
        checkpoints: Files below `checkpoints/`.
        progress: Where the run stands.
        counted_until: Clock up to which `progress.total_seconds` counts.
        slots: Optimizer slots of the last `fit` phase.
        frozen: Frozen part of the phase whose weights the model has, if that
            phase ran in this process.
        first_kernel: [h, w, channels, filters] of the first convolution before
            training; None where the backbone has no convolution.
    """

    config: ConfigDict
    directory: Path
    dataset: Dataset
    classifier: Classifier
    num_workers: int
    console: Console
    history: History
    checkpoints: Checkpoints
    progress: Progress = dataclasses.field(default_factory=Progress)
    counted_until: float = dataclasses.field(default_factory=time.perf_counter)
    slots: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    frozen: "FrozenPart | None" = None
    first_kernel: np.ndarray | None = None
    _batches: dict[str, "ImageBatches"] = dataclasses.field(
        default_factory=dict
    )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the network's input, pixels."""
        return (self.classifier.image_size,) * 2

    @property
    def metric(self) -> str:
        """The metric that models are chosen by, without prefix."""
        return primary_metric(self.multi_label)

    @property
    def multi_label(self) -> bool:
        """Whether images may carry several labels."""
        return self.classifier.head.multi_label

    @property
    def class_weights(self) -> np.ndarray | None:
        """[C] weights of the loss, or None."""
        if self.config.data.class_weighting == "none":
            return None
        return balanced_class_weights(self.dataset.splits["train"].targets)

    def images(self, split: str) -> "ImageBatches":
        """Returns a split's images in order, decoded once where they fit."""
        from tlkeras.data.pipeline import ImageBatches  # brings TensorFlow

        if split not in self._batches:
            self._batches[split] = ImageBatches(
                self.dataset.splits[split],
                self.size,
                batch_size=self.config.evaluation.batch_size,
                num_workers=self.num_workers,
                max_decoded_bytes=self.config.data.max_decoded_bytes,
            )
        return self._batches[split]

    def release(self, split: str) -> None:
        """Lets go of a split's decoded images."""
        self._batches.pop(split, None)

    def summarize(
        self, split: str, logits: np.ndarray
    ) -> tuple[dict[str, float], np.ndarray]:
        """Returns a split's metrics and per-image scores [N] for its logits."""
        targets = self.dataset.splits[split].targets
        metrics = compute_summary(
            targets, logits, loss=self.classifier.head.loss
        )
        return metrics, per_image_scores(
            targets, logits, multi_label=self.multi_label
        )

    def validate(
        self, frozen: "FrozenPart | None" = None
    ) -> tuple[dict[str, float], np.ndarray]:
        """Runs the model over the validation split; the loss may be NaN.

        Args:
            frozen: Of the phase, whose activations save the frozen part.
        """
        logits = self._logits("validation", frozen)
        if not np.isfinite(logits).all():
            broken = {"loss": float("nan"), self.metric: 0.0}
            return broken, np.zeros(len(logits))
        return self.summarize("validation", logits)

    def compute_logits(self, split: str) -> np.ndarray:
        """Returns the model's logits for a split, float32 [N, C].

        Through the activations of the phase whose weights the model has,
        where there are such: they are proved to give the same.
        """
        return self._logits(split, self.frozen)

    def compute_codes_and_logits(self, split: str) -> tuple[np.ndarray, ...]:
        """Returns a split's CNN codes [N, d] and logits [N, C] in one pass.

        The codes are those that enter the last layer.
        """
        if self.frozen is None:
            classifier = self.classifier
            both = [classifier.codes, *classifier.model.outputs]
            (images,) = classifier.model.inputs
            model = keras.Model(images, both, name="codes_and_logits")
            return run_outputs(model, self.images(split))
        return self.frozen.codes_and_logits(
            split, self.config.evaluation.batch_size
        )

    def _logits(self, split: str, frozen: "FrozenPart | None") -> np.ndarray:
        if frozen is None:
            return run_batches(self.classifier.model, self.images(split))
        return frozen.logits(split, self.config.evaluation.batch_size)

    def commit(
        self, optimizer: keras.optimizers.Optimizer | None = None
    ) -> None:
        """Writes the checkpoint."""
        now = time.perf_counter()
        self.progress.total_seconds += now - self.counted_until
        self.counted_until = now
        self.checkpoints.commit(
            self.progress, self.classifier.model, optimizer, self.slots
        )

"""What the phases of a run take, and what they give back."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Split
from tlkeras.data.pipeline import ImageBatches
from tlkeras.evaluation.metrics import (
    compute_summary,
    per_image_scores,
    primary_metric,
)
from tlkeras.models.classifier import Classifier
from tlkeras.models.inference import run_batches, run_outputs
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.history import History
from tlkeras.training.one_device import ONE, Distribution
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import PhaseOutcome
from tlkeras.training.state import Checkpoints


@dataclasses.dataclass(frozen=True)
class RunContext:
    """What stays the same from the first phase of a run to the last.

    Attributes:
        config: Locked, validated.
        directory: The run directory.
        dataset: Labelled images in splits.
        classifier: The model and its parts.
        phases: What is to be trained, in order.
        precision: The policy that the model computes in, e.g. `float32`.
        num_workers: Threads that decode images.
        console: For people.
        history: Rows of `history.csv`.
        checkpoints: Files below `checkpoints/`.
        first_kernel: [h, w, channels, filters] of the first convolution before
            training; None where the backbone has no convolution.
        distribution: Devices on which phases are fitted.
    """

    config: ConfigDict
    directory: Path
    dataset: Dataset
    classifier: Classifier
    phases: tuple[ResolvedPhase, ...]
    precision: str
    num_workers: int
    console: Console
    history: History
    checkpoints: Checkpoints
    first_kernel: np.ndarray | None = None
    distribution: Distribution = ONE
    _batches: dict[str, ImageBatches] = dataclasses.field(default_factory=dict)

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

    def images(self, split: str) -> ImageBatches:
        """Returns a split's images in order, decoded once where they fit."""
        if split not in self._batches:
            self._batches[split] = self._read(
                self.dataset.splits[split], self.config.data.max_decoded_bytes
            )
        return self._batches[split]

    def shuffled_images(self) -> ImageBatches:
        """Returns the training images, so that each batch is a sample of all.

        For statistics of a batch: in order, a batch would be of one class. The
        order is the same for every seed of a run, and so are the statistics.
        """
        return self._read(self.dataset.splits["train"].shuffle(), 0)

    def _read(self, split: Split, max_decoded_bytes: int) -> ImageBatches:
        return ImageBatches(
            split,
            self.size,
            batch_size=self.config.evaluation.batch_size,
            num_workers=self.num_workers,
            max_decoded_bytes=max_decoded_bytes,
        )

    def release(self, split: str) -> None:
        """Lets go of a split's decoded images."""
        self._batches.pop(split, None)

    def summarize(
        self, split: str, logits: np.ndarray
    ) -> tuple[dict[str, float], np.ndarray]:
        """Returns what a split's logits are worth.

        Args:
            split: Its name.
            logits: float [N, C].

        Returns:
            `loss` and the primary metric, and the per-image scores [N].
        """
        targets = self.dataset.splits[split].targets
        metrics = compute_summary(
            targets, logits, loss=self.classifier.head.loss
        )
        return metrics, per_image_scores(
            targets, logits, multi_label=self.multi_label
        )

    def validate(
        self, frozen: FrozenPart | None
    ) -> tuple[dict[str, float], np.ndarray]:
        """Runs the model over the validation split; the loss may be NaN.

        Of several processes the chief's numbers count, so that all decide
        alike.

        Args:
            frozen: Of the phase, whose activations save the frozen part; None
                runs the whole model.

        Returns:
            As `summarize`: metrics, and scores [N].
        """
        logits = self.distribution.of_chief(
            self.compute_logits("validation", frozen)
        )
        if not np.isfinite(logits).all():
            broken = {"loss": float("nan"), self.metric: 0.0}
            return broken, np.zeros(len(logits))
        return self.summarize("validation", logits)

    def compute_logits(
        self, split: str, frozen: FrozenPart | None
    ) -> np.ndarray:
        """Returns the model's logits for a split, float32 [N, C].

        Args:
            split: Its name.
            frozen: Of the phase whose weights the model has: its activations
                are proved to give the same.
        """
        if frozen is None:
            return run_batches(self.classifier.model, self.images(split))
        return frozen.logits(split, self.config.evaluation.batch_size)

    def compute_codes_and_logits(
        self, split: str, frozen: FrozenPart | None
    ) -> tuple[np.ndarray, ...]:
        """Returns a split's CNN codes [N, d] and logits [N, C] in one pass.

        The codes are those that enter the last layer.

        Args:
            split: Its name.
            frozen: As for `compute_logits`.
        """
        if frozen is not None:
            return frozen.codes_and_logits(
                split, self.config.evaluation.batch_size
            )
        classifier = self.classifier
        both = [classifier.codes, *classifier.model.outputs]
        (images,) = classifier.model.inputs
        model = keras.Model(images, both, name="codes_and_logits")
        return run_outputs(model, self.images(split))


@dataclasses.dataclass(frozen=True)
class PhaseResult:
    """What a phase gives back; the spine decides what stays of it.

    Attributes:
        outcome: Not yet compared with the weights before.
        frozen: Its frozen part, where its activations are the model's own
            numbers; None = later passes run the whole model.
        slots: Optimizer slots, name -> array [...], that the next phase may go
            on with; None leaves those of the phase before.
        timings: `seconds/...` -> seconds to add to the run's.
    """

    outcome: PhaseOutcome
    frozen: FrozenPart | None
    slots: dict[str, np.ndarray] | None = None
    timings: Mapping[str, float] = dataclasses.field(default_factory=dict)

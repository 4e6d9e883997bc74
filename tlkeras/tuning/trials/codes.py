"""The codes that heads are tuned on: one pass over the images, or none."""

import dataclasses
import functools

import numpy as np
from ml_collections import ConfigDict

from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.epoch import balanced_class_weights
from tlkeras.data.load import load_configured
from tlkeras.evaluation.metrics import compute_summary
from tlkeras.models.classifier import freeze_at
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier
from tlkeras.optim.losses import Loss
from tlkeras.training.build import (
    build_from_config,
    require_fitting_head,
    set_up_model,
)
from tlkeras.training.prefixes import open_prefix


@dataclasses.dataclass(frozen=True)
class HeadCodes:
    """Codes of the training and validation images.

    Attributes:
        dataset: Without its test split.
        codes: `train` and `validation` -> float32 [N, d].
    """

    dataset: Dataset
    codes: dict[str, np.ndarray]

    @property
    def size(self) -> int:
        """Numbers d in a code."""
        return self.codes["train"].shape[1]

    @functools.cached_property
    def targets(self) -> dict[str, np.ndarray]:
        """float32 [N, C] of `train` and `validation`, for all heads at once."""
        return {name: self.dataset.splits[name].targets for name in self.codes}

    def summarize(self, logits: np.ndarray, *, loss: Loss) -> dict[str, float]:
        """Returns `loss` and the primary metric of validation logits [M, C]."""
        return compute_summary(self.targets["validation"], logits, loss=loss)

    @functools.cached_property
    def class_weights(self) -> np.ndarray:
        """[N] balanced weights of the training images."""
        train = self.dataset.splits["train"]
        return train.labels @ balanced_class_weights(train.label_counts())


def load_head_codes(config: ConfigDict, console: Console) -> HeadCodes:
    """Computes the codes below the head, or finds them in the cache.

    They are those of the run that the trainer would make of this config, from
    the same cache. The test images are not touched.

    Args:
        config: With a frozen backbone.
        console: For progress.

    Raises:
        InputError: For unusable data, or a head that does not suit it.
    """
    validate(config)
    set_up_model(config)
    dataset = load_configured(config, console=console)
    require_fitting_head(config, dataset)
    seen = {n: s for n, s in dataset.splits.items() if n != "test"}
    dataset = dataclasses.replace(dataset, splits=seen)
    classifier = build_from_config(config, dataset)
    top = len(topological_layers(classifier.backbone))
    freeze_at(classifier, top, batch_norm="frozen")
    parts = split_classifier(classifier, top)
    train = dataset.splits["train"]
    prefix = open_prefix(parts.prefix, train, config, console)
    codes = {}
    for name, split in seen.items():
        rows = prefix.activations(split, prefix.plain, what=f"{name} codes")
        codes[name] = np.ascontiguousarray(rows.all_rows()[0])
    return HeadCodes(dataset, codes)

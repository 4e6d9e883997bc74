"""What advice rests on, apart from training: similarity, profile, size."""

import dataclasses

import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Split
from tlkeras.models.classifier import Classifier
from tlkeras.models.depths import block_ends
from tlkeras.optim.losses import LOSSES, Loss
from tlkeras.studies.depth_codes import compute_depth_codes
from tlkeras.studies.depth_profile import Profile, measure_profile
from tlkeras.studies.learning_curve import LearningCurve, measure_learning_curve
from tlkeras.studies.similarity import (
    Similarity,
    measure_similarity,
    why_unknown,
)
from tlkeras.training.reading import read_pixels

PIXELS = 16  # side of the images whose raw pixels are classified


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was measured on the images.

    Attributes:
        images: Train and validation, or a part of them.
        codes: Depth -> float [N, d], of those with a linear classifier.
        loss: Of the linear classifiers.
        similarity: None where it is unknown.
        why_unknown: The reason, or "".
        profile: Accuracy by depth.
        curve: Accuracy by number of images, at the best depth.
    """

    images: Split
    codes: dict[str, np.ndarray]
    loss: Loss
    similarity: Similarity | None
    why_unknown: str
    profile: Profile
    curve: LearningCurve

    def __len__(self) -> int:
        return len(self.images)


def gather_findings(
    config: ConfigDict,
    classifier: Classifier,
    dataset: Dataset,
    images: Split,
    *,
    num_folds: int,
    console: Console,
) -> Findings:
    """Measures what needs no training.

    Args:
        config: Its seed, pooling, `features` and `runtime` count.
        classifier: Built from it.
        dataset: Where the images are from.
        images: N of its train and validation images.
        num_folds: Of every cross-validation.
        console: For progress.
    """
    unknown = why_unknown(classifier, config.model.weights)
    similarity = (
        None
        if unknown
        else measure_similarity(config, classifier, images, console)
    )
    layers = block_ends(classifier.backbone)
    codes = compute_depth_codes(config, classifier, images, layers, console)
    loss = LOSSES["binary" if dataset.multi_label else "softmax"]
    console.line("classifiers by depth")
    profile = measure_profile(
        layers,
        codes,
        read_pixels(images, PIXELS),
        images.targets,
        loss=loss,
        num_folds=num_folds,
        seed=config.seed,
        groups=images.groups,
    )
    by_layer = dict(zip(layers, codes, strict=True))
    best = profile.best
    assert best.linear is not None
    curve = measure_learning_curve(
        by_layer[best.layer],
        images.targets,
        best.linear,
        loss=loss,
        num_folds=num_folds,
        seed=config.seed,
        groups=images.groups,
    )
    return Findings(
        images=images,
        codes={d.layer: by_layer[d.layer] for d in profile.fitted},
        loss=loss,
        similarity=similarity,
        why_unknown=unknown,
        profile=profile,
        curve=curve,
    )

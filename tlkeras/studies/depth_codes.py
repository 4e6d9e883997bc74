"""The images that a study of a backbone is about, and their codes."""

import dataclasses

import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Split
from tlkeras.features.codes import build_code_model
from tlkeras.models.classifier import Classifier
from tlkeras.training.reading import plain_prefix


def draw_images(dataset: Dataset, max_images: int, seed: int) -> Split:
    """Returns train and validation together, or a part of them.

    Args:
        dataset: Its test split is left alone.
        max_images: At most so many.
        seed: Of drawing them.
    """
    members = [dataset.splits[name] for name in ("train", "validation")]
    both = dataclasses.replace(
        members[0],
        paths=sum((m.paths for m in members), ()),
        targets=np.concatenate([m.targets for m in members]),
        digests=sum((m.digests for m in members), ()),
        hashes=(),
        copies=members[0].copies | members[1].copies,
    )
    return both.draw(max_images, seed)


def compute_depth_codes(
    config: ConfigDict,
    classifier: Classifier,
    images: Split,
    depths: list[str],
    console: Console,
) -> list[np.ndarray]:
    """Computes the codes of each depth in one pass over the images.

    Args:
        config: Its pooling and its `features` and `runtime` sections count.
        classifier: Whose backbone it is.
        images: N of them.
        depths: Names of layers.
        console: For progress.

    Returns:
        float32 [N, d] for each depth.
    """
    pooling = config.model.pooling
    if pooling == "flatten":
        pooling = "average"
        console.line("codes are averaged over positions, not flattened")
    network = build_code_model(classifier, depths, pooling=pooling)
    prefix = plain_prefix(network, images, config, console)
    console.line(f"codes of {len(depths)} depths, {len(images)} images")
    return prefix.activations(images, prefix.views, what="codes").all_rows()

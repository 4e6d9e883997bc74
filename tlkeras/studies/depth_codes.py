"""The images that a study of a backbone is about, and their codes."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
from ml_collections import ConfigDict
from scipy import sparse

from tlkeras.console import Console
from tlkeras.data.augmented_copies import AUGMENTED_COPIES
from tlkeras.data.dataset import Dataset, Split
from tlkeras.data.views import Views
from tlkeras.features.codes import build_code_model
from tlkeras.models.classifier import Classifier
from tlkeras.training.prefixes import open_prefix

READ_ROWS = 256  # of a cache at a time: they hold the codes of all depths


def draw_images(dataset: Dataset, max_images: int, seed: int) -> Split:
    """Returns train and validation together, or a part of them.

    Args:
        dataset: Its test split is left alone.
        max_images: At most so many.
        seed: Of drawing them.
    """
    members = [dataset.splits[name] for name in ("train", "validation")]
    return join_splits(members).draw(max_images, seed)


def join_splits(members: Sequence[Split]) -> Split:
    """Returns the images of splits as one, without perceptual hashes."""
    return dataclasses.replace(
        members[0],
        paths=sum((m.paths for m in members), ()),
        labels=sparse.vstack([m.labels for m in members], format="csr"),
        digests=sum((m.digests for m in members), ()),
        hashes=(),
        copies={k: v for m in members for k, v in m.copies.items()},
        groups=sum((m.groups for m in members), ()),
    )


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
    if config.model.pooling == "flatten":
        console.line("codes are averaged over positions, not flattened")
    network = _build_network(config, classifier, depths)
    prefix = open_prefix(network, images, config, console)
    console.line(f"codes of {len(depths)} depths, {len(images)} images")
    return prefix.activations(images, prefix.views, what="codes").all_rows()


def compute_copy_codes(
    config: ConfigDict,
    classifier: Classifier,
    images: Split,
    depths: list[str],
    codes: list[np.ndarray],
    num_copies: int,
    console: Console,
) -> list[np.ndarray]:
    """Computes the codes of each depth for copies of the images.

    Args:
        config: Its pooling and its `features` and `runtime` sections count.
        classifier: Whose backbone it is.
        images: N of them.
        depths: Names of layers.
        codes: [N, d] for each depth, of the whole images: the first copies,
            which are not computed again.
        num_copies: K of `AUGMENTED_COPIES`, at least 2.
        console: For progress.

    Returns:
        float32 [K, N, d] for each depth.
    """
    network = _build_network(config, classifier, depths)
    views = Views(None, num_copies - 1, seed=0, copies=AUGMENTED_COPIES[1:])
    prefix = open_prefix(network, images, config, console, views=views)
    rows = prefix.activations(images, views, what="codes of copies")
    copies = [np.empty((num_copies, *c.shape), np.float32) for c in codes]
    for whole, depth in zip(codes, copies, strict=True):
        depth[0] = whole
    for view in range(views.count):
        for start in range(0, len(images), READ_ROWS):
            chosen = np.arange(start, min(start + READ_ROWS, len(images)))
            read = rows.rows(chosen, np.full_like(chosen, view))
            for part, depth in zip(read, copies, strict=True):
                depth[view + 1, chosen] = part
    return copies


def _build_network(
    config: ConfigDict, classifier: Classifier, depths: list[str]
) -> keras.Model:
    pooling = config.model.pooling
    return build_code_model(
        classifier,
        depths,
        pooling="average" if pooling == "flatten" else pooling,
    )

"""The codes of the images of all splits, by the network before training."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Split
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.classifier import Classifier
from tlkeras.studies.depth_codes import join_splits
from tlkeras.training.code_prefix import top_network
from tlkeras.training.prefixes import open_prefix

MAX_IMAGES = 100_000  # of all splits; of more, so many are drawn
# What is mended after a look at the test split flatters it.
DOUBTED = ("train", "validation")


@dataclasses.dataclass(frozen=True)
class SplitCodes:
    """Images and their codes.

    Attributes:
        splits: Split name -> images.
        codes: Split name -> float [N, ...], in their order.
        num_left: Images that were not drawn.
    """

    splits: Mapping[str, Split]
    codes: Mapping[str, np.ndarray]
    num_left: int

    def join_doubted(self) -> tuple[Split, np.ndarray]:
        """Returns what may be doubted.

        Returns:
            The images of `DOUBTED`, N, and their codes, float [N, ...].
        """
        return (
            join_splits([self.splits[name] for name in DOUBTED]),
            np.concatenate([self.codes[name] for name in DOUBTED]),
        )


def build_top_prefix(
    classifier: Classifier,
    dataset: Dataset,
    config: ConfigDict,
    console: Console,
) -> FrozenPrefix:
    """Returns images as they are -> codes, by the whole backbone.

    Args:
        classifier: With the weights that a run begins with.
        dataset: Its training images choose the engine.
        config: Its `features` and `runtime` sections count.
        console: For progress.
    """
    network = top_network(classifier)
    return open_prefix(network, dataset.splits["train"], config, console)


def compute_split_codes(
    prefix: FrozenPrefix, dataset: Dataset, seed: int
) -> SplitCodes:
    """Computes the codes of at most `MAX_IMAGES` images.

    Args:
        prefix: From `build_top_prefix`.
        dataset: Each split gives its share.
        seed: Of drawing them.
    """
    members = dataset.splits
    total = sum(map(len, members.values()))
    share = min(1.0, MAX_IMAGES / total)
    splits = {
        name: split.draw(max(1, int(share * len(split))), seed)
        for name, split in members.items()
    }
    codes = {
        name: prefix.activations(
            split, prefix.plain, what=f"codes of {name}"
        ).all_rows()[0]
        for name, split in splits.items()
    }
    num_left = total - sum(map(len, splits.values()))
    return SplitCodes(splits, codes, num_left)

"""Views of an image: which augmented copy an epoch sees; needs no TensorFlow.

Epoch e of a phase shows view (offset(seed, image) + e) mod K of an image, where
K is `features.num_views`; without it every epoch has a view of its own. What a
view looks like is a pure function of (seed, image, view), so that a view can be
computed once, by whichever run or phase comes first.
"""

import dataclasses
import hashlib

import numpy as np

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.augmented_copies import AugmentedCopy
from tlkeras.data.dataset import Split


@dataclasses.dataclass(frozen=True)
class Views:
    """How the images of a phase are shown.

    Attributes:
        augmentation: What makes a view, or None: there is one, the image.
        num_views: K >= 1, or None for a new view each epoch.
        seed: Of the views, a non-negative int32; the same for all phases.
        copies: Fixed views instead of augmented ones: view v is copy v, of
            which the first `num_views` are shown.
    """

    augmentation: Augmentation | None
    num_views: int | None
    seed: int
    copies: tuple[AugmentedCopy, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether images are shown as they are."""
        return self.augmentation is None and not self.copies

    @property
    def count(self) -> int:
        """Different views that a phase shows of an image, where limited."""
        if self.is_plain or self.num_views is None:
            return 1
        return self.num_views

    def of_epoch(self, keys: np.ndarray, epoch: int | np.ndarray) -> np.ndarray:
        """Returns which view an epoch shows of each image.

        Args:
            keys: int64 [N], from `image_keys`.
            epoch: Counted from 0.

        Returns:
            int64 [N], in 0 .. K - 1; the epoch where K is None.
        """
        if self.augmentation is None:
            return np.zeros_like(keys)
        if self.num_views is None:
            return np.full_like(keys, epoch)
        return (self.offsets(keys) + epoch) % self.num_views

    def offsets(self, keys: np.ndarray) -> np.ndarray:
        """Returns the view of each image in epoch 0 before the modulus.

        Args:
            keys: int64 [N], from `image_keys`.

        Returns:
            int64 [N], in 0 .. 65535.
        """
        # 2^32 over the golden ratio (Knuth's multiplicative hash); bits 16..31
        # of the product are the best mixed of the low 32.
        mixed = (keys ^ np.int64(self.seed)) * np.int64(0x9E3779B1)
        return (mixed >> np.int64(16)) & np.int64(0xFFFF)


UNCHANGED = Views(augmentation=None, num_views=None, seed=0)


def image_keys(split: Split) -> np.ndarray:
    """Returns a number for each image that depends on its bytes only.

    Returns:
        int64 [N], non-negative.
    """
    return np.array(
        [
            int.from_bytes(
                hashlib.blake2b(digest.encode(), digest_size=8).digest()
            )
            >> 1
            for digest in split.digests
        ],
        np.int64,
    )

"""Reading the fixed copies of any images of a split, from any thread."""

import math
from collections.abc import Sequence

import numpy as np

from tlkeras.data.augmented_copies import AugmentedCopy
from tlkeras.data.dataset import Split
from tlkeras.data.pipeline import naming_bad_files, read_files
from tlkeras.data.resampling import rotate


class CopyReader:
    """Gives copies of images: view v of an image is copy v.

    Args:
        split: The images.
        size: (height, width) that the network takes.
        copies: What there is to show.
    """

    def __init__(
        self,
        split: Split,
        size: tuple[int, int],
        copies: Sequence[AugmentedCopy],
    ) -> None:
        self.split = split
        self.size = size
        self.copies = copies

    def __call__(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Returns images float32 [n, height, width, 3] in 0..255.

        Args:
            rows: [n] places in the split.
            views: [n] which copy of each.

        Raises:
            InputError: If a file cannot be decoded; it is named.
        """
        images = np.empty((len(rows), *self.size, 3), np.float32)
        for view in np.unique(views):
            copy = self.copies[view]
            chosen = np.flatnonzero(views == view)
            pixels = self._read(rows[chosen], copy.load_size(self.size))
            images[chosen] = show_copy(pixels, self.size, copy)
        return images

    def _read(self, rows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        split = self.split
        with naming_bad_files(split, size):
            return read_files(
                [split.files[row] for row in rows], size, split.definition
            )


def show_copy(
    images: np.ndarray, size: tuple[int, int], copy: AugmentedCopy
) -> np.ndarray:
    """Makes one copy of each image.

    Args:
        images: uint8 [n, H, W, 3], read at the copy's `load_size`.
        size: (height, width) of the result, pixels.
        copy: What to show.

    Returns:
        [n, height, width, 3] in 0..255; beyond the border of a rotated image
        its last pixel repeats.
    """
    if copy.corner is not None:
        top, left = (
            round(share * (loaded - side))
            for share, loaded, side in zip(
                copy.corner, images.shape[1:3], size, strict=True
            )
        )
        images = images[:, top : top + size[0], left : left + size[1]]
    if copy.degrees:
        angle = math.radians(copy.degrees)
        whole = images.astype(np.float32)
        images = np.stack([rotate(image, angle) for image in whole])
    return images[:, :, ::-1] if copy.is_mirrored else images

"""Reading any views of any images of a split, from any thread."""

import math

import numpy as np

from tlkeras.data.augmenting import augment_views
from tlkeras.data.dataset import Split
from tlkeras.data.pipeline import decode_split, naming_bad_files, read_files
from tlkeras.data.views import Views, image_keys


class ViewReader:
    """Gives images as they are, or augmented where views are.

    One function makes every view, whoever asks: the cache and the live batches
    of training hold the same numbers to the last bit.

    Args:
        split: The images.
        size: (height, width) that the network takes.
        views: How they are shown.
        num_workers: Threads that decode ahead, where images are kept.
        max_decoded_bytes: Decoded images are kept in memory up to this size.
    """

    def __init__(
        self,
        split: Split,
        size: tuple[int, int],
        views: Views,
        *,
        num_workers: int = 1,
        max_decoded_bytes: int = 0,
    ) -> None:
        self.split = split
        self.size = size
        self.views = views
        self.keys = image_keys(split)
        self._load_size = (
            views.augmentation.load_size(size) if views.augmentation else size
        )
        self._decoded: np.ndarray | None = None
        if len(split) * math.prod(self._load_size) * 3 <= max_decoded_bytes:
            self._decoded = decode_split(
                split, self._load_size, num_workers=num_workers
            )

    def __call__(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Returns images [n, height, width, 3] in 0..255.

        uint8 as they are, float32 where views are augmented. Thread-safe.

        Args:
            rows: [n] places in the split.
            views: [n] views of these images.

        Raises:
            InputError: If a file cannot be decoded; it is named.
        """
        images = self._read(rows)
        if self.views.augmentation is None:
            return images
        shown = np.asarray(views, np.int64)
        return augment_views(
            images, self.keys[rows], shown, self.size, self.views
        )

    def _read(self, rows: np.ndarray) -> np.ndarray:
        if self._decoded is not None:
            return self._decoded[rows]
        split = self.split
        with naming_bad_files(split, self._load_size):
            return read_files(
                [split.files[row] for row in rows],
                self._load_size,
                split.definition,
            )

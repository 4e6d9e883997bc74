"""Reading any views of any images of a split, from any thread."""

import functools
import math
import os

import numpy as np
import tensorflow as tf

from tlkeras.data.augment import augment_image, view_seed
from tlkeras.data.dataset import Split
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.pipeline import decode_split, naming_bad_files, read_image
from tlkeras.data.views import UNCHANGED, Views, image_keys


class ViewReader:
    """Gives images as they are, or augmented where views are.

    One compiled function makes every view, whoever asks: the cache and the
    live batches of training hold the same numbers to the last bit.

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
        self._files = split.files
        load_size = (
            views.augmentation.load_size(size) if views.augmentation else size
        )
        self._decoded: np.ndarray | None = None
        if len(split) * math.prod(load_size) * 3 <= max_decoded_bytes:
            self._decoded = decode_split(
                split, load_size, num_workers=num_workers
            )
        self._load = compile_loader(
            size,
            views if views.augmentation else UNCHANGED,
            split.definition,
            from_memory=self._decoded is not None,
        )

    def __call__(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Returns images [n, height, width, 3] in 0..255.

        uint8 as they are, float32 where views are augmented. Thread-safe.

        Args:
            rows: [n] places in the split.
            views: [n] views of these images.

        Raises:
            InputError: If TensorFlow refuses a file, which it names.
        """
        if self._decoded is not None:
            source = self._decoded[rows]
            if self.views.augmentation is None:
                return source
        else:
            source = [os.fsencode(self._files[row]) for row in rows]
        with naming_bad_files(self.split, self.size):
            return self._load(
                tf.constant(source),
                tf.constant(self.keys[rows]),
                tf.constant(np.asarray(views, np.int64)),
            ).numpy()


@functools.lru_cache(maxsize=64)
def compile_loader(
    size: tuple[int, int],
    views: Views,
    definition: ImageDefinition,
    *,
    from_memory: bool,
) -> tf.types.experimental.PolymorphicFunction:
    """Compiles what makes images of paths, or of decoded images.

    Args:
        size: (height, width) of the result.
        views: How images are shown.
        definition: What the pixels of a file are.
        from_memory: Whether it is given uint8 [n, H, W, 3] at the loading
            size; else paths [n].

    Returns:
        (paths or images, keys int64 [n], views int64 [n]) -> images.
    """
    augmentation = views.augmentation
    load_size = augmentation.load_size(size) if augmentation else size

    def load(item: tuple[tf.Tensor, ...]) -> tf.Tensor:
        source, key, view = item
        image = (
            source if from_memory else read_image(source, load_size, definition)
        )
        if augmentation is None:
            return image
        seed = view_seed(views.seed, key, view)
        return augment_image(image, seed, size, augmentation)

    number = tf.TensorSpec((None,), tf.int64)
    source = (
        tf.TensorSpec((None, *load_size, 3), tf.uint8)
        if from_memory
        else tf.TensorSpec((None,), tf.string)
    )
    output = tf.TensorSpec((*size, 3), tf.float32 if augmentation else tf.uint8)
    return tf.function(
        lambda *items: tf.map_fn(
            load,
            items,
            fn_output_signature=output,
            parallel_iterations=1,  # the callers are parallel
        ),
        input_signature=[source, number, number],
        autograph=False,
    )

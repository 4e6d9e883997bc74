"""Augmenting by TensorFlow's graph, or by NumPy where it is not installed."""

import numpy as np

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.views import Views
from tlkeras.startup import has_tensorflow


def augment_views(
    images: np.ndarray,
    keys: np.ndarray,
    views: np.ndarray,
    size: tuple[int, int],
    shown: Views,
) -> np.ndarray:
    """Returns views of images, float32 [n, height, width, 3] in 0..255.

    Args:
        images: uint8 [n, H, W, 3], at the loading size.
        keys: int64 [n], of the images, from `views.image_keys`.
        views: int64 [n], their numbers.
        size: (height, width) of the result, pixels.
        shown: How images are shown, with an augmentation.
    """
    if has_tensorflow():
        from tlkeras.data.augment import compile_augmenter

        return compile_augmenter(size, shown)(images, keys, views).numpy()
    from tlkeras.data.augment_numpy import augment_images, view_seeds

    assert shown.augmentation is not None
    seeds = view_seeds(shown.seed, keys, views)
    return augment_images(images, seeds, size, shown.augmentation)


def mix_views(
    images: np.ndarray,
    targets: np.ndarray,
    seed: tuple[int, int],
    augmentation: Augmentation,
) -> tuple[np.ndarray, np.ndarray]:
    """Combines each image of a batch with its mirror; see `augment.mix_batch`.

    Args:
        images: float32 [N, H, W, 3].
        targets: float32 [N, C].
        seed: Of this step.
        augmentation: MixUp or CutMix.

    Returns:
        Images and targets of the same shapes.
    """
    if has_tensorflow():
        from tlkeras.data.augment import mix_batch

        key = np.array(seed, np.int64)
        shown, labels = mix_batch(images, targets, key, augmentation)
        return shown.numpy(), labels.numpy()
    from tlkeras.data.augment_numpy import mix_images

    return mix_images(images, targets, seed, augmentation)

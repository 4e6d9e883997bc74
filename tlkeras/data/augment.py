"""Live augmentation: pure functions of the pixels and a seed.

Every random draw comes from a stateless generator keyed by (seed, phase,
epoch, image), so that a resumed run sees the same pixels as an uninterrupted
one.
"""

import functools
import math
from collections.abc import Callable

import tensorflow as tf

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.geometry import rotate, warp
from tlkeras.data.randaugment import randaugment
from tlkeras.data.views import Views


def derive(seed: tf.Tensor, stream: int) -> tf.Tensor:
    """Returns an independent seed, int64 [2], for one more random draw.

    Args:
        seed: int64 [2].
        stream: Number of the draw; or int64 scalar, of an image.
    """
    return tf.random.experimental.stateless_fold_in(seed, stream)


def view_seed(seed: int, key: tf.Tensor, view: tf.Tensor) -> tf.Tensor:
    """Returns the seed of one view of one image, int64 [2].

    Args:
        seed: Of all views.
        key: int64, of the image, from `views.image_keys`.
        view: int64, its number.
    """
    return derive(tf.stack([tf.constant(seed, tf.int64), view]), key)


def uniform(
    seed: tf.Tensor, low: float | tf.Tensor, high: float | tf.Tensor
) -> tf.Tensor:
    """Returns one float32 in [low, high) for a seed int64 [2]."""
    return tf.random.stateless_uniform((), seed, low, high)


def augment_image(
    image: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], spec: Augmentation
) -> tf.Tensor:
    """Crops, flips and distorts one image.

    Args:
        image: uint8 [H, W, 3], at the loading size.
        seed: int64 [2], of this image in this epoch.
        size: (height, width) of the result, pixels.
        spec: What to do.

    Returns:
        float32 [height, width, 3] in 0..255.
    """
    image = tf.cast(image, tf.float32)
    image = random_crop(image, derive(seed, 1), size, spec)
    if spec.horizontal_flip:
        flip = uniform(derive(seed, 2), 0.0, 1.0) < 0.5
        image = tf.cond(flip, lambda: image[:, ::-1], lambda: image)
    if spec.rotation_degrees:
        limit = math.radians(spec.rotation_degrees)
        image = rotate(image, uniform(derive(seed, 3), -limit, limit))
    if spec.randaugment_layers:
        image = randaugment(
            image,
            derive(seed, 4),
            layers=spec.randaugment_layers,
            magnitude=spec.randaugment_magnitude,
        )
    if spec.erasing_probability:
        image = random_erase(image, derive(seed, 5), spec.erasing_probability)
    return tf.ensure_shape(image, (*size, 3))


@functools.lru_cache(maxsize=64)
def compile_augmenter(
    size: tuple[int, int], views: Views
) -> Callable[..., tf.Tensor]:
    """Compiles what augments decoded images.

    Args:
        size: (height, width) of the result.
        views: How images are shown, with an augmentation.

    Returns:
        (images uint8 [n, H, W, 3] at the loading size, keys int64 [n], views
        int64 [n]) -> float32 [n, height, width, 3].
    """
    augmentation = views.augmentation
    assert augmentation is not None

    def augment(item: tuple[tf.Tensor, ...]) -> tf.Tensor:
        image, key, view = item
        seed = view_seed(views.seed, key, view)
        return augment_image(image, seed, size, augmentation)

    number = tf.TensorSpec((None,), tf.int64)
    load_size = augmentation.load_size(size)
    return tf.function(
        lambda *items: tf.map_fn(
            augment,
            items,
            fn_output_signature=tf.TensorSpec((*size, 3), tf.float32),
            parallel_iterations=1,  # the callers are parallel
        ),
        input_signature=[
            tf.TensorSpec((None, *load_size, 3), tf.uint8),
            number,
            number,
        ],
        autograph=False,
    )


def random_crop(
    image: tf.Tensor, seed: tf.Tensor, size: tuple[int, int], spec: Augmentation
) -> tf.Tensor:
    """Takes a random part of the image and resizes it to `size`.

    With `crop_area = (1, 1)` the part has `size` itself at a random place: the
    lecture's 224 x 224 crops, jittered, out of 256 x 256.

    Args:
        image: float32 [H, W, 3], at least as large as `size`.
        seed: int64 [2].
        size: (height, width) of the result, pixels.
        spec: `crop_area` and `crop_aspect`.

    Returns:
        float32 [height, width, 3].
    """
    height, width, _ = image.shape
    if tuple(spec.crop_area) == (1.0, 1.0):
        corner = tf.random.stateless_uniform((2,), seed)
        room = tf.constant(
            [height - size[0] + 1, width - size[1] + 1], tf.float32
        )
        top, left = tf.unstack(tf.cast(corner * room, tf.int32))
        return tf.image.crop_to_bounding_box(image, top, left, *size)
    area = uniform(derive(seed, 1), *spec.crop_area)
    low, high = (math.log(aspect) for aspect in spec.crop_aspect)
    aspect = tf.exp(uniform(derive(seed, 2), low, high + 1e-6))
    part_h = tf.minimum(tf.sqrt(area / aspect), 1.0)
    part_w = tf.minimum(tf.sqrt(area * aspect), 1.0)
    top = uniform(derive(seed, 3), 0.0, 1.0) * (1.0 - part_h)
    left = uniform(derive(seed, 4), 0.0, 1.0) * (1.0 - part_w)
    scale_y = part_h * height / size[0]
    scale_x = part_w * width / size[1]
    # Half-pixel centres: output pixel y reads input (y + .5) * scale - .5.
    shift_y = top * height + 0.5 * scale_y - 0.5
    shift_x = left * width + 0.5 * scale_x - 0.5
    matrix = tf.stack([scale_x, 0.0, shift_x, 0.0, scale_y, shift_y, 0.0, 0.0])
    return warp(image, matrix, size)


def random_erase(
    image: tf.Tensor, seed: tf.Tensor, probability: float
) -> tf.Tensor:
    """Greys one rectangle of 2-33 % of the area.

    Args:
        image: float32 [H, W, 3] in 0..255.
        seed: int64 [2].
        probability: Of doing so, 0..1.

    Returns:
        float32 [H, W, 3] in 0..255.

    Reference:
        Zhong et al., Random Erasing Data Augmentation, 2017, section 3.
    """
    height, width, _ = image.shape
    area = uniform(derive(seed, 1), 0.02, 0.33)
    aspect = tf.exp(uniform(derive(seed, 2), math.log(0.3), math.log(1 / 0.3)))
    part_h = tf.minimum(tf.sqrt(area / aspect), 1.0)
    part_w = tf.minimum(tf.sqrt(area * aspect), 1.0)
    top = uniform(derive(seed, 3), 0.0, 1.0) * (1.0 - part_h)
    left = uniform(derive(seed, 4), 0.0, 1.0) * (1.0 - part_w)
    inside = box_mask(height, width, top, left, part_h, part_w)
    erase = uniform(derive(seed, 5), 0.0, 1.0) < probability
    return tf.where(inside & erase, 127.5, image)


def box_mask(
    height: int,
    width: int,
    top: tf.Tensor,
    left: tf.Tensor,
    part_h: tf.Tensor,
    part_w: tf.Tensor,
) -> tf.Tensor:
    """Returns bool [height, width, 1], true in a box.

    Args:
        height: Of the image, pixels.
        width: Of the image, pixels.
        top: float32 scalar, upper edge as a share of the height.
        left: float32 scalar, left edge as a share of the width.
        part_h: float32 scalar, the box's share of the height.
        part_w: float32 scalar, the box's share of the width.
    """
    y = (tf.range(height, dtype=tf.float32)[:, None, None] + 0.5) / height
    x = (tf.range(width, dtype=tf.float32)[None, :, None] + 0.5) / width
    return (y >= top) & (y < top + part_h) & (x >= left) & (x < left + part_w)


def mix_batch(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, spec: Augmentation
) -> tuple[tf.Tensor, tf.Tensor]:
    """Combines each image of a batch with its mirror in the batch.

    MixUp (Zhang et al. 2018) blends the pixels, CutMix (Yun et al. 2019)
    pastes a box; with both on, each batch takes one of them at random.

    Args:
        images: float32 [N, H, W, 3].
        targets: float32 [N, C].
        seed: int64 [2], of this step.
        spec: `mixup_alpha` and `cutmix_alpha`.

    Returns:
        Images and targets of the same shapes.
    """
    if spec.mixup_alpha and spec.cutmix_alpha:
        return tf.cond(
            uniform(derive(seed, 1), 0.0, 1.0) < 0.5,
            lambda: _mixup(images, targets, seed, spec.mixup_alpha),
            lambda: _cutmix(images, targets, seed, spec.cutmix_alpha),
        )
    if spec.mixup_alpha:
        return _mixup(images, targets, seed, spec.mixup_alpha)
    return _cutmix(images, targets, seed, spec.cutmix_alpha)


def _beta(seed: tf.Tensor, alpha: float) -> tf.Tensor:
    """Draws from Beta(alpha, alpha), as the share of two Gamma draws."""
    a, b = tf.unstack(tf.random.stateless_gamma((2,), seed, alpha))
    return a / tf.maximum(a + b, 1e-12)


def _mixup(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    share = _beta(derive(seed, 2), alpha)
    return (
        share * images + (1 - share) * images[::-1],
        share * targets + (1 - share) * targets[::-1],
    )


def _cutmix(
    images: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor, alpha: float
) -> tuple[tf.Tensor, tf.Tensor]:
    side = tf.sqrt(1.0 - _beta(derive(seed, 3), alpha))
    top = uniform(derive(seed, 4), 0.0, 1.0) * (1.0 - side)
    left = uniform(derive(seed, 5), 0.0, 1.0) * (1.0 - side)
    _, height, width, _ = images.shape
    inside = box_mask(height, width, top, left, side, side)
    share = tf.reduce_mean(tf.cast(~inside, tf.float32))
    return (
        tf.where(inside, images[::-1], images),
        share * targets + (1 - share) * targets[::-1],
    )

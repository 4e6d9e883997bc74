"""Live augmentation without TensorFlow: `augment.py` in NumPy.

The draws are TensorFlow's, bit by bit, so that a view of an image is the same
picture to rounding: TensorFlow's optimiser may fold the arithmetic of a crop
otherwise. MixUp and CutMix draw their shares from NumPy's own generator.
"""

import math
from collections.abc import Sequence

import numpy as np

from tlkeras.data import stateless
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.randaugment_numpy import randaugment
from tlkeras.data.resampling import rotate, warp

ONE = np.float32(1)
HALF = np.float32(0.5)


def derive(seeds: np.ndarray, stream: int) -> np.ndarray:
    """Returns independent seeds, int64 [n, 2], for one more random draw."""
    return stateless.fold_in(seeds, stream, bits=32)


def view_seeds(seed: int, keys: np.ndarray, views: np.ndarray) -> np.ndarray:
    """Returns the seeds of views of images, int64 [n, 2].

    Args:
        seed: Of all views.
        keys: int64 [n], of the images, from `views.image_keys`.
        views: int64 [n], their numbers.
    """
    seeds = np.stack([np.full_like(views, seed), views], axis=-1)
    return stateless.fold_in(seeds, keys)


def uniform(seeds: np.ndarray, low: float, high: float) -> np.ndarray:
    """Returns one float32 in [low, high) for each seed, [n]."""
    return stateless.uniform(seeds, low, high)[:, 0]


def augment_images(
    images: np.ndarray,
    seeds: np.ndarray,
    size: tuple[int, int],
    spec: Augmentation,
) -> np.ndarray:
    """Crops, flips and distorts images.

    Args:
        images: uint8 [n, H, W, 3], at the loading size.
        seeds: int64 [n, 2], of these images in this epoch.
        size: (height, width) of the result, pixels.
        spec: What to do.

    Returns:
        float32 [n, height, width, 3] in 0..255.
    """
    shown = _random_crops(
        images.astype(np.float32), derive(seeds, 1), size, spec
    )
    if spec.horizontal_flip:
        flips = uniform(derive(seeds, 2), 0.0, 1.0) < HALF
        shown[flips] = shown[flips, :, ::-1]
    if spec.rotation_degrees:
        limit = math.radians(spec.rotation_degrees)
        angles = uniform(derive(seeds, 3), -limit, limit)
        shown = np.stack(
            [rotate(*both) for both in zip(shown, angles, strict=True)]
        )
    if spec.randaugment_layers:
        shown = randaugment(
            shown,
            derive(seeds, 4),
            layers=spec.randaugment_layers,
            magnitude=spec.randaugment_magnitude,
        )
    if spec.erasing_probability:
        _erase(shown, derive(seeds, 5), spec.erasing_probability)
    return shown


def _random_crops(
    images: np.ndarray,
    seeds: np.ndarray,
    size: tuple[int, int],
    spec: Augmentation,
) -> np.ndarray:
    """Returns parts of images, resized; see `augment.random_crop`."""
    count, height, width, _ = images.shape
    crops = np.empty((count, *size, 3), np.float32)
    if tuple(spec.crop_area) == (1.0, 1.0):
        room = np.array([height - size[0] + 1, width - size[1] + 1], np.float32)
        corners = stateless.uniform(seeds, 0.0, 1.0, count=2) * room
        for crop, image, corner in zip(crops, images, corners, strict=True):
            top, left = corner.astype(np.int32)
            crop[:] = image[top : top + size[0], left : left + size[1]]
        return crops
    part_h, part_w, top, left = _draw_boxes(
        seeds, spec.crop_area, spec.crop_aspect, margin=1e-6
    )
    # TensorFlow folds constants so, which decides about last bits.
    scale_y = part_h * np.float32(height / size[0])
    scale_x = part_w * np.float32(width / size[1])
    # Half-pixel centres: output pixel y reads input (y + .5) * scale - .5.
    shift_y = top * np.float32(height) + (HALF * scale_y - HALF)
    shift_x = left * np.float32(width) + (HALF * scale_x - HALF)
    zero = np.zeros_like(top)
    matrices = np.stack(
        [scale_x, zero, shift_x, zero, scale_y, shift_y, zero, zero], axis=-1
    )
    for crop, image, matrix in zip(crops, images, matrices, strict=True):
        crop[:] = warp(image, matrix, size)
    return crops


def _draw_boxes(
    seeds: np.ndarray,
    areas: Sequence[float],
    aspects: Sequence[float],
    *,
    margin: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns shares of the sides and places of boxes, float32 [n] each."""
    area = uniform(derive(seeds, 1), *areas)
    low, high = (math.log(aspect) for aspect in aspects)
    logs = uniform(derive(seeds, 2), low, high + margin)
    # Rounded from double precision, as a scalar is in TensorFlow.
    aspect = np.exp(logs.astype(np.float64)).astype(np.float32)
    part_h = np.minimum(np.sqrt(area / aspect), ONE)
    part_w = np.minimum(np.sqrt(area * aspect), ONE)
    top = uniform(derive(seeds, 3), 0.0, 1.0) * (ONE - part_h)
    left = uniform(derive(seeds, 4), 0.0, 1.0) * (ONE - part_w)
    return part_h, part_w, top, left


def _erase(images: np.ndarray, seeds: np.ndarray, probability: float) -> None:
    """Greys a rectangle of some images; see `augment.random_erase`."""
    boxes = _draw_boxes(seeds, (0.02, 0.33), (0.3, 1 / 0.3))
    erased = uniform(derive(seeds, 5), 0.0, 1.0) < np.float32(probability)
    for row in np.flatnonzero(erased):
        part_h, part_w, top, left = (values[row] for values in boxes)
        images[row][_inside(images.shape[1:3], top, left, part_h, part_w)] = (
            127.5
        )


def _inside(
    size: tuple[int, int], top: float, left: float, part_h: float, part_w: float
) -> np.ndarray:
    """Returns bool [height, width], true in a box; see `augment.box_mask`."""
    y, x = (
        (np.arange(side, dtype=np.float32) + HALF) / np.float32(side)
        for side in size
    )
    rows = (y >= top) & (y < top + part_h)
    columns = (x >= left) & (x < left + part_w)
    return rows[:, None] & columns[None, :]


def mix_images(
    images: np.ndarray,
    targets: np.ndarray,
    seed: tuple[int, int],
    spec: Augmentation,
) -> tuple[np.ndarray, np.ndarray]:
    """Combines each image with its mirror in the batch; see `mix_batch`.

    Args:
        images: float32 [N, H, W, 3].
        targets: float32 [N, C].
        seed: Of this step.
        spec: `mixup_alpha` and `cutmix_alpha`.

    Returns:
        Images and targets of the same shapes.
    """
    words = np.array(seed, np.int64).view(np.uint64).tolist()
    generator = np.random.default_rng(words)
    both = spec.mixup_alpha and spec.cutmix_alpha
    mixes = generator.random() < 0.5 if both else bool(spec.mixup_alpha)
    alpha = spec.mixup_alpha if mixes else spec.cutmix_alpha
    share = np.float32(generator.beta(alpha, alpha))
    if mixes:
        return (
            share * images + (ONE - share) * images[::-1],
            share * targets + (ONE - share) * targets[::-1],
        )
    side = np.sqrt(ONE - share)
    top, left = generator.random(2, np.float32) * (ONE - side)
    inside = _inside(images.shape[1:3], top, left, side, side)
    kept = np.float32(1 - inside.mean())
    return (
        np.where(inside[..., None], images[::-1], images),
        kept * targets + (ONE - kept) * targets[::-1],
    )

"""The lecture's mean subtraction, from the training split only.

CS5670: `X -= mean(X_train)`, optionally `X /= std(X_train)`; for ConvNets the
mean image or a per-channel mean. It comes on top of the backbone's own input
contract, because pretrained weights expect that one.
"""

import numpy as np

from tlkeras.data.dataset import Split
from tlkeras.data.pipeline import ImageBatches

# Over which a mean is taken, beside the images; "none" takes none.
MEAN_AXES: dict[str, tuple[int, ...]] = {"channel": (0, 1), "image": ()}


def compute_training_mean(
    split: Split,
    *,
    kind: str,
    divide_by_std: bool,
    image_size: int,
    num_workers: int,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Computes mean and deviation of the training images, in 0..255.

    Args:
        split: The training split.
        kind: none | channel | image.
        divide_by_std: Whether the deviation is wanted too.
        image_size: Side of the square images, pixels.
        num_workers: Parallel decodes.

    Returns:
        Mean and standard deviation, [3] or [S, S, 3], or None where not
        asked for.
    """
    if kind == "none":
        return None, None
    images = ImageBatches(
        split,
        (image_size, image_size),
        batch_size=64,
        num_workers=num_workers,
        max_decoded_bytes=0,
    )
    total = np.zeros((image_size, image_size, 3))
    squares = np.zeros_like(total)
    for batch in images:
        values = batch.astype(np.float64)
        total += values.sum(0)
        squares += np.square(values).sum(0)
    axes = MEAN_AXES[kind]
    mean = (total / len(split)).mean(axes)
    square = (squares / len(split)).mean(axes)
    std = np.sqrt(np.maximum(square - np.square(mean), 1e-6))
    return mean, std if divide_by_std else None

"""Running a model over batches of images, without gradients."""

from collections.abc import Callable, Iterable

import keras
import numpy as np


def run_batches(
    model: keras.Model,
    batches: Iterable[np.ndarray],
    *,
    on_images: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Returns the outputs for all batches, in order.

    A last, smaller batch is padded, so that one compiled shape serves all.

    Args:
        model: [N, S, S, 3] -> [N, ...].
        batches: Arrays [n, S, S, 3], any dtype, values in 0..255.
        on_images: Told after each batch how many images are done.

    Returns:
        float32 [sum of n, ...].
    """
    outputs = []
    full = done = 0
    for batch in batches:
        full = full or len(batch)
        padding = [(0, full - len(batch))] + [(0, 0)] * (batch.ndim - 1)
        padded = np.pad(batch, padding) if len(batch) < full else batch
        output = model.predict_on_batch(padded.astype(np.float32))
        outputs.append(np.asarray(output, np.float32)[: len(batch)])
        done += len(batch)
        on_images(done)
    return np.concatenate(outputs)

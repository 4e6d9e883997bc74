"""Running a model over batches of images or activations, without gradients."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np


def run_batches(
    model: keras.Model,
    batches: Iterable[Any],
) -> np.ndarray:
    """Returns the outputs for all batches, in order.

    A last, smaller batch is padded, so that one compiled shape serves all.

    Args:
        model: [N, ...] -> [N, ...]; one input or several.
        batches: Arrays [n, ...] of any dtype, or tuples of them where the
            model has several inputs.

    Returns:
        float32 [sum of n, ...].
    """
    outputs = []
    full = 0
    for batch in batches:
        count = len(keras.tree.flatten(batch)[0])
        full = full or count
        padded = keras.tree.map_structure(
            lambda array, full=full: _pad(array, full), batch
        )
        output = model.predict_on_batch(padded)
        outputs.append(np.asarray(output, np.float32)[:count])
    return np.concatenate(outputs)


def _pad(array: np.ndarray, size: int) -> np.ndarray:
    """Returns float32 [max(n, size), ...], zeros behind the n rows."""
    padding = [(0, max(size - len(array), 0))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, padding).astype(np.float32, copy=False)

"""Running a model over batches of images or activations, without gradients."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np


def run_batches(
    model: keras.Model,
    batches: Iterable[Any],
) -> np.ndarray:
    """Returns the output for all batches, in order.

    Args:
        model: [N, ...] -> [N, ...]; one input or several, one output.
        batches: Arrays [n, ...] of any dtype, or tuples of them where the
            model has several inputs.

    Returns:
        float32 [sum of n, ...].
    """
    (output,) = run_outputs(model, batches)
    return output


def run_outputs(
    model: keras.Model, batches: Iterable[Any]
) -> tuple[np.ndarray, ...]:
    """Returns every output of a model for all batches, in order.

    A last, smaller batch is padded, so that one compiled shape serves all.

    Args:
        model: [N, ...] -> one or several [N, ...].
        batches: As for `run_batches`.

    Returns:
        For each output float32 [sum of n, ...].
    """
    found: list[list[np.ndarray]] = []
    full = 0
    for batch in batches:
        count = len(keras.tree.flatten(batch)[0])
        full = full or count
        padded = keras.tree.map_structure(
            lambda array, full=full: _pad(array, full), batch
        )
        outputs = keras.tree.flatten(model.predict_on_batch(padded))
        found.append([np.asarray(o, np.float32)[:count] for o in outputs])
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _pad(array: np.ndarray, size: int) -> np.ndarray:
    """Returns float32 [max(n, size), ...], zeros behind the n rows."""
    padding = [(0, max(size - len(array), 0))] + [(0, 0)] * (array.ndim - 1)
    return np.pad(array, padding).astype(np.float32, copy=False)

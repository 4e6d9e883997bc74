"""The ratio of an update to the weights that it changes."""

import math
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np

HEALTHY_RATIO = 1e-3
RATIO_BOUNDS = (1e-5, 1e-1)  # a step; beyond, a rate is off


def values_of(variables: Iterable[keras.Variable]) -> dict[str, np.ndarray]:
    """Returns path -> a copy of the variable's value, [...]."""
    return {
        variable.path: keras.ops.convert_to_numpy(variable).copy()
        for variable in variables
    }


def update_ratio(
    variables: Sequence[keras.Variable], before: Mapping[str, np.ndarray]
) -> float:
    """Returns the joint norm of changes over that of the weights before.

    About 1e-3 where the learning rate is right.

    Args:
        variables: Biases and gains, which may start at zero, do not count,
            unless there is nothing else.
        before: Path -> value [...] before the update.

    Returns:
        0 where nothing moved; infinity or NaN where weights are not finite.

    Reference:
        CS231n notes, Neural Networks Part 3, "Ratio of weights:updates".
    """
    kernels = [v for v in variables if len(v.shape) > 1] or variables
    # In float64: of weights on their way to infinity, float32 squares
    # overflow long before the weights do.
    with np.errstate(invalid="ignore"):
        change = sum(
            sum_of_squares(
                np.subtract(
                    keras.ops.convert_to_numpy(v),
                    before[v.path],
                    dtype=np.float64,
                )
            )
            for v in kernels
        )
        size = sum(sum_of_squares(before[v.path]) for v in kernels)
    return math.sqrt(change / max(size, 1e-24))


def sum_of_squares(values: np.ndarray) -> float:
    """Returns it, of values [...], in float64: float32 would overflow."""
    return float(np.square(values, dtype=np.float64).sum())

"""Optimizer steps for many heads at once, equal to Keras' own.

Each works in place on a kernel [d, K] and a bias [K]; rate, momentum and decay
are [K], one number a column.
"""

from typing import Any

import numpy as np

EPSILON = np.float32(1e-7)
BETA_1, BETA_2 = np.float32(0.9), np.float32(0.999)


class SgdStep:
    """m <- mu m - lr g; w <- w + mu m - lr g: Nesterov's momentum.

    Args:
        shape: Of the kernel, (d, K).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.kernel_velocity = np.zeros(shape, np.float32)
        self.bias_velocity = np.zeros(shape[1], np.float32)

    def keep(self, columns: np.ndarray) -> None:
        """Drops the slots of the other columns; `columns` is bool [K]."""
        self.kernel_velocity = self.kernel_velocity[:, columns]
        self.bias_velocity = self.bias_velocity[columns]

    def step(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        kernel_slope: np.ndarray,
        bias_slope: np.ndarray,
        rate: np.ndarray,
        *,
        momentum: np.ndarray,
        decay: np.ndarray,
    ) -> None:
        """Moves kernel [d, K] and bias [K] in place; overwrites the slopes."""
        apply_decay(kernel, rate, decay)
        for weight, velocity, slope in (
            (kernel, self.kernel_velocity, kernel_slope),
            (bias, self.bias_velocity, bias_slope),
        ):
            slope *= rate
            velocity *= momentum
            velocity -= slope
            weight -= slope
            np.multiply(velocity, momentum, out=slope)
            weight += slope


class AdamStep:
    """Kingma and Ba 2015, with the bias correction folded into the rate.

    Args:
        shape: Of the kernel, (d, K).
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.count = 0
        self.slots = [
            (np.zeros(size, np.float32), np.zeros(size, np.float32))
            for size in (shape, shape[1:])
        ]

    def keep(self, columns: np.ndarray) -> None:
        """Drops the slots of the other columns; `columns` is bool [K]."""
        self.slots = [
            (mean[..., columns], square[..., columns])
            for mean, square in self.slots
        ]

    def step(
        self,
        kernel: np.ndarray,
        bias: np.ndarray,
        kernel_slope: np.ndarray,
        bias_slope: np.ndarray,
        rate: np.ndarray,
        *,
        momentum: np.ndarray,
        decay: np.ndarray,
    ) -> None:
        """Moves kernel [d, K] and bias [K] in place; overwrites the slopes."""
        apply_decay(kernel, rate, decay)
        self.count += 1
        correction = np.sqrt(1 - float(BETA_2) ** self.count)
        correction /= 1 - float(BETA_1) ** self.count
        alpha = rate * np.float32(correction)
        for weight, slope, (mean, square) in (
            (kernel, kernel_slope, self.slots[0]),
            (bias, bias_slope, self.slots[1]),
        ):
            work = slope - mean
            work *= 1 - BETA_1
            mean += work
            slope *= slope
            slope -= square
            slope *= 1 - BETA_2
            square += slope
            np.sqrt(square, out=work)
            work += EPSILON
            np.divide(mean, work, out=work)
            work *= alpha
            weight -= work


def apply_decay(
    kernel: np.ndarray, rate: np.ndarray, decay: np.ndarray
) -> None:
    """Weight decay apart from the slope, w <- w - lr decay w; no biases.

    Args:
        kernel: [d, K], changed in place.
        rate: [K].
        decay: [K].
    """
    if decay.any():
        kernel *= 1 - rate * decay


STEPS: dict[str, Any] = {
    "sgd": SgdStep,
    "adam": AdamStep,
    "adamw": AdamStep,
}

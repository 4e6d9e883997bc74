"""Linear classifiers on codes that do not fit into memory.

The steps are those of `batched_solvers`: they need sums over the images only,
the scatter of the codes once and a gradient each time, which are taken block by
block. So every step is a pass over the codes, and what comes out is what all of
them at once give, within the tolerance at which both stop.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from tlkeras.linear.batched_solvers import descend
from tlkeras.linear.solvers import (
    LinearFit,
    Score,
    choose_scale,
    choose_strength,
    spread_strengths,
)
from tlkeras.optim.losses import Loss

BLOCK_BYTES = 256 * 1024**2  # of logits of all strengths, and what they become
COPIES = 4  # of the logits that a step holds at a time


@dataclasses.dataclass(frozen=True)
class CodeBlocks:
    """Codes that are read again for every pass.

    Attributes:
        read: (rows at a time) -> codes float [n, d] and targets float32 [n, C]
            of one block after the other, in the same order each time.
        num_images: N >= 2.
        num_classes: C.
        class_weights: [C] of the images' losses, or None.
    """

    read: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]]
    num_images: int
    num_classes: int
    class_weights: np.ndarray | None = None

    def weigh(self, targets: np.ndarray) -> np.ndarray:
        """Returns the weights [n] of images with targets [n, C]."""
        if self.class_weights is None:
            return np.ones(len(targets), np.float32)
        return (targets @ self.class_weights).astype(np.float32)


def held_bytes(
    num_images: int, size: int, num_classes: int, num_strengths: int
) -> int:
    """Returns what the solver of all codes at once holds, about.

    Args:
        num_images: N.
        size: Numbers d in a code.
        num_classes: C.
        num_strengths: K.
    """
    codes = num_images * size * (4 + 8 + 4)  # raw, standardised, rotated
    logits = num_images * num_classes * num_strengths * 4
    return codes + COPIES * logits


def fit_streamed_classifier(
    blocks: CodeBlocks,
    score: Callable[[np.ndarray, np.ndarray], Score],
    *,
    loss: Loss,
    log10_l2: tuple[float, float],
    num_strengths: int,
) -> LinearFit[Score]:
    """Fits a classifier for several strengths and keeps the best.

    Args:
        blocks: Training images.
        score: (kernel [d, C], bias [C]) -> validation score, as of
            `solvers.fit_linear_classifier`.
        loss: Row of `optim.losses.LOSSES`.
        log10_l2: Range of strengths, in powers of ten.
        num_strengths: How many, evenly spaced in log space.

    Returns:
        What `fit_linear_classifier` finds on the same codes.
    """
    strengths = spread_strengths(log10_l2, num_strengths)
    columns = blocks.num_classes * num_strengths
    rows = max(BLOCK_BYTES // (4 * COPIES * columns), 1)
    mean, scatter, largest_weight = _sums(blocks, rows)
    deviation = np.sqrt(np.maximum(np.diag(scatter), 0) / blocks.num_images)
    scale = choose_scale(mean, deviation)
    squares, axes = np.linalg.eigh(scatter / np.outer(scale, scale))
    turn = (axes / scale[:, None]).astype(np.float32)  # raw codes -> axes
    shift = (mean @ (axes / scale[:, None])).astype(np.float32)
    penalty = np.array(strengths, np.float32)[None, :, None]

    def gradients(
        kernel: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        flat = kernel.reshape(len(kernel), -1)
        slope_k, slope_b = np.zeros_like(flat), np.zeros_like(bias)
        for codes, targets in blocks.read(rows):
            rotated = codes @ turn - shift
            logits = (rotated @ flat).reshape(-1, *bias.shape) + bias
            slope = loss.slope(logits, targets[:, None, :])
            slope = slope * blocks.weigh(targets)[:, None, None]
            slope_k += rotated.T @ slope.reshape(len(slope), -1)
            slope_b += slope.sum(0)
        return slope_k.reshape(kernel.shape) + penalty * kernel, slope_b

    bound = np.float32(loss.curvature * largest_weight)
    spread = np.maximum(squares, 0).astype(np.float32)[:, None, None]
    kernel, bias = descend(
        gradients,
        1 / (bound * spread + penalty),
        1 / (bound * blocks.num_images),
        blocks.num_classes,
    )
    solutions = _whole(axes, kernel, bias)
    return choose_strength(strengths, solutions, mean, scale, score)


def _sums(
    blocks: CodeBlocks, rows: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns mean [d] and scatter [d, d] of the codes, and the top weight.

    About the mean of the first block, so that a mean far from zero costs no
    digits.
    """
    total: np.ndarray | None = None
    for codes, targets in blocks.read(rows):
        if total is None:
            origin = codes.mean(0, dtype=np.float64)
            total, largest = np.zeros_like(origin), 0.0
            scatter = np.zeros((len(origin), len(origin)))
        about = codes - origin
        total += about.sum(0)
        scatter += about.T @ about
        largest = max(largest, float(blocks.weigh(targets).max()))
    assert total is not None
    shift = total / blocks.num_images
    scatter -= blocks.num_images * np.outer(shift, shift)
    return origin + shift, scatter, largest


def _whole(
    axes: np.ndarray, kernel: np.ndarray, bias: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields kernel [d, C] and bias [C] on standardised codes, by strength."""
    for column in range(bias.shape[0]):
        yield axes @ kernel[:, column], bias[column]

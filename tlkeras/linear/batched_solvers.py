"""Linear classifiers for many strengths at once, in plain matrix products.

minimise  sum_i loss(W^T x_i + b, y_i) + lambda / 2 ||W||^2   for each lambda.

The codes are rotated to their principal axes, where a fixed bound of the
Hessian, h S^2 + lambda with singular values S, is diagonal (h is the loss's
`curvature`). Steps scaled by it never increase the loss; Nesterov's
momentum with a restart wherever it points uphill (O'Donoghue and Candes 2015)
makes them quick. All strengths share each product.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tlkeras.optim.losses import Loss

# (kernel [r, K, C], bias [K, C]) -> slopes of the same shapes.
Gradients = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

MAX_ITERATIONS = 400  # weak strengths stop here; validation chooses
TOLERANCE = 1e-4  # of the gradient's norm, relative to that at zero


def solve_path(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    *,
    loss: Loss,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fits one classifier for each strength, all in the same products.

    Args:
        codes: float [N, d]; the strengths weigh its components alike.
        targets: [N, C] multi-hot.
        strengths: K values of lambda > 0.
        loss: Row of `optim.losses.LOSSES`.
        weights: [N] of the images' losses.

    Returns:
        Kernels float32 [K, d, C] and biases float32 [K, C].
    """
    # About their mean, where kernel and bias do not pull at each other; the
    # bias is not penalised, so that it can take the shift back.
    mean = codes.mean(0, dtype=np.float64).astype(np.float32)
    rotated, axes = _principal_axes(codes.astype(np.float32) - mean)
    num_classes = targets.shape[1]
    shape = (rotated.shape[1], len(strengths), num_classes)
    penalty = np.array(strengths, np.float32)[None, :, None]
    squares = np.square(rotated).sum(0)[:, None, None]
    bound = np.float32(loss.curvature * weights.max())
    each = weights.astype(np.float32)[:, None, None]
    wanted = targets.astype(np.float32)[:, None, :]

    def gradients(
        kernel: np.ndarray, bias: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        logits = (rotated @ kernel.reshape(len(kernel), -1)).reshape(
            -1, *shape[1:]
        )
        slope = each * loss.slope(logits + bias, wanted)
        slope_k = (rotated.T @ slope.reshape(len(slope), -1)).reshape(shape)
        return slope_k + penalty * kernel, slope.sum(0)

    step = 1 / (bound * squares + penalty)
    bias_step = 1 / (bound * len(codes))
    kernel, bias = descend(gradients, step, bias_step, num_classes)
    whole = (axes @ kernel.reshape(len(kernel), -1)).reshape(-1, *shape[1:])
    return whole.transpose(1, 0, 2), bias - np.tensordot(mean, whole, 1)


def descend(
    gradients: Gradients,
    step: np.ndarray,
    bias_step: np.float32,
    num_classes: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimises the objectives of all strengths from zero on.

    Args:
        gradients: (kernel, bias) -> the slope of the objective in both.
        step: float32 [r, K, 1], of each coefficient: at most one over the
            curvature there.
        bias_step: Likewise of the biases.
        num_classes: C.

    Returns:
        Kernel float32 [r, K, C] and bias float32 [K, C].
    """
    shape = (*step.shape[:2], num_classes)
    kernel, bias = np.zeros(shape, np.float32), np.zeros(shape[1:], np.float32)
    ahead, bias_ahead = kernel, bias
    momentum = np.ones((1, shape[1], 1), np.float32)
    first = None
    for _ in range(MAX_ITERATIONS):
        slope_k, slope_b = gradients(ahead, bias_ahead)
        size = np.sqrt(
            np.square(slope_k).sum((0, 2)) + np.square(slope_b).sum(1)
        )
        first = size if first is None else first
        if (size <= TOLERANCE * first).all():
            break
        new, new_bias = ahead - step * slope_k, bias_ahead - bias_step * slope_b
        rise = (slope_k * (new - kernel)).sum((0, 2))
        rise += (slope_b * (new_bias - bias)).sum(1)
        uphill = (rise > 0)[None, :, None]
        momentum = np.where(uphill, np.float32(1), momentum)
        following = (1 + np.sqrt(1 + 4 * np.square(momentum))) / 2
        push = np.where(uphill, np.float32(0), (momentum - 1) / following)
        ahead = new + push * (new - kernel)
        bias_ahead = new_bias + push[0] * (new_bias - bias)
        kernel, bias, momentum = new, new_bias, following
    return kernel, bias


def _principal_axes(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns codes in their principal axes [N, r], and the axes [d, r]."""
    if len(codes) <= codes.shape[1]:
        values, vectors = np.linalg.eigh(codes @ codes.T)
        kept = values > 1e-6 * values[-1]
        kept[-1] = True  # of codes that do not vary at all too
        scale = np.sqrt(np.maximum(values[kept], np.float32(1e-12)))
        left = vectors[:, kept]
        return left * scale, codes.T @ (left / scale)
    _, axes = np.linalg.eigh(codes.T @ codes)
    return codes @ axes, axes

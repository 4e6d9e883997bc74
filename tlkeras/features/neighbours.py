"""Exact nearest neighbours of codes, by products of blocks."""

import numpy as np

from tlkeras.features.code_transforms import l2_normalize, signed_power

BLOCK_NUMBERS = 2**24  # similarities at a time, 64 MiB


def comparable(codes: np.ndarray) -> np.ndarray:
    """Returns codes whose products are similarities in -1..1.

    The root evens out components, so that the few large ones do not decide
    (`TRANSFORMS`, l2+power).

    Args:
        codes: float [N, ...].

    Returns:
        float32 [N, d], of length 1.
    """
    flat = codes.reshape(len(codes), -1).astype(np.float32, copy=False)
    return l2_normalize(signed_power(flat, 0.5)).astype(np.float32, copy=False)


def find_nearest(
    codes: np.ndarray, among: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the most similar codes, the nearest first.

    Args:
        codes: float32 [N, d], `comparable`.
        among: float32 [M, d], likewise.
        count: K; of fewer codes, all.

    Returns:
        Places in `among`, int [N, K], and similarities, float32 [N, K].
    """
    count = min(count, len(among))
    places = np.empty((len(codes), count), np.int64)
    similarities = np.empty((len(codes), count), np.float32)
    step = max(1, BLOCK_NUMBERS // max(len(among), 1))
    for start in range(0, len(codes), step):
        block = codes[start : start + step] @ among.T
        near = np.argpartition(-block, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(block, near, 1)
        order = np.argsort(-values, axis=1, kind="stable")
        rows = slice(start, start + step)
        places[rows] = np.take_along_axis(near, order, 1)
        similarities[rows] = np.take_along_axis(values, order, 1)
    return places, similarities

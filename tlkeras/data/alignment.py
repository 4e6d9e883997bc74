"""Laying one small picture upon another: where it is cropped, how far moved.

A placement is (a_y, b_y, a_x, b_x): the point (y, x) of the first picture, in
-1..1, is the point (a_y y + b_y, a_x x + b_x) of the second. It covers crops of
either picture, shifts, and changes of the aspect. Brightness and contrast do
not count. NumPy only.
"""

import functools

import numpy as np

# Windows of a side: (share of it, place: 0 begins, 1 ends with it).
WINDOWS = ((1.0, 0.0), *((s, o) for s in (0.9, 0.8) for o in (0.0, 0.5, 1.0)))
# The window at the other end of the side.
OPPOSITE = np.array(
    [WINDOWS.index((s, 1 - o if s < 1 else o)) for s, o in WINDOWS]
)
WINDOW_SIDE = 12  # pixels
LARGEST_STEP = 0.1
SCALES, SHIFTS = (0.7, 1.43), (-0.45, 0.45)  # limits of a placement
DAMPING = 1e-3


def blur(images: np.ndarray) -> np.ndarray:
    """Smooths the last two axes of [..., h, w] by (1, 2, 1) / 4."""
    for axis in (-1, -2):
        lines = np.moveaxis(images, axis, 0)
        smooth = 2 * lines
        smooth[1:] += lines[:-1]
        smooth[0] += lines[0]
        smooth[:-1] += lines[1:]
        smooth[-1] += lines[-1]
        smooth *= 0.25
        images = np.moveaxis(smooth, 0, axis)
    return images


def cut_windows(grey: np.ndarray) -> np.ndarray:
    """Returns each picture's windows, of mean 0 and length 1.

    Args:
        grey: float32 [P, S, S].

    Returns:
        float32 [P, 49, 144]; the first is the whole picture.
    """
    rows = _window_rows(grey.shape[-1])
    count = len(WINDOWS)
    cut = (rows @ grey @ rows.T).reshape(
        -1, count, WINDOW_SIDE, count, WINDOW_SIDE
    )
    cut = cut.transpose(0, 1, 3, 2, 4).reshape(len(grey), count**2, -1)
    cut = cut - cut.mean(-1, keepdims=True)
    return cut / np.maximum(np.linalg.norm(cut, axis=-1, keepdims=True), 1e-6)


@functools.cache
def _window_rows(side: int) -> np.ndarray:
    """Returns the weights [7 * 12, S] that reduce each window of a side."""
    return np.concatenate([_reducing_rows(s, o, side) for s, o in WINDOWS])


def _reducing_rows(share: float, place: float, side: int) -> np.ndarray:
    """Returns the weights [12, S] that reduce a window of a side."""
    step = share * side / WINDOW_SIDE
    start = place * (1 - share) * side - 0.5
    centres = start + (np.arange(WINDOW_SIDE) + 0.5) * step
    away = np.abs(np.arange(side) - centres[:, None]) / max(step, 1.0)
    weights = np.maximum(0, 1 - away).astype(np.float32)
    return weights / weights.sum(1, keepdims=True)


def propose_placements(
    first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds coarse placements of one picture upon some others.

    Tried are the second whole in a window of the first, the first in one of
    the second, and opposite windows of both, which is a shift.

    Args:
        first: Windows of others, [P, 49, 144].
        second: Windows of the one, [2, 49, 144]: as it is, and mirrored.

    Returns:
        Correlation [P], whether the second is mirrored [P], placement [P, 4].
    """
    count = len(WINDOWS)
    facing = (count * OPPOSITE[:, None] + OPPOSITE).ravel()
    tried = np.stack(
        [
            np.tensordot(first[:, 0], second, (1, 2)),
            np.tensordot(first, second[:, 0], (2, 1)).transpose(0, 2, 1),
            np.einsum("pwd,fwd->pfw", first, second[:, facing]),
        ],
        2,
    )  # [P, 2, 3, 49]
    flat = tried.reshape(len(tried), -1)
    best = flat.argmax(1)
    mirrored, kind, window = np.unravel_index(best, tried.shape[1:])
    axes = [_place(kind, part) for part in divmod(window, count)]
    return (
        flat[np.arange(len(flat)), best],
        mirrored.astype(bool),
        np.concatenate(axes, 1).astype(np.float32),
    )


def _place(kind: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Returns scale and shift [P, 2] of an axis."""
    share, place = np.array(WINDOWS)[window].T
    centre = (2 * place - 1) * (1 - share)
    scale = np.choose(kind, [share, 1 / share, np.ones_like(share)])
    shift = np.choose(kind, [centre, -centre / share, -2 * centre])
    return np.stack([scale, shift], 1)


def refine_placements(
    first: np.ndarray,
    second: np.ndarray,
    placements: np.ndarray,
    num_steps: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Moves placements to where the pictures correlate most, by Gauss-Newton.

    Args:
        first: float32 [P, S, S].
        second: Likewise, mirrored where it is.
        placements: [P, 4], near the best.
        num_steps: At least 1.

    Returns:
        Placements [P, 4], and the correlation [P] before the last step.

    Reference:
        Evangelidis and Psarakis, Parametric Image Alignment Using Enhanced
        Correlation Coefficient Maximization, 2008.
    """
    places = _pixel_places(first.shape[-1])
    half = first.shape[-1] / 2
    for _ in range(num_steps):
        (rows, rows_slope, rows_in), (columns, columns_slope, columns_in) = (
            _resampling(placements[:, i : i + 2], first.shape[-1])
            for i in (0, 2)
        )
        columns, columns_slope = (
            x.transpose(0, 2, 1) for x in (columns, columns_slope)
        )
        across = second @ columns
        down = half * (rows_slope @ across)
        along = half * (rows @ (second @ columns_slope))
        moved = rows @ across
        mask = rows_in[:, :, None] * columns_in[:, None, :]
        vectors = np.stack(
            [
                first,
                moved,
                down * places[:, None],
                down,
                along * places,
                along,
            ],
            1,
        )
        steps, correlations = _solve_steps(vectors * mask[:, None], mask)
        placements = placements + np.clip(steps, -LARGEST_STEP, LARGEST_STEP)
        placements[:, ::2] = placements[:, ::2].clip(*SCALES)
        placements[:, 1::2] = placements[:, 1::2].clip(*SHIFTS)
    return placements, correlations


def _solve_steps(
    vectors: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns steps [P, 4] and correlations [P].

    Args:
        vectors: [P, 6, S, S]: first, second, and the second's four slopes,
            0 outside the mask [P, S, S].
        mask: 1 where both pictures are.
    """
    vectors = vectors.reshape(*vectors.shape[:2], -1)
    sums = vectors.sum(2)
    counts = np.maximum(mask.sum((1, 2)), 1)[:, None, None]
    gram = vectors @ vectors.transpose(0, 2, 1)
    gram -= sums[:, :, None] * sums[:, None, :] / counts
    first, second = (np.sqrt(np.maximum(gram[:, i, i], 1e-6)) for i in range(2))
    correlations = gram[:, 0, 1] / (first * second)
    on_first = gram[:, 2:, 0] / (first * second)[:, None]
    on_second = gram[:, 2:, 1] / (second**2)[:, None]
    normal = gram[:, 2:, 2:] / (second**2)[:, None, None]
    normal -= on_second[:, :, None] * on_second[:, None, :]
    size = np.trace(normal, axis1=1, axis2=2)[:, None, None] / 4
    normal += np.eye(4, dtype=normal.dtype) * np.maximum(DAMPING * size, 1e-4)
    slope = on_first - correlations[:, None] * on_second
    return np.linalg.solve(normal, slope[..., None])[..., 0], correlations


def _pixel_places(side: int) -> np.ndarray:
    """Returns the centres of pixels of a side in -1..1."""
    return ((np.arange(side) - (side - 1) / 2) / (side / 2)).astype(np.float32)


def _resampling(
    placement: np.ndarray, side: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns linear weights [P, S, S], their slopes, and what lies inside.

    Args:
        placement: Scale and shift [P, 2] of an axis.
        side: S, pixels.
    """
    sources = placement[:, :1] * _pixel_places(side) + placement[:, 1:]
    sources = sources * (side / 2) + (side - 1) / 2
    away = sources[:, :, None] - np.arange(side, dtype=np.float32)

    def hat(x: np.ndarray) -> np.ndarray:
        return np.maximum(0, 1 - np.abs(x))

    weights = hat(away)
    weights /= np.maximum(weights.sum(2, keepdims=True), 1e-3)
    # Over a pixel: at a pixel's centre the slope itself is undefined.
    slopes = hat(away + 0.5) - hat(away - 0.5)
    inside = (sources >= -0.5) & (sources <= side - 0.5)
    return (
        weights.astype(np.float32),
        slopes.astype(np.float32),
        inside.astype(np.float32),
    )


def correlate(
    first: np.ndarray, second: np.ndarray, placements: np.ndarray
) -> np.ndarray:
    """Returns the correlation of all channels where both pictures are.

    Args:
        first: float32 [P, C, S, S].
        second: Likewise, mirrored where it is.
        placements: [P, 4].

    Returns:
        [P], in -1..1; 0 for a flat picture.
    """
    side = first.shape[-1]
    rows, _, rows_in = _resampling(placements[:, :2], side)
    columns, _, columns_in = _resampling(placements[:, 2:], side)
    moved = rows[:, None] @ second @ columns.transpose(0, 2, 1)[:, None]
    mask = (rows_in[:, :, None] * columns_in[:, None, :])[:, None]
    counts = np.maximum(first.shape[1] * mask.sum((1, 2, 3)), 1)

    def centre(x: np.ndarray) -> np.ndarray:
        mean = (x * mask).sum((1, 2, 3)) / counts
        return (x - mean[:, None, None, None]) * mask

    a, b = centre(first), centre(moved)
    lengths = np.sqrt((a**2).sum((1, 2, 3)) * (b**2).sum((1, 2, 3)))
    return (a * b).sum((1, 2, 3)) / np.maximum(lengths, 1e-3)

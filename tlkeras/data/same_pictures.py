"""Deciding by thumbnails which pairs of files show the same picture.

Cropped to 80 % of a side, shifted by a tenth, mirrored, brighter, compressed:
pairs are laid upon one another coarsely, then finely (`alignment.py`). What is
the same stands out: its distance from a perfect correlation is a fraction of
that of the next picture, which a limit alone does not say of drawings or cells.
Needs neither TensorFlow nor Keras.
"""

import functools
import io
import os
from collections.abc import Callable, Sequence

import numpy as np

from tlkeras.data.alignment import (
    blur,
    correlate,
    cut_windows,
    propose_placements,
    refine_placements,
)
from tlkeras.data.contents import read_content
from tlkeras.data.definition import IMAGE_FORMATS
from tlkeras.data.orientation import turn_upright
from tlkeras.data.parallel import ordered_map
from tlkeras.data.perceptual_hash import FLAT_CONTRAST

SIDE = 48  # pixels
COARSE = 3  # times smaller, for all but the last steps
COARSE_STEPS, FINE_STEPS = 8, 5
CHUNK = 256  # pairs at a time: some 50 MB
KEPT_THUMBNAILS = 20_000  # 7 kB each
KEPT_WINDOWS = 4000  # 28 kB each
GREY = np.array([0.299, 0.587, 0.114], np.float32)
# Chosen with planted copies of clothes, hands, cells and drawn characters; see
# docs/measurements.md.
MIN_PROPOSED = 0.8  # correlation of windows
ALIGNED_AN_IMAGE = 2  # the best proposals of an image are looked at
MIN_COARSE = 0.94
MIN_CORRELATION = 0.96
SURE = 0.99
MAX_RATIO = 0.4  # of 1 - correlation to that of the image's next best


def find_same_pictures(
    files: Sequence[str], pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which pairs show the same picture, and how well they agree.

    Args:
        files: Of N images.
        pairs: int [P, 2] places in `files`, without repeats.

    Returns:
        Of those that do: pairs [Q, 2], the surest first, and their
        correlations [Q].
    """
    pairs = pairs[np.lexsort(pairs.T)]  # by second, for `_propose`
    proposed, mirrored, placements = _in_chunks(
        lambda part: _propose(files, part), pairs
    )
    kept = np.flatnonzero(_among_best(pairs, proposed))
    correlations = np.zeros(len(pairs))
    if len(kept):
        (correlations[kept],) = _in_chunks(
            lambda part, *more: _align(files, part, *more),
            pairs[kept],
            mirrored[kept],
            placements[kept],
        )
    same = np.flatnonzero(_stands_out(pairs, correlations))
    same = same[np.argsort(-correlations[same], kind="stable")]
    return pairs[same], correlations[same]


def _in_chunks(
    function: Callable[..., tuple[np.ndarray, ...]], *arrays: np.ndarray
) -> list[np.ndarray]:
    """Applies a function to parts of arrays [P, ...], in threads."""
    parts = [
        [array[start : start + CHUNK] for array in arrays]
        for start in range(0, max(len(arrays[0]), 1), CHUNK)
    ]
    done = ordered_map(
        lambda part: function(*part), parts, num_workers=os.cpu_count() or 1
    )
    return [np.concatenate(column) for column in zip(*done, strict=True)]


def _propose(files: Sequence[str], pairs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Returns what `propose_placements` does, of pairs sorted by second."""
    starts = np.flatnonzero(np.diff(pairs[:, 1], prepend=-1))
    found = []
    for part in np.split(pairs, starts[1:]):
        first = [_windows(files[place], False) for place in part[:, 0]]
        file = files[part[0, 1]]
        second = [_windows(file, mirrored) for mirrored in (False, True)]
        found.append(propose_placements(np.stack(first), np.stack(second)))
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


@functools.lru_cache(maxsize=KEPT_WINDOWS)
def _windows(path: str, mirrored: bool) -> np.ndarray:
    """Returns windows [49, 144]; zeros for a flat picture."""
    grey = _thumbnail(path) @ GREY
    if grey.std() < FLAT_CONTRAST:
        grey = np.zeros_like(grey)
    return cut_windows(grey[None, :, :: -1 if mirrored else 1])[0]


def _align(
    files: Sequence[str],
    pairs: np.ndarray,
    mirrored: np.ndarray,
    placements: np.ndarray,
) -> tuple[np.ndarray]:
    first, second = (_read(files, side) for side in pairs.T)
    second[mirrored] = second[mirrored, :, ::-1]
    grey, other = (blur(side @ GREY) for side in (first, second))
    placements, found = refine_placements(
        blur(_reduce(grey)), blur(_reduce(other)), placements, COARSE_STEPS
    )
    near = np.flatnonzero(found >= MIN_COARSE)
    correlations = np.zeros(len(pairs))
    if len(near):
        placements, _ = refine_placements(
            grey[near], other[near], placements[near], FINE_STEPS
        )
        colours, others = (
            blur(side[near].transpose(0, 3, 1, 2)) for side in (first, second)
        )
        correlations[near] = correlate(colours, others, placements)
    return (correlations,)


def _reduce(grey: np.ndarray) -> np.ndarray:
    """Returns [P, S, S] at a third of the size."""
    side = SIDE // COARSE
    shape = len(grey), side, COARSE, side, COARSE
    return grey.reshape(shape).mean((2, 4))


def _among_best(pairs: np.ndarray, proposed: np.ndarray) -> np.ndarray:
    """Returns a mask [P]: good enough, and of the best of either image."""
    order = np.argsort(-proposed, kind="stable")
    chosen = np.zeros(len(pairs), bool)
    for side in pairs.T:
        seen: dict[int, int] = {}
        for row in order.tolist():
            place = int(side[row])
            seen[place] = seen.get(place, 0) + 1
            chosen[row] |= seen[place] <= ALIGNED_AN_IMAGE
    return chosen & (proposed >= MIN_PROPOSED)


def _stands_out(pairs: np.ndarray, correlations: np.ndarray) -> np.ndarray:
    """Returns a mask [P] of pairs that are the same picture."""
    best: dict[int, list[float]] = {}
    for pair, value in zip(pairs.tolist(), correlations.tolist(), strict=True):
        for place in pair:
            best[place] = sorted([*best.get(place, [0.0]), value])[-2:]
    other = np.zeros(pairs.shape)
    for row, value in enumerate(correlations.tolist()):
        for side, place in enumerate(pairs[row].tolist()):
            second, first = best[place]
            other[row, side] = second if value == first else first
    ratio = (1 - correlations) / np.maximum(1 - other.max(1), 1e-9)
    same = (correlations >= MIN_CORRELATION) & (ratio <= MAX_RATIO)
    return same | (correlations >= SURE)


@functools.lru_cache(maxsize=KEPT_THUMBNAILS)
def _thumbnail(path: str) -> np.ndarray:
    """Returns uint8 [48, 48, 3], upright; flat if the file cannot be read."""
    from PIL import Image

    try:
        content = read_content(path)
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            # JPEG: decoded at a fraction of its size.
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = image.convert("RGB").resize(
                (SIDE, SIDE), Image.Resampling.BOX
            )
        return np.asarray(turn_upright(small, content))
    except OSError:
        return np.zeros((SIDE, SIDE, 3), np.uint8)


def _read(files: Sequence[str], places: np.ndarray) -> np.ndarray:
    """Returns thumbnails, float32 [n, 48, 48, 3]."""
    read = [_thumbnail(files[place]) for place in places.tolist()]
    return np.stack(read).astype(np.float32)

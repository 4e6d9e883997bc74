"""Finding the same picture in other bytes: re-encoded or resized copies.

A hash of the coarse structure proposes pairs, small thumbnails decide. Needs
neither TensorFlow nor Keras.
"""

import dataclasses
import functools
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tlkeras.data.contents import read_content
from tlkeras.data.dataset import Split
from tlkeras.data.definition import IMAGE_FORMATS
from tlkeras.data.orientation import turn_upright

if TYPE_CHECKING:
    from PIL.Image import Image

HASH_SIDE = 32  # pixels; smaller pictures are too alike to tell copies apart
# Measured on photos, cell crops, drawings and digits: copies at JPEG quality
# 30, half or 1.6 times the size differ by 0-14 of 64 bits. Different pictures
# of one class come as near, but their thumbnails reach a correlation of .97
# and a difference of .06 at most, never both.
MAX_BITS = 14
MIN_CORRELATION = 0.98
MAX_DIFFERENCE = 0.1  # mean absolute, of the thumbnail's standard deviation
# Within channels copies reach .98 and pictures in one channel .93 at most; a
# strongly compressed small copy, .9 in a weak channel.
MIN_WITHIN = 0.95
MAX_PAIRS = 10**9  # hashes compared for two splits; about a second
NEAREST = 3  # pictures that may be the same as one
MAX_VERIFIED = 500  # pairs of files read, the nearest first; 2 s
FLAT_CONTRAST = 2.0  # grey levels; a picture with less contrast shows nothing


def _cosines() -> np.ndarray:
    """Returns the lowest 8 rows of the discrete cosine transform, [8, 32]."""
    frequency, place = np.ogrid[:8, :HASH_SIDE]
    return np.cos(np.pi * (2 * place + 1) * frequency / (2 * HASH_SIDE))


_COSINES = _cosines().astype(np.float32)


def perceptual_hash(image: "Image") -> int | None:
    """Returns 64 bits: which low frequencies lie above their median (pHash).

    Args:
        image: Decoded, of any size and mode.

    Returns:
        The hash; None for a picture that is too small or flat to have one.

    Reference:
        Zauner, Implementation and Benchmarking of Perceptual Image Hash
        Functions, 2010, section 3.2.1.
    """
    if min(image.size) < HASH_SIDE:
        return None
    grey = np.asarray(_shrink(image.convert("L")), np.float32)
    if grey.std() < FLAT_CONTRAST:
        return None
    low = (_COSINES @ grey @ _COSINES.T).ravel()
    low[0] = 0.0  # brightness says nothing about the picture
    return int(np.packbits(low > np.median(low[1:])).view(np.uint64)[0])


def _shrink(image: "Image") -> "Image":
    from PIL import Image

    return image.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX)


def is_same_picture(first: str, second: str) -> bool:
    """Says whether two files show the same picture, by their thumbnails.

    Also within the channels: between an empty channel and a bright one, as in
    fluorescence microscopy, any two pictures correlate.
    """
    try:
        a, b = _thumbnail(first), _thumbnail(second)
    except OSError:
        return False
    shown = np.maximum(a.std(0), b.std(0)) >= FLAT_CONTRAST
    contrast = min(a.std(), b.std())
    if contrast < FLAT_CONTRAST or not shown.any():
        return False
    difference = np.abs(a - b).mean() / contrast
    if difference > MAX_DIFFERENCE or _correlation(a, b) < MIN_CORRELATION:
        return False
    a, b = (x[:, shown] - x[:, shown].mean(0) for x in (a, b))
    return _correlation(a, b) >= MIN_WITHIN


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):  # flat: NaN
        return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@functools.lru_cache(maxsize=1024)
def _thumbnail(path: str) -> np.ndarray:
    """Returns the pixels of a thumbnail, float32 [HASH_SIDE^2, 3]."""
    from PIL import Image

    content = read_content(path)
    with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
        # JPEG: decoded at a fraction of its size.
        image.draft("RGB", (4 * HASH_SIDE, 4 * HASH_SIDE))
        small = turn_upright(_shrink(image.convert("RGB")), content)
    return np.asarray(small, np.float32).reshape(-1, 3)


@dataclasses.dataclass(frozen=True)
class NearDuplicates:
    """The same pictures in two splits, in other bytes.

    Attributes:
        pairs: (file of the first split, file of the second).
        num_compared: Images of the second split that were looked up.
        num_unread: Pairs of near hashes beyond `MAX_VERIFIED`, whose files
            were not compared.
    """

    pairs: list[tuple[str, str]]
    num_compared: int
    num_unread: int


def find_near_duplicates(
    first: Split, second: Split, *, seed: int = 0
) -> NearDuplicates:
    """Finds pictures of one split that lie in another in other bytes.

    Args:
        first: A split, scanned.
        second: Another one; where the pairs would pass `MAX_PAIRS`, so many of
            its images are drawn that they do not.
        seed: Of that draw.
    """
    drawn = second.draw(max(1, MAX_PAIRS // max(len(first), 1)), seed)
    near = sorted(nearest_hashes(first, drawn))
    pairs = [
        (first.paths[a], drawn.paths[b])
        for _, a, b in near[:MAX_VERIFIED]
        if is_same_picture(first.files[a], drawn.files[b])
    ]
    return NearDuplicates(pairs, len(drawn), max(len(near) - MAX_VERIFIED, 0))


def nearest_hashes(
    first: Split, second: Split
) -> Iterator[tuple[int, int, int]]:
    """Yields the nearest few of each image of the second split.

    Args:
        first: A split, scanned.
        second: Another one.

    Yields:
        Bits that differ, at most `MAX_BITS`, and both places.
    """
    known = [i for i, value in enumerate(first.hashes) if value is not None]
    hashes = np.array([first.hashes[i] for i in known], np.uint64)
    for row, value in enumerate(second.hashes):
        if value is None or not known:
            continue
        bits = np.bitwise_count(hashes ^ np.uint64(value))
        near = np.flatnonzero(bits <= MAX_BITS)
        for place in near[np.argsort(bits[near], kind="stable")[:NEAREST]]:
            yield int(bits[place]), known[place], row

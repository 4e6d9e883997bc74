"""Drawn textures: a source that shares nothing with glyphs but edges."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

TEXTURE_SIZE = 32  # pixels
DRAWINGS_PER_TEXTURE = 500
NUM_DIRECTIONS = 13
PERIODS = (5.0, 8.0)  # pixels across a repetition, drawn anew for each image
JITTER = 4.0  # degrees; directions lie 180 / 13 degrees apart

# (across, along: float64 [32, 32], in periods; generator) -> [32, 32] in 0..1.
Pattern = Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _waves(
    across: np.ndarray, along: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    return 0.5 + 0.5 * np.cos(2 * np.pi * across)


def _stripes(
    across: np.ndarray, along: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    return (across % 1.0 < rng.uniform(0.2, 0.35)).astype(np.float64)


def _dots(
    across: np.ndarray, along: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    columns = 0.5 + 0.5 * np.cos(2 * np.pi * across)
    rows = 0.5 + 0.5 * np.cos(np.pi * along)  # twice as far apart
    return (columns * rows) ** 1.5


def _grain(
    across: np.ndarray, along: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.normal(size=(96, 96)), (1.0, 5.0))
    # Five samples of the noise are a period.
    place = [5 * values - 5 * values.mean() + 48 for values in (across, along)]
    drawn = ndimage.map_coordinates(noise, place, order=1, mode="reflect")
    return np.clip(0.5 + drawn / (4 * drawn.std()), 0.0, 1.0)


PATTERNS: dict[str, Pattern] = {
    "waves": _waves,
    "stripes": _stripes,
    "dots": _dots,
    "grain": _grain,
}
TEXTURE_NAMES = tuple(
    f"{pattern}_{direction:02d}"
    for pattern in PATTERNS
    for direction in range(NUM_DIRECTIONS)
)


def draw_textures(
    *, drawings_per_texture: int = DRAWINGS_PER_TEXTURE, seed: int = 0
) -> Iterator[tuple[np.ndarray, str]]:
    """Yields textures: four patterns in thirteen directions.

    As many classes, drawings and pixels as the letters have. Place, scale,
    contrast, sharpness and noise differ from drawing to drawing.

    Args:
        drawings_per_texture: Of each of the 52 textures.
        seed: Of what differs.

    Yields:
        (uint8 [32, 32], class name).
    """
    rng = np.random.default_rng(seed)
    for name in TEXTURE_NAMES:
        pattern, direction = name.split("_")
        for _ in range(drawings_per_texture):
            angle = 180 * int(direction) / NUM_DIRECTIONS
            yield _draw_texture(PATTERNS[pattern], angle, rng), name


def _draw_texture(
    pattern: Pattern, angle: float, rng: np.random.Generator
) -> np.ndarray:
    radians = np.deg2rad(angle + rng.uniform(-JITTER, JITTER))
    rows, columns = np.indices((TEXTURE_SIZE, TEXTURE_SIZE)) / rng.uniform(
        *PERIODS
    )
    across = columns * np.cos(radians) + rows * np.sin(radians)
    along = rows * np.cos(radians) - columns * np.sin(radians)
    shift = rng.uniform(0, 2, size=2)
    drawn = pattern(across + shift[0], along + shift[1], rng)
    drawn = ndimage.gaussian_filter(drawn, rng.uniform(0.0, 0.8))
    low, high = rng.uniform(0.0, 0.3), rng.uniform(0.6, 1.0)
    noisy = low + (high - low) * drawn + rng.normal(0, 0.04, drawn.shape)
    return np.round(255 * np.clip(noisy, 0.0, 1.0)).astype(np.uint8)

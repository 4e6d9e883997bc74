"""The first layer's filters as small pictures, before and after training."""

import io
import math

import numpy as np

from tlkeras import workdir
from tlkeras.report.run_files import Content, RunFiles
from tlkeras.report.thumbnails import png_uri

MAX_FILTERS = 96
TARGET_TILE = 42  # pixels a side, at least


def build_filters(files: RunFiles) -> Content | None:
    """Returns the pictures; None for runs that left no filters."""
    path = files.directory / workdir.FILTERS
    if not path.exists():
        return None
    with workdir.reading(path), np.load(path) as stored:
        before, after = stored["before"], stored["after"]
        if not before.ndim == after.ndim == 4:
            raise ValueError(f"filters of {before.ndim} dimensions")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        return None
    size = max(float(np.linalg.norm(before)), 1e-12)
    change = float(np.linalg.norm(after - before)) / size
    is_same = bool((before == after).all())
    pictures = [("after training", after)]
    if is_same:
        pictures = [("before and after training", after)]
    else:
        pictures.insert(0, ("before training", before))
    contents = [(name, draw_filters(kernel)) for name, kernel in pictures]
    return {
        "pictures": [
            {"name": name, "image": png_uri(content)}
            for name, content in contents
        ],
        "png": contents[-1][1],
        "is_same": is_same,
        "change": change,
        "shape": before.shape,
        "num_shown": min(before.shape[-1], MAX_FILTERS),
    }


def draw_filters(kernel: np.ndarray) -> bytes:
    """Draws each filter as a tile; grey is zero.

    All share one scale, so that a dead filter looks dead.

    Args:
        kernel: float [h, w, channels, filters]; three channels are RGB, others
            are averaged.

    Returns:
        A PNG.
    """
    from PIL import Image

    tiles = np.moveaxis(kernel[..., :MAX_FILTERS], -1, 0).astype(np.float32)
    if tiles.shape[-1] != 3:
        tiles = tiles.mean(-1, keepdims=True).repeat(3, axis=-1)
    scale = max(float(np.abs(tiles).max()), 1e-12)
    pixels = (127.5 + 127.5 * tiles / scale).round().astype(np.uint8)
    zoom = max(TARGET_TILE // kernel.shape[0], 2)
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    pixels = np.pad(
        pixels, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255
    )
    count, height, width, _ = pixels.shape
    columns = min(count, max(8, math.ceil(math.sqrt(2 * count))))
    rows = math.ceil(count / columns)
    grid = np.full((rows * columns, height, width, 3), 255, np.uint8)
    grid[:count] = pixels
    grid = grid.reshape(rows, columns, height, width, 3).swapaxes(1, 2)
    picture = grid.reshape(rows * height, columns * width, 3)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

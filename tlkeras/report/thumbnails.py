"""Small copies of images, inside the page."""

import base64
import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlkeras.data.conversion import convert_to_png, is_convertible
from tlkeras.data.definition import IMAGE_FORMATS, MAX_PIXELS
from tlkeras.data.orientation import turn_upright
from tlkeras.evaluation.heat_map import HeatMap

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160  # pixels; shown at up to 128 CSS pixels
QUALITY = 80  # with SIDE a photo takes some 6.5 kB of the page


@functools.lru_cache(maxsize=512)
def make_thumbnail(path: str, is_upright: bool = True) -> str:
    """Returns an image file as a small JPEG in a data URI.

    Args:
        path: Of the image.
        is_upright: Whether an EXIF orientation is applied, as in training.

    Returns:
        The URI; "" if the file is gone or cannot be decoded.
    """
    small = _shrink(path, is_upright)
    return _jpeg_uri(small) if small else ""


def make_heat_thumbnail(path: str, is_upright: bool, heat_map: HeatMap) -> str:
    """Returns the same image in grey under a heat map; "" likewise.

    Args:
        path: Of the image.
        is_upright: As for `make_thumbnail`.
        heat_map: Scores [h, w, 1] over it.
    """
    from PIL import Image

    small = _shrink(path, is_upright)
    if not small:
        return ""
    painted = heat_map.paint(np.asarray(small), 0)
    return _jpeg_uri(Image.fromarray(painted))


@functools.lru_cache(maxsize=64)
def _shrink(path: str, is_upright: bool) -> "Image.Image | None":
    """Returns a small copy, or None if it cannot be had."""
    from PIL import Image

    if not Path(path).is_file():  # a pipe would be waited for
        return None
    try:
        content = Path(path).read_bytes()
        if is_convertible(content):
            content = convert_to_png(content, MAX_PIXELS)
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = _flatten(image)
    except Exception:  # decoders raise many kinds on damaged files
        return None
    small.thumbnail((SIDE, SIDE))
    return turn_upright(small, content) if is_upright else small


def _jpeg_uri(image: "Image.Image") -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return _data_uri(buffer.getvalue(), "jpeg")


def _flatten(image: "Image.Image") -> "Image.Image":
    """Returns an image as RGB, transparent parts white."""
    from PIL import Image

    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def png_uri(content: bytes) -> str:
    """Returns a PNG as a data URI."""
    return _data_uri(content, "png")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

"""Small copies of images, inside the page."""

import base64
import functools
import io
from typing import TYPE_CHECKING

import numpy as np

from tlkeras.data.contents import can_be_read, read_content
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
    content = encode_small(path, is_upright=is_upright, side=SIDE)
    return data_uri(content, "jpeg") if content else ""


def encode_small(path: str, *, is_upright: bool, side: int) -> bytes:
    """Returns an image file as a small JPEG.

    Args:
        path: Of the image.
        is_upright: As for `make_thumbnail`.
        side: The longer one, at most; pixels.

    Returns:
        The file; empty if the image is gone or cannot be decoded.
    """
    small = _shrink(path, is_upright, side)
    return encode_jpeg(small) if small else b""


def make_heat_thumbnail(path: str, is_upright: bool, heat_map: HeatMap) -> str:
    """Returns the same image in grey under a heat map; "" likewise.

    Args:
        path: Of the image.
        is_upright: As for `make_thumbnail`.
        heat_map: Scores [h, w, 1] over it.
    """
    from PIL import Image

    small = _shrink(path, is_upright, SIDE)
    if not small:
        return ""
    painted = heat_map.paint(np.asarray(small), 0)
    return data_uri(encode_jpeg(Image.fromarray(painted)), "jpeg")


@functools.lru_cache(maxsize=64)
def _shrink(path: str, is_upright: bool, side: int) -> "Image.Image | None":
    """Returns a small copy, or None if it cannot be had."""
    from PIL import Image

    if not can_be_read(path):  # a pipe would be waited for
        return None
    try:
        content = read_content(path)
        if is_convertible(content):
            content = convert_to_png(content, MAX_PIXELS)
        with Image.open(io.BytesIO(content), formats=IMAGE_FORMATS) as image:
            image.draft("RGB", (2 * side, 2 * side))
            small = _flatten(image)
    except Exception:  # decoders raise many kinds on damaged files
        return None
    small.thumbnail((side, side))
    return turn_upright(small, content) if is_upright else small


def encode_jpeg(image: "Image.Image") -> bytes:
    """Returns an RGB image as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def _flatten(image: "Image.Image") -> "Image.Image":
    """Returns an image as RGB, transparent parts white."""
    from PIL import Image

    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(white, rgba).convert("RGB")


def png_uri(content: bytes) -> str:
    """Returns a PNG as a data URI."""
    return data_uri(content, "png")


def data_uri(content: bytes, kind: str) -> str:
    """Returns an image file as a data URI.

    Args:
        content: Of the file.
        kind: jpeg | png.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

"""The definition of an image without TensorFlow, bit by bit the same.

`preprocess.py` says what an image is; here JPEGs, PNGs and lossy or lossless
WebPs without alpha are decoded by Pillow, whose libjpeg, libpng and libwebp are
TensorFlow's too, and reduced, turned and resized by the same arithmetic. What
is rare, or not surely whole, is left to TensorFlow, which then is imported: GIF
and BMP, CMYK, WebP with alpha, files that do not end as they should.
"""

import io
import warnings
import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlkeras.data.definition import CURRENT, ImageDefinition
from tlkeras.data.framing_numpy import (
    average_squares,
    fill_target,
    largest_power,
)
from tlkeras.data.image_header import (
    JPEG,
    PNG,
    ends_whole,
    has_all_scans,
    read_size,
)
from tlkeras.data.orientation import TURNS, read_orientation
from tlkeras.startup import has_tensorflow

if TYPE_CHECKING:
    from PIL.Image import Image

BY_DECODER = 3  # largest power of two that libjpeg reduces by
# Of Pillow's modes, those whose RGB has TensorFlow's bytes.
JPEG_MODES = ("L", "RGB")
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
# Chunks of a PNG: those that count, and those that may be repeated.
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"sPLT")


class UndecodableError(ValueError):
    """An image that only TensorFlow can decode, which is not installed."""


def require_tensorflow() -> None:
    """Makes sure that TensorFlow can decide about an image.

    Raises:
        UndecodableError: If it is not installed.
    """
    if not has_tensorflow():
        raise UndecodableError(
            "a kind of image that needs TensorFlow, which is not installed: "
            "save it as a JPEG or PNG"
        )


def decode_contents(
    contents: Sequence[bytes],
    size: tuple[int, int],
    definition: ImageDefinition = CURRENT,
) -> np.ndarray:
    """Decodes and resizes encoded images; from any thread.

    Args:
        contents: [N] JPEG, PNG, GIF, BMP or WebP images.
        size: (height, width) of the result, pixels.
        definition: What the pixels of an image are; the second one.

    Returns:
        uint8 [N, height, width, 3], RGB: what `preprocess.decode_contents`
        returns.

    Raises:
        Exception: One that `decoding.is_refusal` knows, if one of them is no
            such image, has too many pixels, or cannot be decoded here.
    """
    images = np.empty((len(contents), *size, 3), np.uint8)
    for image, content in zip(images, contents, strict=True):
        image[:] = _decode(content, size, definition)
    return images


def _decode(
    content: bytes, size: tuple[int, int], definition: ImageDefinition
) -> np.ndarray:
    pixels = try_decode(content, size, definition)
    if pixels is None:
        require_tensorflow()
        from tlkeras.data import preprocess  # brings TensorFlow

        (pixels,) = preprocess.decode_contents([content], size, definition)
    return pixels


def try_decode(
    content: bytes, size: tuple[int, int], definition: ImageDefinition
) -> np.ndarray | None:
    """Decodes and resizes one image, if that is surely TensorFlow's result.

    Args:
        content: Of a file; any bytes.
        size: (height, width) of the result, pixels.
        definition: What the pixels of an image are.

    Returns:
        uint8 [height, width, 3]; None for TensorFlow to decide.
    """
    stored = _known_size(content, definition)
    if stored is None:
        return None
    w, h = stored[::-1] if read_orientation(content) > 4 else stored
    power = largest_power(h, w, size, definition)
    pixels, rest = _decode_pixels(content, power)
    if pixels is None:
        return None
    pixels = _turn(average_squares(pixels, rest), content)
    return fill_target(pixels, size, definition.geometry)


def try_decode_whole(
    content: bytes, definition: ImageDefinition
) -> np.ndarray | None:
    """Decodes an image at its own size, if that is surely TensorFlow's result.

    Args:
        content: Of a file; any bytes.
        definition: What the pixels of an image are.

    Returns:
        uint8 [h, w, 3], upright; None for TensorFlow to decide.
    """
    if _known_size(content, definition) is None:
        return None
    pixels = read_pixels(content)
    return None if pixels is None else _turn(pixels, content)


def _known_size(
    content: bytes, definition: ImageDefinition
) -> tuple[int, int] | None:
    """Returns the stored (width, height); None for TensorFlow to decide."""
    stored = read_size(content)
    if not definition.is_upright or stored is None or min(stored) < 1:
        return None
    return None if stored[0] * stored[1] > definition.max_pixels else stored


def _turn(pixels: np.ndarray, content: bytes) -> np.ndarray:
    """Returns pixels [h, w, 3] as their EXIF orientation shows them."""
    turn = TURNS[read_orientation(content)]
    if turn.transposed:
        pixels = pixels.transpose(1, 0, 2)
    return pixels[
        :: -1 if turn.flipped_rows else 1, :: -1 if turn.flipped_columns else 1
    ]


def read_pixels(content: bytes) -> np.ndarray | None:
    """Returns an image as it is stored, if that is surely TensorFlow's result.

    Args:
        content: Of a file, whose size was looked at.

    Returns:
        uint8 [h, w, 3], not turned; None for TensorFlow to decide.
    """
    return _decode_pixels(content, 0)[0]


def _decode_pixels(content: bytes, power: int) -> tuple[np.ndarray | None, int]:
    """Returns pixels uint8 [h, w, 3], and the reduction that is left to do."""
    for start, is_whole, decode in _FORMATS:
        if content.startswith(start) and is_whole(content):
            try:
                return decode(content, power)
            except Exception:  # decoders raise many kinds on damaged files
                return None, 0
    return None, 0


def _open(content: bytes, file_format: str) -> "Image":
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of bombs: sizes are known here
        return Image.open(io.BytesIO(content), formats=(file_format,))


def _decode_jpeg(content: bytes, power: int) -> tuple[np.ndarray | None, int]:
    image = _open(content, "JPEG")
    if image.mode not in JPEG_MODES:
        return None, 0
    by_decoder = min(power, BY_DECODER)
    # The size for which Pillow asks libjpeg for this reduction.
    reduced = tuple(-(-side >> by_decoder) for side in image.size)
    width, height = (max(side >> by_decoder, 1) for side in image.size)
    image.draft(None, (width, height))
    if image.size != reduced:
        return None, 0
    return _as_rgb(image), power - by_decoder


def _decode_png(content: bytes, power: int) -> tuple[np.ndarray | None, int]:
    image = _open(content, "PNG")
    if image.mode not in _PNG_MODES:
        return None, 0
    return _as_rgb(image), power


def _decode_webp(content: bytes, power: int) -> tuple[np.ndarray | None, int]:
    image = _open(content, "WEBP")
    if image.mode != "RGB" or getattr(image, "is_animated", False):
        return None, 0
    return _as_rgb(image), power


def _as_rgb(image: "Image") -> np.ndarray:
    """Returns uint8 [h, w, 3]: repeats grey, drops alpha, 8 of 16 bits."""
    if image.mode == "P":
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    pixels = np.asarray(image)
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] < 3:
        return pixels[..., :1].repeat(3, 2)
    return pixels[..., :3]


def _is_whole_jpeg(content: bytes) -> bool:
    return ends_whole(content) and has_all_scans(content)


def _is_whole_png(content: bytes) -> bool:
    """Says whether the chunks are in order to the end, and undamaged."""
    at, before = len(PNG), b""
    seen: set[bytes] = set()
    has_palette = content[25:26] == b"\x03"
    needed = {b"IHDR", b"PLTE"} if has_palette else {b"IHDR"}
    while (head := content[at : at + 8]) and len(head) == 8:
        length, kind = int.from_bytes(head[:4]), head[4:]
        end = at + 12 + length
        checksum = int.from_bytes(content[end - 4 : end])
        is_known = kind in _CRITICAL or kind[:1].islower()
        if not is_known or zlib.crc32(content[at + 4 : end - 4]) != checksum:
            return False
        follows = kind == b"IDAT" == before
        if kind in seen and kind not in _TEXTS and not follows:
            return False
        if kind == b"IDAT" and not needed <= seen:
            return False
        seen.add(kind)
        before = kind
        if kind == b"IEND":
            return end == len(content)
        at = end
    return False


def _is_whole_webp(content: bytes) -> bool:
    length = int.from_bytes(content[4:8], "little")
    return content[8:12] == b"WEBP" and length + 8 == len(content)


# How a file begins; whether it is as it should be; what decodes it.
_FORMATS: tuple[
    tuple[
        bytes,
        Callable[[bytes], bool],
        Callable[[bytes, int], tuple[np.ndarray | None, int]],
    ],
    ...,
] = (
    (JPEG, _is_whole_jpeg, _decode_jpeg),
    (PNG, _is_whole_png, _decode_png),
    (b"RIFF", _is_whole_webp, _decode_webp),
)

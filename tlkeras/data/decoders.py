"""Decoding of every format at once, bounded by what its header claims."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tlkeras.data import header_ops
from tlkeras.data.apart import apart

REDUCTIONS = (1, 2, 4, 8)  # that libjpeg can decode at

# (pixels uint8 [h, w, 3], number of pixels that the header claims, int64).
# Where it claims too much there is one black pixel.
Decoded = tuple[tf.Tensor, tf.Tensor]
_CONTENT = tf.TensorSpec((), tf.string)
_LIMIT = tf.TensorSpec((), tf.int64)
# The text of an error may be bytes.
REFUSALS = (tf.errors.OpError, UnicodeDecodeError)


def decode_jpeg(content: tf.Tensor, power: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG at a reduction.

    Args:
        content: Scalar string.
        power: int32 scalar; the reduction is 2**power. Past those that libjpeg
            has there is one black pixel.

    Returns:
        uint8 [h, w, 3].
    """

    def decode(ratio: int) -> tf.Tensor:
        return tf.io.decode_jpeg(
            content, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
        )

    return tf.switch_case(
        power,
        [lambda ratio=ratio: decode(ratio) for ratio in REDUCTIONS]
        + [_one_pixel],
    )


def jpeg_sides(content: tf.Tensor) -> tf.Tensor:
    """Returns the height and width that a JPEG claims, int64 [2]."""
    return tf.cast(tf.io.extract_jpeg_shape(content)[:2], tf.int64)


def try_other(content: bytes, limit: int) -> np.ndarray | None:
    """Returns what a network would see of an image, no JPEG, before a resize.

    Args:
        content: The bytes of a PNG, GIF, BMP or WebP.
        limit: Of pixels.

    Returns:
        uint8 [h, w, 3]; None if it cannot be decoded, or has more pixels.
    """
    try:
        pixels, num_pixels = decode_other(content, limit)
        return pixels.numpy() if num_pixels <= limit else None
    except REFUSALS:
        return None


def accepts_jpeg(content: bytes) -> bool:
    """Says whether TensorFlow decodes a JPEG, by a try at an eighth."""
    try:
        tf.io.decode_jpeg(content, channels=3, ratio=REDUCTIONS[-1])
    except REFUSALS:
        return False
    return True


@apart(_CONTENT, _LIMIT)
def decode_other(content: tf.Tensor, limit: tf.Tensor) -> Decoded:
    """Decodes PNG and GIF as RGB; BMP and WebP with the channels they have.

    Args:
        content: Scalar string, no JPEG.
        limit: Of pixels, int64 scalar.
    """

    def starts(text: bytes, place: int = 0) -> tf.Tensor:
        return tf.equal(tf.strings.substr(content, place, len(text)), text)

    return tf.case(
        [
            (starts(b"BM"), lambda: _decode_bmp(content, limit)),
            (starts(b"GIF8"), lambda: _decode_gif(content, limit)),
            (starts(b"RIFF"), lambda: _decode_webp(content, limit)),
        ],
        default=lambda: _bounded(
            header_ops.png_pixels(content), limit, lambda: _decode_any(content)
        ),
    )


def _bounded(
    num_pixels: tf.Tensor, limit: tf.Tensor, decode: Callable[[], tf.Tensor]
) -> Decoded:
    return tf.cond(num_pixels > limit, _one_pixel, decode), num_pixels


def _one_pixel() -> tf.Tensor:
    return tf.zeros((1, 1, 3), tf.uint8)


def _decode_any(content: tf.Tensor) -> tf.Tensor:
    return tf.io.decode_image(content, channels=3, expand_animations=False)


@apart(_CONTENT, _LIMIT)
def _decode_gif(content: tf.Tensor, limit: tf.Tensor) -> Decoded:
    first, num_pixels = header_ops.first_gif_frame(content)
    return _bounded(num_pixels, limit, lambda: _decode_any(first))


@apart(_CONTENT, _LIMIT)
def _decode_bmp(content: tf.Tensor, limit: tf.Tensor) -> Decoded:
    return _bounded(
        header_ops.bmp_pixels(content),
        limit,
        lambda: _to_rgb(tf.io.decode_bmp(header_ops.cut_bmp(content))),
    )


@apart(_CONTENT, _LIMIT)
def _decode_webp(content: tf.Tensor, limit: tf.Tensor) -> Decoded:
    """Decodes a WebP, whose channels must be asked for as they are.

    TensorFlow 2.21 aborts the process when it chooses them itself for an
    animation. The alpha bit is bit 4 of byte 20 in the extended format and of
    byte 24 in the lossless one.
    """
    kind = tf.strings.substr(content, 12, 4)
    place = tf.where(tf.equal(kind, b"VP8L"), 24, 20)
    flags = tf.io.decode_raw(tf.strings.substr(content, place, 1), tf.uint8)[0]
    has_alpha = (flags & 0x10 > 0) & tf.not_equal(kind, b"VP8 ")
    return _bounded(
        header_ops.webp_pixels(content),
        limit,
        lambda: tf.cond(
            has_alpha,
            lambda: _to_rgb(tf.io.decode_webp(content, channels=4)[0]),
            lambda: tf.io.decode_webp(content, channels=3)[0],
        ),
    )


def _to_rgb(pixels: tf.Tensor) -> tf.Tensor:
    """Turns [h, w, 1 | 3 | 4] into [h, w, 3]: repeats grey, drops alpha."""
    is_grey = tf.equal(tf.shape(pixels)[2], 1)
    return tf.cond(
        is_grey,
        lambda: tf.repeat(pixels[:, :, :1], 3, axis=2),
        lambda: pixels[:, :, :3],
    )

"""Sizes of images inside a graph: `image_header.py` in integer arithmetic.

JPEGs are left out: TensorFlow has an op that reads their header.
"""

from collections.abc import Callable

import tensorflow as tf

MAX_SIDE = 2**31 - 1  # of what a header claims; a product fits into int64
# Of a GIF's data, 255 bytes each; about a third of a second of walking.
MAX_GIF_BLOCKS = 65536


def png_pixels(content: tf.Tensor) -> tf.Tensor:
    """Returns how many pixels a PNG claims, int64."""
    head = _bytes(content, 24)
    width, height = (unsigned(head[a : a + 4], "big") for a in (16, 20))
    return tf.minimum(width, MAX_SIDE) * tf.minimum(height, MAX_SIDE)


def bmp_pixels(content: tf.Tensor) -> tf.Tensor:
    """Returns how many pixels a BMP claims, int64; a height may be negative."""
    head = _bytes(content, 26)
    width, height = (unsigned(head[a : a + 4], "little") for a in (18, 22))
    return tf.minimum(width, 2**32 - width) * tf.minimum(height, 2**32 - height)


def cut_bmp(content: tf.Tensor) -> tf.Tensor:
    """Cuts off what lies behind the pixels of a BMP, as some programs write.

    TensorFlow takes a longer file for a damaged one.

    Args:
        content: Scalar string, a BMP of a bounded number of pixels.
    """
    head = _bytes(content, 30)
    start, width, height = (
        unsigned(head[a : a + 4], "little") for a in (10, 18, 22)
    )
    height = tf.minimum(height, 2**32 - height)
    row_bytes = (width * unsigned(head[28:30], "little") + 31) // 32 * 4
    begin = tf.constant(0, tf.int64)
    return tf.strings.substr(content, begin, start + row_bytes * height)


def webp_pixels(content: tf.Tensor) -> tf.Tensor:
    """Returns how many pixels a WebP claims, int64.

    VP8X: 24 bits each, less one; VP8L: 14 bits each, less one; VP8: 14 bits.
    """
    head = _bytes(content, 30)
    kind = head[15]  # of "VP8X", "VP8L", "VP8 "
    bits = unsigned(head[21:25], "little")
    lossless = (1 + bits % 2**14) * (1 + (bits // 2**14) % 2**14)
    lossy = (unsigned(head[26:28], "little") % 2**14) * (
        unsigned(head[28:30], "little") % 2**14
    )
    extended = (1 + unsigned(head[24:27], "little")) * (
        1 + unsigned(head[27:30], "little")
    )
    return tf.where(
        tf.equal(kind, ord("X")),
        extended,
        tf.where(tf.equal(kind, ord("L")), lossless, lossy),
    )


def first_gif_frame(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Cuts an animation behind its first frame.

    TensorFlow decodes all frames, whatever is asked for.

    Args:
        content: Scalar string, a GIF; at least its first four bytes.

    Returns:
        The GIF, and how many pixels it claims: of the canvas or of the frame,
        whichever is larger, int64.
    """
    values = tf.io.decode_raw(content, tf.uint8)
    total = tf.size(values)

    def byte(place: tf.Tensor) -> tf.Tensor:
        return tf.cast(values[tf.minimum(place, total - 1)], tf.int32)

    def table_bytes(flags: tf.Tensor) -> tf.Tensor:
        size = tf.bitwise.left_shift(3, flags % 8 + 1)
        return tf.where(flags >= 128, size, 0)

    def last_block(place: tf.Tensor) -> tf.Tensor:
        return _walk(
            lambda place: (place < total) & (byte(place) > 0),
            lambda place: place + 1 + byte(place),
            place,
        )

    place = _walk(
        lambda place: (place < total) & tf.equal(byte(place), 0x21),
        lambda place: last_block(place + 2) + 1,
        13 + table_bytes(byte(tf.constant(10))),
    )
    is_frame = tf.equal(byte(place), 0x2C) & (place < total)
    frame = tf.strings.substr(content, tf.minimum(place + 5, total), 4)
    data = place + 11 + table_bytes(byte(place + 9))
    end = tf.cond(is_frame, lambda: last_block(data), lambda: total)
    pixels = tf.maximum(
        _area(_bytes(content, 10)[6:10]), _area(_bytes(frame, 4))
    )
    is_endless = (end < total) & (byte(end) > 0)
    cut = tf.strings.join([tf.strings.substr(content, 0, end + 1), b"\x3b"])
    return (
        tf.where(end < total, cut, content),
        tf.where(is_endless, tf.constant(MAX_SIDE**2, tf.int64), pixels),
    )


def unsigned(values: tf.Tensor, order: str) -> tf.Tensor:
    """Returns the number, int64, that 2 to 4 bytes make.

    Args:
        values: [n], of a static length.
        order: `little` or `big`.
    """
    powers = [256**i for i in range(int(values.shape[0]))]
    if order == "big":
        powers.reverse()
    return tf.reduce_sum(
        tf.cast(values, tf.int64) * tf.constant(powers, tf.int64)
    )


def _walk(
    goes_on: Callable[[tf.Tensor], tf.Tensor],
    step: Callable[[tf.Tensor], tf.Tensor],
    place: tf.Tensor,
) -> tf.Tensor:
    (place,) = tf.while_loop(
        goes_on,
        lambda place: (step(place),),
        (place,),
        parallel_iterations=1,
        maximum_iterations=MAX_GIF_BLOCKS,
    )
    return place


def _area(four: tf.Tensor) -> tf.Tensor:
    return unsigned(four[:2], "little") * unsigned(four[2:], "little")


def _bytes(content: tf.Tensor, count: int) -> tf.Tensor:
    """Returns the first bytes, int64 [count], zeros where there are none."""
    return tf.cast(
        tf.io.decode_raw(content, tf.uint8, fixed_length=count), tf.int64
    )

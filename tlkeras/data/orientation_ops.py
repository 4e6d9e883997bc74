"""EXIF orientation inside a graph: `orientation.py` in integer arithmetic.

TensorFlow has no op for it.
"""

from collections.abc import Callable

import tensorflow as tf

from tlkeras.data.apart import apart
from tlkeras.data.header_ops import unsigned
from tlkeras.data.orientation import (
    ENTRIES,
    ENTRY_BYTES,
    EXIF_PREFIX,
    FIRST_IFD,
    MAX_EXIF_BYTES,
    MAX_SEGMENTS,
    TIFF_STARTS,
    TURNS,
)

_CONTENT = tf.TensorSpec((), tf.string)
# RE2's \C is any byte.
_WEBP = rb"RIFF\C{4}WEBP\C*"
_EXIF_IN_PNG = rb"\CPNG\r\n\x1A\n\C*eXIf\C*"
# (is it Exif, does the walk end here, where data begins, its length, next)
Segment = tuple[tf.Tensor, tf.Tensor, int, tf.Tensor, tf.Tensor]


def read_orientation(content: tf.Tensor) -> tf.Tensor:
    """Returns the EXIF orientation of an encoded image.

    Args:
        content: Scalar string; any bytes.

    Returns:
        int32 scalar, 1 .. 8; 1 where there is none or it cannot be read.
    """

    def matches(pattern: bytes) -> tf.Tensor:
        return tf.strings.regex_full_match(content, pattern)

    data = tf.cond(
        tf.io.is_jpeg(content),
        lambda: _find_in_jpeg(content),
        lambda: tf.cond(
            matches(_WEBP),
            lambda: _find_in_webp(content),
            # Most PNGs have no such chunk, and are not walked through.
            lambda: tf.cond(
                matches(_EXIF_IN_PNG),
                lambda: _find_in_png(content),
                lambda: tf.constant(b""),
            ),
        ),
    )
    is_empty = tf.equal(tf.strings.length(data), 0)
    return tf.cond(
        is_empty, lambda: tf.constant(1), lambda: _orientation_of_tiff(data)
    )


def turn_upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Flips and transposes stored pixels so that they are upright.

    Args:
        pixels: uint8 [h, w, channels].
        orientation: int32 scalar, 1 .. 8.

    Returns:
        uint8 [h, w, channels], or [w, h, channels] for 5 .. 8.
    """
    return tf.cond(
        orientation > 1, lambda: _turn(pixels, orientation), lambda: pixels
    )


@apart(tf.TensorSpec((None, None, None), tf.uint8), tf.TensorSpec((), tf.int32))
def _turn(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    turns = [
        (how.transposed, how.flipped_rows, how.flipped_columns)
        for how in TURNS.values()
    ]
    transposed, *flipped = tf.unstack(tf.constant(turns)[orientation - 1])
    order = tf.where(transposed, (1, 0, 2), (0, 1, 2))
    # Unlike tf.reverse, it takes axes that are known when it runs.
    return tf.raw_ops.Reverse(
        tensor=tf.transpose(pixels, order), dims=tf.stack([*flipped, False])
    )


def _jpeg_segment(head: tf.Tensor) -> Segment:
    marker, length = head[1], unsigned(head[2:4], "big")
    may_precede = tf.equal(marker & 0xF0, 0xE0) | tf.equal(marker, 0xFE)
    is_exif = tf.equal(marker, 0xE1) & tf.reduce_all(
        tf.equal(head[4:], list(EXIF_PREFIX))
    )
    ends = ~(tf.equal(head[0], 0xFF) & may_precede)
    return is_exif & ~ends, ends, 10, length - 8, 2 + length


def _png_chunk(head: tf.Tensor) -> Segment:
    length = unsigned(head[:4], "big")
    is_exif = tf.reduce_all(tf.equal(head[4:8], list(b"eXIf")))
    return is_exif, tf.constant(False), 8, length, 12 + length


def _webp_chunk(head: tf.Tensor) -> Segment:
    length = unsigned(head[4:8], "little")
    is_exif = tf.reduce_all(tf.equal(head[:4], list(b"EXIF")))
    return is_exif, tf.constant(False), 8, length, 8 + length + length % 2


@apart(_CONTENT)
def _find_in_jpeg(content: tf.Tensor) -> tf.Tensor:
    return _find(content, 2, _jpeg_segment)


@apart(_CONTENT)
def _find_in_png(content: tf.Tensor) -> tf.Tensor:
    return _find(content, 8, _png_chunk)


@apart(_CONTENT)
def _find_in_webp(content: tf.Tensor) -> tf.Tensor:
    return _find(content, 12, _webp_chunk)


def _find(
    content: tf.Tensor, start: int, segment: Callable[[tf.Tensor], Segment]
) -> tf.Tensor:
    """Walks over segments to the first with Exif data; returns it, or ""."""
    total = tf.cast(tf.strings.length(content), tf.int64)

    def step(place: tf.Tensor, _: tf.Tensor, __: tf.Tensor) -> tuple:
        text = tf.strings.substr(content, place, 10)
        head = tf.io.decode_raw(text, tf.uint8, fixed_length=10)
        is_exif, ends, offset, length, advance = segment(
            tf.cast(head, tf.int64)
        )
        after = tf.where(is_exif | ends, total, place + advance)
        found = tf.where(
            is_exif,
            tf.stack([place + offset, length]),
            tf.zeros(2, tf.int64),
        )
        return tf.minimum(after, total), found[0], found[1]

    _, place, length = tf.while_loop(
        lambda place, *_: place < total,
        step,
        (
            tf.minimum(tf.constant(start, tf.int64), total),
            tf.constant(0, tf.int64),
            tf.constant(0, tf.int64),
        ),
        maximum_iterations=MAX_SEGMENTS,
        parallel_iterations=1,
    )
    data = tf.strings.substr(
        content, tf.minimum(place, total), tf.maximum(length, 0)
    )
    prefix = tf.strings.substr(data, 0, len(EXIF_PREFIX))
    skipped = tf.where(tf.equal(prefix, EXIF_PREFIX), len(EXIF_PREFIX), 0)
    return tf.strings.substr(data, skipped, MAX_EXIF_BYTES)


@apart(_CONTENT)
def _orientation_of_tiff(data: tf.Tensor) -> tf.Tensor:
    """Returns the orientation in the first directory of TIFF data, or 1."""
    total = tf.cast(tf.strings.length(data), tf.int64)
    # Zeros follow, so that every slice below exists.
    values = tf.io.decode_raw(
        data, tf.uint8, fixed_length=MAX_EXIF_BYTES + FIRST_IFD
    )
    is_big = tf.equal(values[0], ord("M"))

    def number(part: tf.Tensor) -> tf.Tensor:
        return tf.where(is_big, unsigned(part, "big"), unsigned(part, "little"))

    def in_order(texts: dict[str, bytes]) -> tf.Tensor:
        return tf.cast(
            tf.where(is_big, list(texts["big"]), list(texts["little"])),
            tf.uint8,
        )

    directory = number(values[4:8])
    is_tiff = tf.reduce_all(tf.equal(values[:4], in_order(TIFF_STARTS)))
    is_inside = (directory >= FIRST_IFD) & (directory <= total - 2)
    directory = tf.where(is_tiff & is_inside, directory, 0)
    first = directory + 2
    count = tf.minimum(
        number(tf.ensure_shape(values[directory:first], 2)),
        (total - first) // ENTRY_BYTES,
    )
    count = tf.where(is_tiff & is_inside, count, 0)
    entries = tf.reshape(
        values[first : first + count * ENTRY_BYTES], (-1, ENTRY_BYTES)
    )
    is_wanted = tf.reduce_all(
        tf.equal(entries[:, :8], in_order(ENTRIES)), axis=1
    )
    # [2] of the first; zeros where there is none
    wanted = tf.boolean_mask(entries[:, 8:10], is_wanted)[:1]
    value = tf.cast(
        number(tf.reduce_max(tf.pad(wanted, [[0, 1], [0, 0]]), 0)), tf.int32
    )
    return tf.where((value >= 1) & (value <= len(TURNS)), value, 1)

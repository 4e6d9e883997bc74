"""The one definition of what an image is, shared by everything.

Training, CNN codes, prediction and the exported graph call `decode_image`.
Version 2 of the definition:

1. An image of more than `max_pixels` is refused before it is decoded.
2. It is reduced by the largest power of two whose result still covers the
   target: JPEGs by their decoder (accurate DCT) up to 8, everything else, and
   what is left of a larger reduction, by averaging squares of pixels.
3. Grey becomes RGB, alpha is dropped; of an animated GIF the first frame
   counts.
4. It is turned upright by its EXIF orientation.
5. It fills the target as `geometry` says, by float32 bilinear resize with
   half-pixel centres, without antialiasing, rounded to uint8.

Version 1 has neither 4 nor the averages of 2, and squashes. JPEGs without an
orientation have the same pixels in both where no more than 8 is asked for.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tlkeras.data import orientation_ops
from tlkeras.data.apart import apart
from tlkeras.data.decoders import (
    REDUCTIONS,
    Decoded,
    decode_jpeg,
    decode_other,
    jpeg_sides,
)
from tlkeras.data.definition import CURRENT, ImageDefinition
from tlkeras.data.framing import fill_target, largest_reduction
from tlkeras.data.reduction import average_squares

UNREDUCED = 2**20  # pixels; a target that no image covers twice
MAX_POWER = 15  # an image has no pixels left beyond a reduction of 2**15
BY_DECODER = len(REDUCTIONS) - 1  # largest power that libjpeg reduces by
# A JFIF segment of 16 bytes, then a quantisation table: almost every JPEG that
# no camera wrote. It has no place for an orientation.
_PLAIN_JPEG = b"\xff\xd8\xff\xe0\0\x10" + bytes(14) + b"\xff\xdb\0\0"
_PLAIN_MASK = b"\xff" * 6 + bytes(14) + b"\xff\xff\0\0"


def decode_contents(
    contents: Sequence[bytes],
    size: tuple[int, int],
    definition: ImageDefinition = CURRENT,
) -> np.ndarray:
    """Decodes and resizes encoded images; from any thread.

    Args:
        contents: [N] JPEG, PNG, GIF, BMP or WebP images.
        size: (height, width) of the result, pixels.
        definition: What the pixels of an image are.

    Returns:
        uint8 [N, height, width, 3], RGB.

    Raises:
        tf.errors.OpError: If one of them is no such image or has too many
            pixels; UnicodeDecodeError where the message would quote its bytes.
    """
    plain = all(_is_plain(content) for content in contents)
    return _compile(size, definition, plain)(tf.constant(contents)).numpy()


@functools.lru_cache(maxsize=64)
def _compile(
    size: tuple[int, int], definition: ImageDefinition, plain: bool
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compiles the decoder of a size, once a process: that takes a second."""
    return tf.function(
        lambda contents: tf.map_fn(
            lambda content: decode_image(content, *size, definition, plain),
            contents,
            fn_output_signature=tf.TensorSpec((*size, 3), tf.uint8),
            parallel_iterations=1,  # the callers are parallel
        ),
        input_signature=[tf.TensorSpec((None,), tf.string)],
        autograph=False,
    )


def decode_image(
    content: tf.Tensor,
    height: int,
    width: int,
    definition: ImageDefinition = CURRENT,
    plain: bool = False,
) -> tf.Tensor:
    """Decodes and resizes one encoded image.

    Args:
        content: Scalar string, the bytes of a JPEG, PNG, GIF, BMP or WebP.
        height: Of the result, pixels.
        width: Of the result, pixels.
        definition: What the pixels of an image are.
        plain: Whether it is known to be a JPEG without metadata; the graph
            has a tenth of the operations then.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no such image, or of
            one with too many pixels.
    """
    image, num_pixels = decode_bounded(
        content, height, width, definition, plain
    )
    limit = definition.max_pixels
    # Not tf.debugging.Assert, which makes a branch of its own.
    checked = tf.raw_ops.Assert(
        condition=num_pixels <= limit,
        data=["An image of", num_pixels, "pixels passes the limit of", limit],
    )
    with tf.control_dependencies([checked] if checked is not None else []):
        return tf.identity(image)


def decode_bounded(
    content: tf.Tensor,
    height: int,
    width: int,
    definition: ImageDefinition,
    plain: bool = False,
) -> Decoded:
    """Decodes and resizes one image, unless its header claims too much.

    Args:
        content: As for `decode_image`.
        height: Of the result, pixels.
        width: Of the result, pixels.
        definition: What the pixels of an image are.
        plain: As for `decode_image`.

    Returns:
        uint8 [height, width, 3], RGB, and the number of pixels that the header
        claims, int64; past the limit the image means nothing.
    """
    decode = _decode_plain_jpeg if plain else decode_pixels
    pixels, num_pixels = decode(content, height, width, definition)
    image = fill_target(pixels, height, width, definition.geometry)
    return tf.ensure_shape(image, (height, width, 3)), num_pixels


def decode_whole(content: tf.Tensor, definition: ImageDefinition) -> tf.Tensor:
    """Decodes one image at its own size, upright.

    Args:
        content: As for `decode_image`.
        definition: What the pixels of an image are.

    Returns:
        uint8 [h, w, 3], RGB.
    """
    # No image covers such a target twice, so that none is reduced.
    squashed = dataclasses.replace(definition, geometry="squash")
    return decode_pixels(content, UNREDUCED, UNREDUCED, squashed)[0]


def decode_pixels(
    content: tf.Tensor, height: int, width: int, definition: ImageDefinition
) -> Decoded:
    """Decodes one image, upright, at the smallest size that covers the target.

    Returns:
        uint8 [h, w, 3], RGB, before the resize, one black pixel where the
        header claims too much; and the number of pixels that it claims, int64.
    """
    return tf.cond(
        _is_plain_jpeg(content),
        lambda: _decode_plain_jpeg(content, height, width, definition),
        lambda: _decoder_of_all(height, width, definition)(content),
    )


def _is_plain(content: bytes) -> bool:
    head = content[: len(_PLAIN_JPEG)].ljust(len(_PLAIN_JPEG), b"\0")
    return all(
        byte & mask == wanted
        for byte, mask, wanted in zip(
            head, _PLAIN_MASK, _PLAIN_JPEG, strict=True
        )
    )


def _is_plain_jpeg(content: tf.Tensor) -> tf.Tensor:
    words = tf.io.decode_raw(content, tf.int32, fixed_length=len(_PLAIN_JPEG))
    wanted = np.frombuffer(_PLAIN_JPEG, "<i4")
    mask = np.frombuffer(_PLAIN_MASK, "<i4")
    return tf.reduce_all(tf.equal(tf.bitwise.bitwise_and(words, mask), wanted))


def _decode_plain_jpeg(
    content: tf.Tensor, height: int, width: int, definition: ImageDefinition
) -> Decoded:
    """Decodes a JPEG that is upright; this path is kept short for speed."""
    sides = jpeg_sides(content)
    power = _power_of(sides, height, width, definition)
    return _decode_reduced(content, sides, power, definition)


def _decode_reduced(
    content: tf.Tensor,
    sides: tf.Tensor,
    power: tf.Tensor,
    definition: ImageDefinition,
) -> Decoded:
    """Decodes a JPEG and averages what its decoder cannot reduce."""
    num_pixels = tf.reduce_prod(sides)
    is_large = num_pixels > definition.max_pixels
    by_decoder = tf.minimum(power, BY_DECODER)
    pixels = decode_jpeg(
        content, tf.where(is_large, BY_DECODER + 1, by_decoder)
    )
    rest = tf.where(is_large, 0, power - by_decoder)
    return average_squares(pixels, rest), num_pixels


@functools.lru_cache(maxsize=64)
def _decoder_of_all(
    height: int, width: int, definition: ImageDefinition
) -> Callable[[tf.Tensor], Decoded]:
    """Returns what decodes any image, reduces it and turns it upright."""

    def of_jpeg(content: tf.Tensor, orientation: tf.Tensor) -> Decoded:
        sides = jpeg_sides(content)
        power = power_of(sides, orientation)
        return _decode_reduced(content, sides, power, definition)

    def of_other(content: tf.Tensor, orientation: tf.Tensor) -> Decoded:
        pixels, num_pixels = decode_other(content, definition.max_pixels)
        if definition.is_upright:
            sides = tf.shape(pixels, tf.int64)[:2]
            pixels = average_squares(pixels, power_of(sides, orientation))
        return pixels, num_pixels

    def power_of(sides: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
        upright = tf.where(orientation > 4, sides[::-1], sides)
        return _power_of(upright, height, width, definition)

    @apart(tf.TensorSpec((), tf.string))
    def decode(content: tf.Tensor) -> Decoded:
        orientation = (
            orientation_ops.read_orientation(content)
            if definition.is_upright
            else tf.constant(1)
        )
        pixels, num_pixels = tf.cond(
            tf.io.is_jpeg(content),
            lambda: of_jpeg(content, orientation),
            lambda: of_other(content, orientation),
        )
        if definition.is_upright:
            pixels = orientation_ops.turn_upright(pixels, orientation)
        return pixels, num_pixels

    return decode


def _power_of(
    sides: tf.Tensor, height: int, width: int, definition: ImageDefinition
) -> tf.Tensor:
    """Returns the power of two, int32, that an image is reduced by.

    Version 1 leaves to the resize what the JPEG decoder cannot do.
    """
    highest = MAX_POWER if definition.is_upright else BY_DECODER
    times = largest_reduction(sides, height, width, definition.geometry)
    powers = tf.constant([2 << i for i in range(highest)], tf.int64)
    return tf.reduce_sum(tf.cast(times >= powers, tf.int32))

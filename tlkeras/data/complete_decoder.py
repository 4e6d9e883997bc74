"""Decoding of every image at every size, for those that are no plain JPEGs."""

import functools
from collections.abc import Callable

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
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.framing import largest_reduction
from tlkeras.data.reduction import average_squares

MAX_POWER = 15  # an image has no pixels left beyond a reduction of 2**15
BY_DECODER = len(REDUCTIONS) - 1  # largest power that libjpeg reduces by
Decode = Callable[[tf.Tensor], Decoded]


@functools.lru_cache(maxsize=64)
def complete_decoder(
    height: int, width: int, definition: ImageDefinition
) -> Decode:
    """Returns what decodes any image, reduces it and turns it upright.

    Args:
        height: Of the target, pixels.
        width: Of the target, pixels.
        definition: What the pixels of an image are.
    """

    def of_jpeg(
        content: tf.Tensor, orientation: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        sides = jpeg_sides(content)
        num_pixels = tf.reduce_prod(sides)
        power = power_of(sides, orientation)
        by_decoder = tf.minimum(power, BY_DECODER)
        is_large = num_pixels > definition.max_pixels
        pixels = decode_jpeg(
            content, tf.where(is_large, BY_DECODER + 1, by_decoder)
        )
        return pixels, num_pixels, tf.where(is_large, 0, power - by_decoder)

    def of_other(
        content: tf.Tensor, orientation: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        pixels, num_pixels = decode_other(content, definition.max_pixels)
        sides = tf.shape(pixels, tf.int64)[:2]
        return pixels, num_pixels, power_of(sides, orientation)

    def power_of(sides: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
        upright = tf.where(orientation > 4, sides[::-1], sides)
        return reduction_power(upright, height, width, definition)

    @apart(tf.TensorSpec((), tf.string))
    def decode(content: tf.Tensor) -> Decoded:
        orientation = (
            orientation_ops.read_orientation(content)
            if definition.is_upright
            else tf.constant(1)
        )
        pixels, num_pixels, power = tf.cond(
            tf.io.is_jpeg(content),
            lambda: of_jpeg(content, orientation),
            lambda: of_other(content, orientation),
        )
        if definition.is_upright:
            pixels = average_squares(pixels, power)
            pixels = orientation_ops.turn_upright(pixels, orientation)
        return pixels, num_pixels

    return decode


@functools.lru_cache(maxsize=64)
def complete_decoder_outside(
    height: int, width: int, definition: ImageDefinition
) -> Decode:
    """Returns the same decoder, called by a graph but no part of it.

    In a graph what it refuses is a `tf.errors.UnknownError`.
    """

    def decode(content: bytes) -> list[np.ndarray]:
        decoder = complete_decoder(height, width, definition)
        return [part.numpy() for part in decoder(content)]

    def call(content: tf.Tensor) -> Decoded:
        if tf.executing_eagerly():
            return complete_decoder(height, width, definition)(content)
        pixels, num_pixels = tf.numpy_function(
            decode, [content], (tf.uint8, tf.int64), stateful=False
        )
        return (
            tf.ensure_shape(pixels, (None, None, 3)),
            tf.ensure_shape(num_pixels, ()),
        )

    return call


def reduction_power(
    sides: tf.Tensor,
    height: int,
    width: int,
    definition: ImageDefinition,
    highest: int = MAX_POWER,
) -> tf.Tensor:
    """Returns the power of two, int32, that an image is reduced by.

    Version 1 leaves to the resize what the JPEG decoder cannot do.
    """
    if not definition.is_upright:
        highest = BY_DECODER
    times = largest_reduction(sides, height, width, definition.geometry)
    powers = tf.constant([2 << i for i in range(highest)], tf.int64)
    return tf.reduce_sum(tf.cast(times >= powers, tf.int32))

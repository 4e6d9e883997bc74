"""The one definition of what an image is, shared by everything.

Training, CNN codes, prediction and the exported graph call `decode_image`:

1. JPEG is decoded with the accurate DCT at the largest reduction of 1, 2, 4, 8
   whose sides both stay at or above the target; PNG, GIF (first frame), BMP
   and WebP are decoded whole.
2. Grey becomes RGB, alpha is dropped.
3. float32 bilinear resize with half-pixel centres, without antialiasing, to
   the target; the aspect ratio is not kept.
4. Rounded to uint8.

EXIF orientation is applied nowhere: a graph that serves images cannot read it
robustly, and an orientation applied in training only would be worse than none.
The scan counts the files that carry one.
"""

import tensorflow as tf

REDUCTIONS = (1, 2, 4, 8)


def decode_image(content: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Decodes and resizes one encoded image.

    Args:
        content: Scalar string, the bytes of a JPEG, PNG, GIF, BMP or WebP.
        height: Of the result, pixels.
        width: Of the result, pixels.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        tf.errors.InvalidArgumentError: If the bytes are no such image.
    """
    pixels = decode_pixels(content, height, width)
    resized = tf.image.resize(pixels, (height, width), method="bilinear")
    resized = tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)
    return tf.ensure_shape(resized, (height, width, 3))


def decode_pixels(content: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Decodes one image at the smallest size that covers the target.

    Args:
        content: Scalar string, the bytes of an image.
        height: Of the target, pixels.
        width: Of the target, pixels.

    Returns:
        uint8 [h, w, 3], RGB, before the resize.
    """
    return tf.cond(
        tf.io.is_jpeg(content),
        lambda: _decode_jpeg(content, height, width),
        lambda: _decode_other(content),
    )


def _decode_jpeg(content: tf.Tensor, height: int, width: int) -> tf.Tensor:
    shape = tf.io.extract_jpeg_shape(content)
    reducible = tf.minimum(shape[0] // height, shape[1] // width)
    index = sum(
        tf.cast(reducible >= reduction, tf.int32)
        for reduction in REDUCTIONS[1:]
    )
    return tf.switch_case(
        index,
        [
            lambda ratio=ratio: tf.io.decode_jpeg(
                content, channels=3, ratio=ratio, dct_method="INTEGER_ACCURATE"
            )
            for ratio in REDUCTIONS
        ],
    )


def _decode_other(content: tf.Tensor) -> tf.Tensor:
    """Decodes PNG and GIF as RGB; BMP and WebP with the channels they have."""
    is_bmp = tf.equal(tf.strings.substr(content, 0, 2), b"BM")
    is_webp = tf.equal(tf.strings.substr(content, 8, 4), b"WEBP")
    return tf.case(
        [
            (is_bmp, lambda: _to_rgb(tf.io.decode_bmp(content))),
            (is_webp, lambda: _decode_webp(content)),
        ],
        default=lambda: tf.io.decode_image(
            content, channels=3, expand_animations=False
        ),
    )


def _decode_webp(content: tf.Tensor) -> tf.Tensor:
    """Decodes a WebP, whose channels must be asked for as they are.

    TensorFlow 2.21 aborts the process when it chooses them itself for an
    animation. The alpha bit is bit 4 of byte 20 in the extended format and of
    byte 24 in the lossless one.
    """
    kind = tf.strings.substr(content, 12, 4)
    place = tf.where(tf.equal(kind, b"VP8L"), 24, 20)
    flags = tf.io.decode_raw(tf.strings.substr(content, place, 1), tf.uint8)[0]
    has_alpha = (flags & 0x10 > 0) & tf.not_equal(kind, b"VP8 ")
    return tf.cond(
        has_alpha,
        lambda: _to_rgb(tf.io.decode_webp(content, channels=4)[0]),
        lambda: tf.io.decode_webp(content, channels=3)[0],
    )


def _to_rgb(pixels: tf.Tensor) -> tf.Tensor:
    """Turns [h, w, 1 | 3 | 4] into [h, w, 3]: repeats grey, drops alpha."""
    is_grey = tf.equal(tf.shape(pixels)[2], 1)
    return tf.cond(
        is_grey,
        lambda: tf.repeat(pixels[:, :, :1], 3, axis=2),
        lambda: pixels[:, :, :3],
    )

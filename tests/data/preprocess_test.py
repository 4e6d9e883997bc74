import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.data.definition import CURRENT, FIRST
from tlkeras.data.inspection import inspect_bytes
from tlkeras.data.preprocess import (
    decode_contents,
    decode_image,
    decode_pixels,
)

SIZE = (24, 24)


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


@pytest.fixture
def photo():
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[:120, :160])


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [
        ("RGB", "JPEG"),
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "BMP"),
        ("L", "BMP"),
        ("RGBA", "BMP"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
    ],
)
def test_every_format_becomes_the_same_rgb_picture(photo, mode, file_format):
    content = encode(photo.convert(mode), file_format)
    image = decode_image(content, *SIZE).numpy()
    assert image.shape == (*SIZE, 3)
    assert image.dtype == np.uint8
    expected = photo.convert("L" if mode == "L" else "RGB").convert("RGB")
    reference = np.asarray(expected.resize(SIZE, Image.Resampling.BILINEAR))
    difference = np.abs(image.astype(float) - reference).mean()
    assert difference < 16


def test_1_bit_png_is_black_and_white(photo):
    bits = photo.convert("1")
    np.testing.assert_array_equal(
        decode_image(encode(bits, "PNG"), *SIZE),
        decode_image(encode(bits.convert("L"), "PNG"), *SIZE),
    )


def test_16_bit_png_keeps_its_picture():
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    image = decode_image(encode(Image.fromarray(ramp), "PNG"), 64, 64).numpy()
    np.testing.assert_allclose(image[..., 0], ramp / 257, atol=1)


def test_webp_with_real_alpha_drops_it():
    pixels = np.full((30, 30, 4), 90, np.uint8)
    pixels[:15, :, 3] = 10
    for lossless in (True, False):
        content = encode(
            Image.fromarray(pixels), "WEBP", lossless=lossless, exact=True
        )
        image = decode_image(content, *SIZE).numpy().astype(int)
        assert abs(image - 90).max() <= 2


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (30, 30), color) for color in ("red", "blue")]
    content = encode(frames[0], "GIF", save_all=True, append_images=frames[1:])
    red, _, blue = decode_image(content, *SIZE).numpy().mean((0, 1))
    assert red > 200 > 50 > blue


def test_an_animated_webp_is_refused_and_the_process_lives():
    frames = [Image.new("RGB", (30, 30), color) for color in ("red", "blue")]
    content = encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(content, *SIZE)
    assert "animated" in inspect_bytes(content).problem


def test_a_truncated_webp_is_refused(photo):
    content = encode(photo, "WEBP")
    for length in (13, 18, 24, len(content) // 2):
        # Eager errors quote the bytes, which may be no text.
        with pytest.raises((tf.errors.OpError, UnicodeDecodeError)):
            decode_image(content[:length], *SIZE)


@pytest.mark.parametrize(
    ("size", "reduction"),
    [
        ((800, 900), 32),
        ((400, 600), 16),
        ((200, 600), 8),
        ((100, 150), 4),
        ((47, 80), 1),
        ((20, 20), 1),
    ],
)
def test_jpeg_is_reduced_as_far_as_the_target_allows(size, reduction):
    content = encode(Image.new("RGB", size[::-1]), "JPEG")
    for definition, limit in ((CURRENT, 32), (FIRST, 8)):
        pixels, _ = decode_pixels(content, *SIZE, definition)
        times = min(reduction, limit)
        expected = tuple(-(-side // times) for side in size)
        assert tuple(pixels.shape[:2]) == expected


def test_decoding_is_the_accurate_dct_and_the_stated_resize(photo):
    content = encode(photo, "JPEG", quality=95)
    pixels = tf.io.decode_jpeg(
        content, channels=3, ratio=4, dct_method="INTEGER_ACCURATE"
    ).numpy()
    image = decode_image(content, *SIZE).numpy()
    np.testing.assert_array_equal(image, bilinear(pixels, SIZE))


def bilinear(pixels, size):
    """Half-pixel bilinear interpolation in float32, rounded."""
    result = pixels.astype(np.float32)
    for axis, target in enumerate(size):
        source = result.shape[axis]
        scale = np.float32(source / target)
        at = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * scale
        at = at - np.float32(0.5)
        low = np.floor(at)
        share = (at - low).astype(np.float32)
        first = np.clip(low, 0, source - 1).astype(int)
        second = np.clip(low + 1, 0, source - 1).astype(int)
        shape = [1, 1, 1]
        shape[axis] = target
        a, b = result.take(first, axis), result.take(second, axis)
        result = a + (b - a) * share.reshape(shape)
    return np.round(result).astype(np.uint8)


def test_rubbish_is_an_invalid_argument():
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_image(b"no image at all", *SIZE)


def test_the_definition_works_in_a_graph_with_any_size(photo):
    decode = tf.function(
        lambda content: decode_image(content, *SIZE),
        input_signature=[tf.TensorSpec((), tf.string)],
    )
    for content in (
        encode(photo, "JPEG"),
        encode(photo.resize((31, 77)), "PNG"),
    ):
        np.testing.assert_array_equal(
            decode(content), decode_image(content, *SIZE)
        )


def decode_or_none(contents):
    try:
        return decode_contents(contents, SIZE)[0]
    except (tf.errors.OpError, UnicodeDecodeError):
        return None


@pytest.mark.parametrize("size", [(20, 20), (200, 600), (800, 900)])
def test_a_plain_jpeg_is_the_same_alone_and_among_others(photo, size):
    jpeg = encode(photo.resize(size[::-1]), "JPEG")
    alone = decode_contents([jpeg], SIZE)
    among = decode_contents([jpeg, encode(photo, "PNG")], SIZE)
    np.testing.assert_array_equal(alone[0], among[0])


def test_what_is_no_plain_jpeg_by_one_byte_is_decoded_alike(photo):
    jpeg, png = encode(photo, "JPEG"), encode(photo, "PNG")
    for place in range(24):
        changed = bytearray(jpeg)
        changed[place] ^= 1
        alone = decode_or_none([bytes(changed)])
        among = decode_or_none([bytes(changed), png])
        np.testing.assert_array_equal(alone, among)

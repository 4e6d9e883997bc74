import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.data.definition import CURRENT, FIRST
from tlkeras.data.preprocess import decode_image
from tlkeras.data.reduction import average_squares

from .images import encode


@pytest.fixture(scope="module")
def photo():
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("flower.jpg"))


def average(pixels, side):
    """The same in integers, an edge completed by its last pixels."""
    h, w, _ = pixels.shape
    borders = ((0, -h % side), (0, -w % side), (0, 0))
    whole = np.pad(pixels, borders, mode="edge").astype(np.int64)
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    squares = whole.reshape(rows, side, columns, side, 3).sum((1, 3))
    return (squares + side**2 // 2) // side**2


@pytest.mark.parametrize("power", range(8))
@pytest.mark.parametrize("size", [(64, 64), (33, 70), (1, 5)])
def test_squares_are_averaged_exactly(power, size):
    rng = np.random.default_rng(power)
    pixels = rng.integers(0, 256, (*size, 3), np.uint8)
    np.testing.assert_array_equal(
        average_squares(tf.constant(pixels), tf.constant(power)),
        average(pixels, 2**power),
    )


@pytest.mark.parametrize("size", [(107, 160), (53, 80), (26, 40), (12, 19)])
def test_jpeg_and_png_of_the_same_pixels_agree(photo, size):
    content = encode(photo, "JPEG", quality=92)
    pixels = tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE")
    png = encode(Image.fromarray(pixels.numpy()), "PNG")
    as_jpeg, as_png, as_before = (
        decode_image(bytes_, *size, definition).numpy().astype(int)
        for bytes_, definition in (
            (content, CURRENT),
            (png, CURRENT),
            (png, FIRST),
        )
    )
    now = np.abs(as_jpeg - as_png).mean()
    assert now < 1
    assert now < np.abs(as_jpeg - as_before).mean() / 3


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "WEBP"])
def test_a_reduced_image_is_its_average(file_format):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (256, 256), np.uint8)
    options = {"lossless": True} if file_format == "WEBP" else {}
    image = Image.fromarray(noise)
    if file_format == "WEBP":
        image = image.convert("RGB")
    content = encode(image, file_format, **options)
    np.testing.assert_array_equal(
        decode_image(content, 8, 8),
        average(np.repeat(noise[..., None], 3, 2), 32),
    )


def test_a_jpeg_beyond_8_is_averaged_further(photo):
    content = encode(photo.resize((1024, 1024)), "JPEG")
    by_decoder = tf.io.decode_jpeg(
        content, 3, ratio=8, dct_method="INTEGER_ACCURATE"
    ).numpy()
    np.testing.assert_array_equal(
        decode_image(content, 16, 16), average(by_decoder, 8)
    )


@pytest.mark.parametrize("size", [(20, 20), (53, 80), (200, 300), (500, 700)])
@pytest.mark.parametrize("quality", [30, 95])
def test_jpegs_without_orientation_have_the_bits_of_version_1(
    photo, size, quality
):
    for crop in ((0, 0, 640, 427), (3, 5, 200, 190), (0, 0, 161, 320)):
        content = encode(photo.crop(crop), "JPEG", quality=quality)
        sides = (crop[3] - crop[1], crop[2] - crop[0])
        if min(a // b for a, b in zip(sides, size, strict=True)) >= 16:
            continue
        np.testing.assert_array_equal(
            decode_image(content, *size, CURRENT),
            decode_image(content, *size, FIRST),
        )

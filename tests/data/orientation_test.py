import io
import random

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tlkeras.data import orientation_ops
from tlkeras.data.definition import CURRENT, FIRST
from tlkeras.data.orientation import (
    TURNS,
    read_orientation,
    turn_upright,
)
from tlkeras.data.preprocess import decode_image

from .images import ORIENTATIONS, encode, exif_jpeg, tiff_data

ORDERS = ("little", "big")
NUM_HOSTILE = 10_000


@pytest.fixture(scope="module")
def photo():
    """Of no symmetry, and of sides that all reductions divide."""
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[:128, :192])


read_many = tf.function(
    lambda contents: tf.map_fn(
        orientation_ops.read_orientation,
        contents,
        fn_output_signature=tf.TensorSpec((), tf.int32),
    ),
    input_signature=[tf.TensorSpec((None,), tf.string)],
)


def read_in_graph(contents):
    return read_many(tf.constant(contents)).numpy().tolist()


@pytest.mark.parametrize("order", ORDERS)
def test_every_orientation_is_read_in_every_format(photo, order):
    for value in ORIENTATIONS:
        exif = tiff_data(value, order)
        contents = [
            exif_jpeg(photo, value, order),
            encode(photo, "JPEG", exif=b"Exif\0\0" + exif),
            encode(photo, "PNG", exif=exif),
            encode(photo, "WEBP", exif=exif),
            encode(photo, "WEBP", exif=exif, lossless=True),
        ]
        for content in contents:
            assert Image.open(io.BytesIO(content)).getexif()[274] == value
            assert read_orientation(content) == value
        assert read_in_graph(contents) == [value] * len(contents)


def test_what_has_no_orientation_counts_as_upright(photo):
    contents = [
        encode(photo, name) for name in ("JPEG", "PNG", "GIF", "BMP", "WEBP")
    ]
    contents += [b"", b"\xff\xd8\xff", b"RIFF", b"\x89PNG\r\n\x1a\n", b"x" * 99]
    contents += [exif_jpeg(photo, value) for value in (0, 9, 65535)]
    assert [read_orientation(c) for c in contents] == [1] * len(contents)
    assert read_in_graph(contents) == [1] * len(contents)


@pytest.mark.parametrize("value", ORIENTATIONS)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG"])
@pytest.mark.parametrize("size", [(128, 192), (32, 48), (16, 12), (4, 6)])
def test_turned_pixels_are_those_of_pillow(photo, value, file_format, size):
    exif = tiff_data(value)
    turned = encode(photo, "PNG", exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(turned)))
    assert upright.getexif().get(274, 1) == 1
    if file_format == "PNG":
        expected = decode_image(encode(upright, "PNG"), *size)
        found = decode_image(turned, *size)
    else:
        # The pixels of a JPEG come from its decoder, so Pillow turns those.
        content = exif_jpeg(photo, value, quality=95)
        sides = size if value < 5 else size[::-1]
        power = (
            max(
                0, min(a // b for a, b in zip((128, 192), sides, strict=True))
            ).bit_length()
            - 1
        )
        ratio = 2 ** min(max(power, 0), 3)
        pixels = tf.io.decode_jpeg(
            content, 3, ratio=ratio, dct_method="INTEGER_ACCURATE"
        ).numpy()
        turn = TURNS[value].pillow
        image = Image.fromarray(pixels)
        if turn:
            image = image.transpose(Image.Transpose[turn])
        expected = decode_image(encode(image, "PNG"), *size)
        found = decode_image(content, *size)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", ORIENTATIONS)
def test_pillow_images_are_turned_the_same(photo, value):
    content = exif_jpeg(photo, value)
    image = Image.open(io.BytesIO(content))
    np.testing.assert_array_equal(
        turn_upright(image, content), ImageOps.exif_transpose(image)
    )


def test_version_1_turns_nothing(photo):
    plain = decode_image(encode(photo), 24, 32, FIRST)
    for value in ORIENTATIONS:
        turned = exif_jpeg(photo, value)
        np.testing.assert_array_equal(
            decode_image(turned, 24, 32, FIRST), plain
        )
    assert not np.array_equal(decode_image(turned, 24, 32, CURRENT), plain)


def hostile_headers(photo):
    """Yields (stored value, headers with bytes changed, cut or doubled)."""
    rng = random.Random(0)
    small = photo.resize((8, 8))
    makers = (
        exif_jpeg,
        lambda i, v, o: encode(i, "PNG", exif=tiff_data(v, o)),
        lambda i, v, o: encode(i, "WEBP", exif=tiff_data(v, o)),
    )
    originals = [
        (value, make(small, value, order))
        for value in ORIENTATIONS
        for order in ORDERS
        for make in makers
    ]
    for _ in range(NUM_HOSTILE):
        value, content = rng.choice(originals)
        data = bytearray(content)
        start = max(data.find(b"II*\0"), data.find(b"MM\0*"))
        stored = range(start + 42, start + 44)  # the value itself stays
        for _ in range(rng.randint(1, 6)):
            near = rng.random() < 0.7
            place = rng.randrange(
                max(start - 24, 0) if near else 0,
                min(start + 48, len(data)) if near else len(data),
            )
            if place not in stored:
                data[place] = rng.choice((0, 1, 8, 255, rng.randrange(256)))
        if rng.random() < 0.2:
            data = data[: rng.randrange(len(data))]
        yield value, bytes(data)


def test_hostile_headers_give_the_stored_value_or_upright(photo):
    pairs = list(hostile_headers(photo))
    contents = [content for _, content in pairs]
    found = [read_orientation(content) for content in contents]
    assert read_in_graph(contents) == found
    for (value, content), answer in zip(pairs, found, strict=True):
        assert answer in (1, value), content
    # Both kinds occur, so that the test tests something.
    num_read = sum(
        answer == value != 1
        for (value, _), answer in zip(pairs, found, strict=True)
    )
    assert NUM_HOSTILE // 20 < num_read < NUM_HOSTILE

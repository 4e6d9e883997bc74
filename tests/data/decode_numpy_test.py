"""What NumPy and Pillow decode has TensorFlow's bytes, or is left to it."""

import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tlkeras.data import preprocess
from tlkeras.data.decode_numpy import decode_contents, read_pixels, try_decode
from tlkeras.data.decoders import REFUSALS
from tlkeras.data.definition import CURRENT, FIRST, ImageDefinition
from tlkeras.data.placement import GEOMETRIES

from .agreement_test import MAKERS, mutate
from .images import animation, encode, exif_jpeg

NUM_MUTANTS = 60
SIZE = (24, 40)
HANDLED = {
    "jpeg": lambda i: encode(i),
    "jpeg_progressive": lambda i: encode(i, progressive=True),
    "jpeg_grey": lambda i: encode(i.convert("L")),
    "jpeg_444": lambda i: encode(i, subsampling=0),
    "png_16": lambda i: encode(
        Image.fromarray(np.asarray(i.convert("L")).astype(np.uint16) * 257),
        "PNG",
    ),
    **{
        name: maker
        for name, maker in MAKERS.items()
        if name.startswith(("png", "webp"))
    },
}
LEFT = {
    "cmyk": lambda i: encode(i.convert("CMYK")),
    "gif": lambda i: encode(i.convert("P"), "GIF"),
    "animation": lambda i: animation(3),
    "bmp": lambda i: encode(i, "BMP"),
    "webp_alpha": lambda i: encode(clear(i), "WEBP"),
    "text": lambda i: b"no image",
}


def clear(image):
    """The same with a transparent half."""
    alpha = np.full(image.size[::-1], 255, np.uint8)
    alpha[:, ::2] = 0
    return Image.merge("RGBA", (*image.split(), Image.fromarray(alpha)))


@pytest.fixture(scope="module")
def photo():
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[60:261, 80:381])


def by_tensorflow(content, definition=CURRENT):
    try:
        (image,) = preprocess.decode_contents([content], SIZE, definition)
    except REFUSALS:
        return None
    return image


@pytest.mark.parametrize("kind", HANDLED)
def test_every_byte_is_tensorflows(photo, kind):
    content = HANDLED[kind](photo)
    image = try_decode(content, SIZE, CURRENT)
    np.testing.assert_array_equal(image, by_tensorflow(content))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("sides", [(301, 201), (25, 600), (9, 7), (2000, 30)])
def test_it_fills_the_target_alike(photo, geometry, sides):
    definition = ImageDefinition(geometry=geometry)
    for file_format in ("JPEG", "PNG"):
        content = encode(photo.resize(sides), file_format)
        np.testing.assert_array_equal(
            try_decode(content, SIZE, definition),
            by_tensorflow(content, definition),
        )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_turns_alike(photo, orientation):
    content = exif_jpeg(photo, orientation)
    np.testing.assert_array_equal(
        try_decode(content, SIZE, CURRENT), by_tensorflow(content)
    )


@pytest.mark.parametrize("kind", HANDLED)
def test_what_is_damaged_has_the_same_bytes_or_is_left(photo, kind):
    rng = random.Random(kind)
    content = HANDLED[kind](photo.resize((80, 60)))
    for _ in range(NUM_MUTANTS):
        mutant = mutate(content, rng)
        image = try_decode(mutant, SIZE, CURRENT)
        if image is not None:
            np.testing.assert_array_equal(image, by_tensorflow(mutant))


@pytest.mark.parametrize("kind", LEFT)
def test_what_is_rare_is_left_to_tensorflow(photo, kind):
    content = LEFT[kind](photo)
    assert try_decode(content, SIZE, CURRENT) is None
    assert read_pixels(content) is None
    if kind != "text":
        np.testing.assert_array_equal(
            decode_contents([content], SIZE)[0], by_tensorflow(content)
        )


def test_limits_and_the_first_definition_are_tensorflows_affair(photo):
    content = encode(photo)
    too_many = ImageDefinition(max_pixels=photo.width * photo.height - 1)
    assert try_decode(content, SIZE, too_many) is None
    assert try_decode(content, SIZE, FIRST) is None


def test_a_progressive_jpeg_that_stops_early_is_left(photo):
    content = encode(photo, progressive=True)
    scans = content.split(b"\xff\xda")
    early = b"\xff\xda".join(scans[:3]) + b"\xff\xd9"
    assert try_decode(early, SIZE, CURRENT) is None


def test_it_needs_no_tensorflow(tmp_path, photo):
    path = tmp_path / "photo.png"
    path.write_bytes(encode(photo, "PNG"))
    code = (
        "import sys; from tlkeras.data.inspection import inspect_file\n"
        "from tlkeras.data.decode_numpy import decode_contents\n"
        "content = open(sys.argv[1], 'rb').read()\n"
        "assert decode_contents([content], (24, 40)).shape == (1, 24, 40, 3)\n"
        "assert not inspect_file(sys.argv[1]).problem\n"
        "assert 'tensorflow' not in sys.modules, 'tensorflow'\n"
        "assert 'keras' not in sys.modules, 'keras'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

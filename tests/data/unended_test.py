"""Files on whose end, or size, two decoders have different opinions."""

import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.data.decoders import try_other
from tlkeras.data.preprocess import decode_image
from tlkeras.data.scan import inspect_bytes

from .images import encode


@pytest.fixture(scope="module")
def photo():
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[:60, :80])


def is_decoded(content):
    try:
        decode_image(tf.constant(content), 16, 16)
    except (tf.errors.OpError, UnicodeDecodeError):
        return False
    return True


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_another_end_is_accepted_by_both_or_by_none(photo, mode):
    content = encode(photo.convert(mode))
    for tail in (b"\0" * 500, b"text" * 99, encode(photo, "PNG")[-900:]):
        assert inspect_bytes(content + tail).problem == ""
        for share in (0.5, 0.9):
            cut = content[: int(len(content) * share)] + tail
            if not inspect_bytes(cut).problem:
                assert is_decoded(cut)


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "WEBP"])
def test_what_passes_the_limit_of_pixels_is_no_image(photo, file_format):
    content = encode(photo, file_format)
    assert try_other(content, 60 * 80).shape == (60, 80, 3)
    assert try_other(content, 60 * 80 - 1) is None

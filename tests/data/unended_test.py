"""Files on whose end, or size, two decoders have different opinions."""

import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.data.decoders import try_other
from tlkeras.data.inspection import inspect_bytes
from tlkeras.data.preprocess import decode_image

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
def test_a_jpeg_that_was_written_in_part_is_refused_as_the_decoder_does(
    photo, mode
):
    """The rest of its place on the disk is zeros, as after a crash."""
    content = encode(photo.convert(mode))
    for share in (0.8, 0.9, 0.95):
        part = content[: int(len(content) * share)] + bytes(5000)
        assert is_decoded(part) == (inspect_bytes(part).problem == "")


@pytest.mark.parametrize("tail", [bytes(500), b"a trailer of a phone" * 9])
def test_bytes_behind_the_end_of_a_jpeg_are_nothing(photo, tail):
    content = encode(photo) + tail
    assert inspect_bytes(content).problem == ""
    assert is_decoded(content)


@pytest.mark.parametrize("file_format", ["PNG", "GIF", "BMP", "WEBP"])
def test_what_passes_the_limit_of_pixels_is_no_image(photo, file_format):
    content = encode(photo, file_format)
    assert try_other(content, 60 * 80).shape == (60, 80, 3)
    assert try_other(content, 60 * 80 - 1) is None


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("restarts", [0, 2], ids=["one scan", "restarts"])
def test_a_segment_that_passes_the_end_is_refused_as_the_decoder_does(
    photo, mode, restarts
):
    """Pillow has all pixels before it meets one; TensorFlow reads on."""
    content = encode(photo.convert(mode), restart_marker_rows=restarts)
    found = set()
    for share in (0.3, 0.6, 0.9):
        place = int(len(content) * share)
        for length in (b"\x00\x08", b"\xf0\x00"):
            parts = content[:place], b"\xff\xe5", length, content[place:]
            changed = b"".join(parts)
            is_fine = inspect_bytes(changed).problem == ""
            assert is_decoded(changed) >= is_fine
            found.add(is_fine)
    assert False in found
    assert inspect_bytes(content).problem == ""

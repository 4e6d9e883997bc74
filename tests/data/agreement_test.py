"""The scan accepts no file that TensorFlow's decoder refuses."""

import random

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.data.dataset import Example
from tlkeras.data.inspection import inspect_bytes
from tlkeras.data.preprocess import decode_image
from tlkeras.data.scan import scan

from .images import animation, encode

NUM_MUTANTS = 40
MAKERS = {
    "png": lambda i: encode(i, "PNG"),
    "png_alpha": lambda i: encode(i.convert("RGBA"), "PNG"),
    "png_palette": lambda i: encode(i.convert("P"), "PNG"),
    "png_bits": lambda i: encode(i.convert("1"), "PNG"),
    "gif": lambda i: encode(i.convert("P"), "GIF"),
    "bmp": lambda i: encode(i, "BMP"),
    "bmp_grey": lambda i: encode(i.convert("L"), "BMP"),
    "bmp_alpha": lambda i: encode(i.convert("RGBA"), "BMP"),
    "webp": lambda i: encode(i, "WEBP"),
    "webp_lossless": lambda i: encode(i, "WEBP", lossless=True),
}


@pytest.fixture(scope="module")
def photo():
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[:60, :80])


@pytest.fixture(scope="module")
def decodes():
    graph = tf.function(
        lambda content: decode_image(content, 16, 16),
        input_signature=[tf.TensorSpec((), tf.string)],
        autograph=False,
    )

    def try_it(content):
        try:
            graph(content)
        except (tf.errors.OpError, UnicodeDecodeError):
            return False
        return True

    return try_it


def mutate(content, rng):
    """Changes bytes near the start, cuts, lengthens or takes some out."""
    data = bytearray(content)
    kind = rng.randrange(4)
    if kind == 0:
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(min(len(data), 64))] = rng.randrange(256)
    elif kind == 1:
        del data[-rng.randint(1, 40) :]
    elif kind == 2:
        data += bytes(rng.randrange(256) for _ in range(rng.randint(1, 40)))
    else:
        place = rng.randrange(len(data))
        del data[place : place + rng.randint(1, 30)]
    return bytes(data)


@pytest.mark.parametrize("kind", MAKERS)
def test_what_the_scan_accepts_is_decoded(photo, decodes, kind):
    rng = random.Random(kind)
    content = MAKERS[kind](photo)
    assert decodes(content)
    assert inspect_bytes(content).problem == ""
    for _ in range(NUM_MUTANTS):
        mutant = mutate(content, rng)
        if not inspect_bytes(mutant).problem:
            assert decodes(mutant), mutant[:80]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("tail", [b"\0\0", b"a profile" * 99])
def test_bytes_behind_the_pixels_of_a_bitmap_are_nothing(photo, mode, tail):
    content = encode(photo.convert(mode), "BMP")
    assert inspect_bytes(content + tail).problem == ""
    np.testing.assert_array_equal(
        decode_image(content + tail, 16, 16), decode_image(content, 16, 16)
    )


def test_what_the_decoder_refuses_is_in_the_ledger(photo, tmp_path):
    png = encode(photo, "PNG")
    bitmap = bytearray(encode(photo, "BMP"))
    bitmap[28] = 16  # bits a pixel
    contents = {
        "good.png": png,
        "animated.gif": animation(40),
        "endless.png": png[:-12],
        "bits.bmp": bytes(bitmap),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    examples, ledger = scan(
        [Example(str(tmp_path / name), ("a",)) for name in contents],
        on_bad_image="skip",
        num_workers=2,
    )
    kept = [example.path.rsplit("/", 1)[-1] for example in examples]
    assert kept == ["good.png", "animated.gif"]
    reasons = {e.path.rsplit("/", 1)[-1]: e.reason for e in ledger.left_out}
    assert set(reasons) == {"endless.png", "bits.bmp"}
    assert all("damaged image" in reason for reason in reasons.values())
    assert "TensorFlow cannot decode it" in reasons["endless.png"]

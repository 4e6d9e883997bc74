import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tlkeras.data.definition import FIRST, ImageDefinition
from tlkeras.data.image_header import read_size
from tlkeras.data.inspection import inspect_bytes
from tlkeras.data.preprocess import decode_bounded, decode_image

from .images import (
    BOMB_WEBP,
    animation,
    bomb_jpeg,
    bomb_png,
    encode,
)

PROJECT = Path(__file__).parents[2]
TINY = ImageDefinition(max_pixels=30 * 20 - 1)
FORMATS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True, "exif": b"Exif\0\0II*\0" + bytes(3000)}),
    ("PNG", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"exif": b"II*\0"}),
]


@pytest.mark.parametrize(("file_format", "options"), FORMATS)
@pytest.mark.parametrize("size", [(30, 20), (1, 7), (300, 2)])
def test_sizes_are_read_from_every_header(file_format, options, size):
    content = encode(Image.new("RGB", size), file_format, **options)
    assert read_size(content) == size
    _, num_pixels = decode_bounded(content, 4, 4, ImageDefinition())
    assert num_pixels.numpy() == size[0] * size[1]


@pytest.mark.parametrize(("file_format", "options"), FORMATS)
def test_one_pixel_too_many_is_refused(file_format, options):
    content = encode(Image.new("RGB", (30, 20)), file_format, **options)
    enough = ImageDefinition(max_pixels=30 * 20)
    assert decode_image(content, 8, 8, enough).shape == (8, 8, 3)
    assert inspect_bytes(content, 30 * 20).problem == ""
    with pytest.raises(tf.errors.InvalidArgumentError, match="600"):
        decode_image(content, 8, 8, TINY)
    problem = inspect_bytes(content, 30 * 20 - 1).problem
    assert "30x20 pixels, more than data.max_pixels=599" in problem


def test_no_cut_or_changed_header_is_an_error():
    rng = np.random.default_rng(0)
    for file_format, options in FORMATS:
        content = encode(Image.new("RGB", (30, 20)), file_format, **options)
        for length in range(min(len(content), 200)):
            read_size(content[:length])
        for _ in range(300):
            data = bytearray(content)
            for place in rng.integers(0, min(len(data), 64), 3):
                data[place] = rng.integers(256)
            read_size(bytes(data))


def test_a_bmp_may_be_stored_from_the_top():
    content = bytearray(encode(Image.new("RGB", (30, 20)), "BMP"))
    content[22:26] = struct.pack("<i", -20)
    assert read_size(bytes(content)) == (30, 20)
    _, num_pixels = decode_bounded(bytes(content), 4, 4, ImageDefinition())
    assert num_pixels.numpy() == 600


def test_the_first_frame_is_all_that_is_read_of_an_animation():
    content = animation(40, num_frames=5)
    first = encode(Image.fromarray(np.zeros((40, 40), np.uint8)), "GIF")
    for definition in (FIRST, ImageDefinition()):
        np.testing.assert_array_equal(
            decode_image(content, 8, 8, definition),
            decode_image(first, 8, 8, definition),
        )
    # Later frames are not even looked at.
    start = len(first) + 60
    broken = content[:start] + bytes(len(content) - start)
    assert decode_image(broken, 8, 8).numpy().max() == 0


def test_a_frame_larger_than_its_canvas_counts():
    content = bytearray(encode(Image.new("L", (30, 20)), "GIF"))
    content[6:10] = struct.pack("<HH", 1, 1)
    assert read_size(bytes(content)) == (30, 20)
    _, num_pixels = decode_bounded(bytes(content), 4, 4, TINY)
    assert num_pixels.numpy() == 600


BOMBS = {
    "webp": lambda: BOMB_WEBP,
    "png": lambda: bomb_png(60_000, 60_000 // 4),
    "jpeg": bomb_jpeg,
    "gif": lambda: animation(2000, 3).replace(
        struct.pack("<HH", 2000, 2000), struct.pack("<HH", 16000, 16000)
    ),
}
CHILD = """
import resource, sys, time
from pathlib import Path
import tensorflow as tf
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.preprocess import decode_bounded
from tlkeras.data.inspection import inspect_bytes
decode = tf.function(
    lambda content: decode_bounded(content, 32, 32, ImageDefinition()),
    input_signature=[tf.TensorSpec((), tf.string)])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
for folder in map(Path, sys.argv[1:]):
    good, bad = ((folder / name).read_bytes() for name in ("good", "bad"))
    inspect_bytes(good)
    for _ in range(3):
        decode(good)
    for read in (inspect_bytes, lambda content: decode(content)[1].numpy()):
        before, start = peak(), time.process_time()
        answer = read(bad)
        seconds = time.process_time() - start
        print(folder.name, peak() - before, round(1000 * seconds), answer,
              sep="|")
"""


def test_a_bomb_costs_neither_memory_nor_time(tmp_path):
    for kind, make_bomb in BOMBS.items():
        (tmp_path / kind).mkdir()
        good = encode(Image.new("RGB", (64, 64)), kind.upper())
        (tmp_path / kind / "good").write_bytes(good)
        (tmp_path / kind / "bad").write_bytes(make_bomb())
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *(tmp_path / kind for kind in BOMBS)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split("|") for line in done.stdout.strip().splitlines()]
    rows = rows[-2 * len(BOMBS) :]
    assert [row[0] for row in rows] == [k for k in BOMBS for _ in range(2)]
    for scanned, decoded in zip(rows[::2], rows[1::2], strict=True):
        assert "more than data.max_pixels" in scanned[3]
        assert int(decoded[3]) > 100_000_000
        for kind, mebibytes, milliseconds, _ in (scanned, decoded):
            assert int(mebibytes) < 100, kind
            assert int(milliseconds) < 100, kind

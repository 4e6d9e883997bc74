"""What an exported model makes of sideways, hostile and huge images."""

import base64
import io
import json
import random
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tlkeras.data.orientation import read_orientation
from tlkeras.exporters.rest import predict

# 16383 x 16383 pixels, lossless.
BOMB = bytes.fromhex(
    "524946461a000000574542505650384c0e0000002ffebfff0f071011fd0f4444ff03"
)
NUM_HOSTILE = 2_000


@pytest.fixture(scope="module")
def photo(photo_crops):
    return Image.fromarray(photo_crops["china"][2])


def encode(image, file_format, **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def turned(image, value, order):
    """A JPEG with an Exif segment behind the JFIF one."""
    sign = "<" if order == "little" else ">"
    data = b"Exif\0\0" + (b"II*\0" if order == "little" else b"MM\0*")
    data += struct.pack(f"{sign}IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    content = encode(image, "JPEG", quality=95)
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data
    return content[:20] + segment + content[20:]


def codes(model, contents):
    features = model.signatures["features"]
    return np.concatenate(
        [
            features(image_bytes=tf.constant(contents[i : i + 500]))["features"]
            for i in range(0, len(contents), 500)
        ]
    )


def upright_png(content):
    image = Image.open(io.BytesIO(content))
    return encode(ImageOps.exif_transpose(image), "PNG")


@pytest.mark.parametrize("order", ["little", "big"])
def test_sideways_photos_are_served_as_they_are_seen(saved, photo, order):
    sideways = [turned(photo, value, order) for value in range(1, 9)]
    found = codes(saved, sideways)
    np.testing.assert_allclose(
        found, codes(saved, [upright_png(c) for c in sideways]), atol=0.02
    )
    assert np.abs(found[1:] - found[0]).max(1).min() > 0.05


def test_sideways_photos_are_answered_alike_by_the_server(
    versions, exported, photo
):
    model = versions.find(exported.name, None)[1]

    def answer(contents):
        rows = [
            {"image_bytes": {"b64": base64.b64encode(content).decode()}}
            for content in contents
        ]
        body = json.dumps({"instances": rows}).encode()
        rows = predict(model, body)["predictions"]
        return [row["probabilities"] for row in rows]

    sideways = [turned(photo, value, "big") for value in range(1, 9)]
    np.testing.assert_allclose(
        answer(sideways),
        answer([upright_png(content) for content in sideways]),
        atol=0.02,
    )


def test_hostile_headers_are_served_as_upright_or_as_stored(saved, photo):
    rng = random.Random(0)
    values = [turned(photo, value, "little") for value in range(1, 9)]
    expected = codes(saved, values)
    contents = []
    for _ in range(NUM_HOSTILE):
        data = bytearray(rng.choice(values))
        for _ in range(rng.randint(1, 4)):
            # Within the segment: its length stays, the image is intact.
            data[rng.randrange(24, 56)] = rng.choice((0, 1, 3, 6, 8, 18, 255))
        contents.append(bytes(data))
    read = np.array([read_orientation(content) for content in contents])
    assert len(set(read)) == 8
    np.testing.assert_allclose(
        codes(saved, contents), expected[read - 1], atol=1e-4
    )


def test_an_image_that_claims_too_much_is_named(saved, photo):
    good = encode(photo, "JPEG")
    huge = bytearray(encode(photo.convert("L"), "JPEG"))
    place = huge.index(b"\xff\xc0") + 5
    huge[place : place + 4] = struct.pack(">HH", 65500, 65500)
    wide = bytearray(encode(photo, "PNG"))
    wide[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    frames = bytearray(encode(photo.convert("P"), "GIF"))
    frames[6:10] = struct.pack("<HH", 65535, 65535)
    for bad in (BOMB, bytes(huge), bytes(wide), bytes(frames)):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            codes(saved, [good, bad, good, bad])
        assert "of over 100000000 pixels at positions" in str(error.value)
        assert "[1 3]" in str(error.value)
    codes(saved, [good])

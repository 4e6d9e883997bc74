"""Encoded images for tests, honest and hostile."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

ORIENTATIONS = range(1, 9)


def encode(image, file_format="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def tiff_data(orientation, order="little", entries_before=2):
    """TIFF data as a camera writes it: a few tags, then the orientation."""
    sign = "<" if order == "little" else ">"
    start = b"II*\0" if order == "little" else b"MM\0*"
    others = b"".join(
        struct.pack(f"{sign}HHIHH", 0x0100 + i, 3, 1, 7 + i, 0)
        for i in range(entries_before)
    )
    entry = struct.pack(f"{sign}HHIHH", 0x0112, 3, 1, orientation, 0)
    directory = struct.pack(f"{sign}H", entries_before + 1) + others + entry
    return start + struct.pack(f"{sign}I", 8) + directory + bytes(4)


def exif_jpeg(image, orientation, order="little", **options):
    """A JPEG with an Exif segment of `tiff_data`, behind the JFIF one."""
    data = b"Exif\0\0" + tiff_data(orientation, order)
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data
    content = encode(image, "JPEG", **options)
    return content[:20] + segment + content[20:]


def bomb_png(width, height):
    """A valid grey 1-bit PNG of zeros."""
    packed = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packed.compress(row) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (
            (b"IHDR", header),
            (b"IDAT", data + packed.flush()),
            (b"IEND", b""),
        )
    )


# 16383 x 16383 black pixels, lossless.
BOMB_WEBP = bytes.fromhex(
    "524946461a000000574542505650384c0e0000002ffebfff0f071011fd0f4444ff03"
)


def bomb_jpeg(side=65500):
    """A small JPEG whose frame header claims another size."""
    content = bytearray(encode(Image.new("L", (8, 8)), "JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", side, side)
    return bytes(content)


def animation(sides, num_frames=3):
    """A GIF whose frames are grey squares, each lighter than the last."""
    frames = [
        Image.fromarray(np.full((sides, sides), 40 * i, np.uint8))
        for i in range(num_frames)
    ]
    return encode(
        frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0
    )

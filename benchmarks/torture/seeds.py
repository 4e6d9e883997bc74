"""Whole images of every format, small, to be damaged."""

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

ORIENTED = (
    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    + (bytes(4))
)


def encode(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """Returns an image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def make_seeds() -> dict[str, bytes]:
    """Returns name -> the bytes of an image, from 1 to 20 KB."""
    from sklearn.datasets import load_sample_image

    photo = Image.fromarray(load_sample_image("china.jpg")[100:161, 200:279])
    deep = np.asarray(photo.convert("L"), np.uint16) * 257
    frames = [photo.rotate(angle).convert("P") for angle in (0, 90, 180)]
    rows: dict[str, tuple[Image.Image, str, dict[str, Any]]] = {
        "jpeg": (photo, "JPEG", {"quality": 90}),
        "jpeg progressive": (photo, "JPEG", {"progressive": True}),
        "jpeg grey": (photo.convert("L"), "JPEG", {}),
        "jpeg cmyk": (photo.convert("CMYK"), "JPEG", {}),
        "jpeg 4:4:4": (photo, "JPEG", {"subsampling": 0}),
        "jpeg restarts": (photo, "JPEG", {"restart_marker_blocks": 2}),
        "jpeg exif": (photo, "JPEG", {"exif": ORIENTED}),
        "png": (photo, "PNG", {}),
        "png palette": (photo.convert("P"), "PNG", {}),
        "png clear": (photo.convert("P"), "PNG", {"transparency": 3}),
        "png grey": (photo.convert("L"), "PNG", {}),
        "png grey alpha": (photo.convert("LA"), "PNG", {}),
        "png alpha": (photo.convert("RGBA"), "PNG", {}),
        "png bits": (photo.convert("1"), "PNG", {}),
        "png 16": (Image.fromarray(deep), "PNG", {}),
        "png exif": (photo, "PNG", {"exif": ORIENTED}),
        "gif": (photo.convert("P"), "GIF", {}),
        "gif animated": (
            frames[0],
            "GIF",
            {"save_all": True, "append_images": frames[1:]},
        ),
        "bmp": (photo, "BMP", {}),
        "bmp grey": (photo.convert("L"), "BMP", {}),
        "bmp alpha": (photo.convert("RGBA"), "BMP", {}),
        "webp": (photo, "WEBP", {}),
        "webp lossless": (photo, "WEBP", {"lossless": True}),
        "webp alpha": (photo.convert("RGBA"), "WEBP", {}),
        "webp lossless alpha": (
            _half_clear(photo),
            "WEBP",
            {"lossless": True, "exact": True},
        ),
        "webp exif": (photo, "WEBP", {"exif": ORIENTED}),
        "tiff": (photo, "TIFF", {}),
        "tiff lzw": (photo, "TIFF", {"compression": "tiff_lzw"}),
    }
    made = {
        name: encode(image, file_format, **options)
        for name, (image, file_format, options) in rows.items()
    }
    made["png interlaced"] = _interlaced(photo)
    return made


def _half_clear(photo: Image.Image) -> Image.Image:
    image = photo.convert("RGBA")
    image.putalpha(photo.convert("L"))
    return image


def _interlaced(photo: Image.Image) -> bytes:
    """A PNG of Adam7's seven passes, which Pillow reads but does not write."""
    import zlib

    pixels = np.asarray(photo)
    passes = (
        *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4)),
        *((2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)),
    )
    data = b"".join(
        b"\0" + row.tobytes()
        for y, x, down, right in passes
        for row in pixels[y::down, x::right]
    )
    height, width, _ = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )

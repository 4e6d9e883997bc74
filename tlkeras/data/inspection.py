"""Looks at one image: whether it can be used, its hash, and its appearance.

Decoding here is a check only; the pixels that the networks see are defined in
`preprocess.py`. Pillow looks at everything, and has the words for what is
wrong. JPEGs are left to it: both decoders are libjpeg, and differ only where
data ends without the marker for it. Of the other formats it reads more than
TensorFlow does: `decode_numpy.py` knows those that both read alike, and
TensorFlow decides about the rest.
"""

import hashlib
import io
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from tlkeras.data.contents import read_content, size_of
from tlkeras.data.conversion import (
    ConversionError,
    copy_as_png,
    is_convertible,
)
from tlkeras.data.dataset import FileReport
from tlkeras.data.decode_numpy import (
    JPEG_MODES,
    UndecodableError,
    read_pixels,
    require_tensorflow,
)
from tlkeras.data.definition import IMAGE_FORMATS, MAX_PIXELS
from tlkeras.data.image_header import (
    ends_whole,
    has_all_scans,
    read_size,
    refuse_pixels,
)
from tlkeras.data.mirror import keep_copy
from tlkeras.data.orientation import read_orientation, turn_upright
from tlkeras.data.perceptual_hash import HASH_SIDE, perceptual_hash
from tlkeras.errors import InputError
from tlkeras.remote import RemoteStamp, is_remote

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_SIDE = 2  # pixels; a single pixel shows nothing
REFUSED = "TensorFlow cannot decode it; save it again"
MAX_BYTES = 2**29  # of a file; one that is longer is not read


def digest_of(content: bytes) -> str:
    """Returns the hash of a file's bytes, 32 hex digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def inspect_bytes(content: bytes, max_pixels: int = MAX_PIXELS) -> FileReport:
    """Decodes an image to find out whether it can be used.

    JPEGs are decoded at an eighth of their size where that leaves enough for
    the perceptual hash: all of the file is still read, so that a truncated one
    is found, at a third of the time. What its header says is looked at first:
    a few bytes may claim gigabytes.

    Args:
        content: Of the file.
        max_pixels: A larger image is refused before it is decoded.
    """
    from PIL import Image, UnidentifiedImageError

    digest = digest_of(content)
    if not content:
        return FileReport(digest, "empty file")
    refused = refuse_pixels(read_size(content) or (0, 0), max_pixels)
    if refused:
        return FileReport(digest, refused)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=IMAGE_FORMATS)
            size = image.size
            is_rotated = read_orientation(content) != 1
            if image.format == "BMP" and image.mode in ("1", "P"):
                return FileReport(digest, "palette BMP; save it as PNG")
            if image.format == "WEBP" and getattr(image, "is_animated", False):
                return FileReport(digest, "animated WebP; save one frame")
            pixels = _decode(image, content, max_pixels)
            look = perceptual_hash(turn_upright(pixels, content))
    except UndecodableError as error:
        return FileReport(digest, str(error))
    except UnidentifiedImageError:
        return FileReport(digest, "not a JPEG, PNG, GIF, BMP or WebP image")
    except Exception as error:  # decoders raise many kinds on damaged files
        return FileReport(digest, f"damaged image ({error})")
    if min(size) < MIN_SIDE:
        return FileReport(digest, f"only {size[0]}x{size[1]} pixels")
    return FileReport(digest, is_rotated=is_rotated, look=look)


def _decode(image: "Image", content: bytes, max_pixels: int) -> "Image":
    """Decodes by the library that counts in training."""
    from PIL import Image

    if image.format == "JPEG":
        return _decode_jpeg(image, content)
    pixels = read_pixels(content)
    if pixels is None:
        require_tensorflow()
        from tlkeras.data.decoders import try_other  # brings TensorFlow

        pixels = try_other(content, max_pixels)
    if pixels is None:
        image.load()  # may say what is wrong
        raise ValueError(REFUSED)
    return Image.fromarray(pixels)


def _decode_jpeg(image: "Image", content: bytes) -> "Image":
    if image.mode not in JPEG_MODES or not has_all_scans(content):
        require_tensorflow()  # which will decode it
    width, height = (max(side // 8, HASH_SIDE) for side in image.size)
    image.draft(None, (width, height))
    image.load()
    if not ends_whole(content):
        require_tensorflow()
        from tlkeras.data.decoders import accepts_jpeg  # brings TensorFlow

        if not accepts_jpeg(content):
            raise ValueError(REFUSED)
    return image


def inspect_file(
    path: str,
    max_pixels: int = MAX_PIXELS,
    stamp: RemoteStamp | None = None,
) -> FileReport:
    """Reads and decodes one image; see `inspect_bytes`.

    Of a remote one that can be used a copy is kept.

    Args:
        path: As for `contents.read_content`.
        max_pixels: A larger image is refused before it is decoded.
        stamp: That a store listed it with.

    Raises:
        InputError: If its store refuses, or is down.
    """
    try:
        size = size_of(path, stamp)
        if size > MAX_BYTES:
            return FileReport(
                "", f"{size / 2**20:.0f} MiB, above {MAX_BYTES // 2**20}"
            )
        content = read_content(path, stamp)
        if is_convertible(content):
            return _inspect_copy(content, max_pixels)
        report = inspect_bytes(content, max_pixels)
        if is_remote(path) and not report.problem:
            return replace(report, copy=keep_copy(content, report.digest))
        return report
    except InputError:  # is a ValueError, and about more than this file
        raise
    except OSError as error:
        return FileReport("", f"cannot be read ({error.strerror})")
    except ValueError as error:  # a name with a null character
        return FileReport("", f"cannot be read ({error})")


def _inspect_copy(content: bytes, max_pixels: int) -> FileReport:
    digest = digest_of(content)
    try:
        copy = copy_as_png(content, digest, max_pixels)
    except ConversionError as reason:
        return FileReport(digest, str(reason))
    except OSError as error:
        return FileReport(digest, f"cannot be copied as PNG ({error.strerror})")
    report = inspect_bytes(copy.read_bytes(), max_pixels)
    return replace(report, digest=digest, copy=str(copy))

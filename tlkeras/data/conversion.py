"""TIFF, HEIC and AVIF, which TensorFlow cannot decode: copied as PNG, once.

A copy lies below the cache folder under the hash of the original's bytes, and
is upright; where that cannot be written, it lasts as long as the process. The
image keeps its own name everywhere.
"""

import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkeras import workdir
from tlkeras.data.image_header import refuse_pixels
from tlkeras.data.shared_folder import shared_folder

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "converted"  # below the cache folder
CONVERTED_SUFFIXES = (".tif", ".tiff", ".heic", ".heif", ".avif")
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# Brands of ISO base media files (ISO 14496-12, section 4.3).
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
# What PNG holds as it is; anything else of 8 bits becomes RGB.
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


class ConversionError(Exception):
    """Why an image cannot be copied as PNG, in words."""


def is_convertible(content: bytes) -> bool:
    """Says whether bytes begin like a TIFF, HEIC or AVIF image."""
    return bool(_kind(content))


def _kind(content: bytes) -> str:
    if content.startswith(_TIFF_STARTS):
        return "TIFF"
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC:
        return "HEIC"
    if content[4:8] == b"ftyp" and content[8:12] in _AVIF:
        return "AVIF"
    return ""


def copy_as_png(content: bytes, digest: str, max_pixels: int) -> Path:
    """Returns a PNG of a TIFF, HEIC or AVIF image, made if it is not there.

    Args:
        content: Of the original.
        digest: Hash of these bytes.
        max_pixels: A larger image is refused before it is decoded.

    Raises:
        ConversionError: If it cannot be read here, or has no copy as PNG.
        OSError: If the copy cannot be written.
    """
    cache, name = workdir.cache_directory(), f"{digest}.png"
    kept = cache / FOLDER / name
    if kept.exists():  # also where nothing can be written
        return kept
    path = _writable_folder(cache) / name
    if not path.exists():
        png = convert_to_png(content, max_pixels)
        path.parent.mkdir(parents=True, exist_ok=True)
        with workdir.replacing(path, durable=False) as temporary:
            temporary.write_bytes(png)
    return path


@functools.lru_cache(maxsize=1)
def _writable_folder(cache: Path) -> Path:
    """Returns where copies go, tried once for a cache folder."""
    return shared_folder(FOLDER)


def convert_to_png(content: bytes, max_pixels: int) -> bytes:
    """Returns an image of Pillow's as PNG, upright; of several the first.

    Raises:
        ConversionError: If it cannot be read, or is too large.
    """
    kind = _kind(content)
    try:
        image = _open(content, kind)
        refused = refuse_pixels(image.size, max_pixels)
        if refused:
            raise ConversionError(refused)
        image = _upright(image, kind)
        if image.mode.startswith("I;16"):
            image = image.convert("I;16")
        elif image.mode in ("I", "F"):
            raise ConversionError(
                f"{kind} of 32 bits a value; save it with 8 or 16"
            )
        elif image.mode not in _PNG_MODES:
            image = image.convert("RGB")
        buffer = io.BytesIO()
        image.save(buffer, "PNG", compress_level=1, exif=b"")
    except ConversionError:
        raise
    except Exception as error:  # decoders raise many kinds on damaged files
        raise ConversionError(f"damaged {kind} image ({error})") from None
    return buffer.getvalue()


def _open(content: bytes, kind: str) -> Any:
    """Reads the header only: an image of Pillow's, or a `HeifFile`."""
    from PIL import Image, features

    if kind == "HEIC":
        try:
            from pillow_heif import open_heif
        except ImportError:
            raise ConversionError(
                "HEIC image; install tlkeras[heif], or save it as JPEG"
            ) from None
        return open_heif(io.BytesIO(content))
    if kind == "AVIF" and not features.check("avif"):
        raise ConversionError(
            "AVIF image; install a newer Pillow, or save it as JPEG"
        )
    return Image.open(io.BytesIO(content), formats=(kind,))


def _upright(image: Any, kind: str) -> "Image":
    from PIL import ImageOps

    if kind == "HEIC":  # libheif turns the pixels itself
        return image.to_pillow()
    image.load()
    return ImageOps.exif_transpose(image)

"""How a camera was held: EXIF orientation, from bytes that may be anything.

Phones store photos as the sensor saw them and say beside it how to turn them.
The value is read from a JPEG's APP1 segment, a PNG's eXIf chunk or a WebP's
EXIF chunk; what cannot be read counts as 1, upright. `orientation_ops.py` says
the same inside a graph. Needs neither Pillow (but to turn its images) nor TF.

Reference:
    Exif 2.32 (JEITA CP-3451E), sections 4.5.4, 4.6.2 and 4.6.4.
"""

import dataclasses
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SEGMENTS = 64  # looked at before giving up
MAX_EXIF_BYTES = 65536  # more does not fit into a JPEG's segment
FIRST_IFD = 8  # the earliest place after the TIFF header
ENTRY_BYTES = 12
# The first 8 of an entry's bytes: tag 0x0112, type SHORT, one value.
ENTRIES = {
    "little": bytes([0x12, 0x01, 3, 0, 1, 0, 0, 0]),
    "big": bytes([0x01, 0x12, 0, 3, 0, 0, 0, 1]),
}
TIFF_STARTS = {"little": b"II*\0", "big": b"MM\0*"}
EXIF_PREFIX = b"Exif\0\0"


@dataclasses.dataclass(frozen=True)
class Turn:
    """What makes a stored image upright, in this order.

    Attributes:
        transposed: Rows become columns.
        flipped_rows: Top becomes bottom.
        flipped_columns: Left becomes right.
        pillow: Name of the same in `PIL.Image.Transpose`.
    """

    transposed: bool
    flipped_rows: bool
    flipped_columns: bool
    pillow: str


TURNS = {
    1: Turn(False, False, False, ""),
    2: Turn(False, False, True, "FLIP_LEFT_RIGHT"),
    3: Turn(False, True, True, "ROTATE_180"),
    4: Turn(False, True, False, "FLIP_TOP_BOTTOM"),
    5: Turn(True, False, False, "TRANSPOSE"),
    6: Turn(True, False, True, "ROTATE_270"),
    7: Turn(True, True, True, "TRANSVERSE"),
    8: Turn(True, True, False, "ROTATE_90"),
}


def read_orientation(content: bytes) -> int:
    """Returns the EXIF orientation of an encoded image.

    Args:
        content: The whole file; of any format.

    Returns:
        1 .. 8; 1 where there is none or it cannot be read.
    """
    if content.startswith(b"\xff\xd8\xff"):
        return _orientation_of_tiff(_find_in_jpeg(content))
    if content[1:8] == b"PNG\r\n\x1a\n":  # the graph cannot match byte 0
        return _orientation_of_tiff(_find_chunk(content, 8, b"eXIf", "big"))
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _orientation_of_tiff(_find_chunk(content, 12, b"EXIF", "little"))
    return 1


def turn_upright(image: "Image", content: bytes) -> "Image":
    """Returns a Pillow image as it is to be seen.

    Args:
        image: Decoded, of any mode and at any reduction.
        content: The file that it came from.
    """
    from PIL.Image import Transpose

    name = TURNS[read_orientation(content)].pillow
    return image.transpose(Transpose[name]) if name else image


def _find_in_jpeg(content: bytes) -> bytes:
    """Returns the TIFF data of the first Exif segment, or b"".

    It comes before the first table or frame; only APPn and COM may be before.
    """
    place = 2
    for _ in range(MAX_SEGMENTS):
        head = content[place : place + 10].ljust(10, b"\0")
        if head[0] != 0xFF or not (head[1] & 0xF0 == 0xE0 or head[1] == 0xFE):
            return b""
        length = int.from_bytes(head[2:4])
        if head[1] == 0xE1 and head[4:] == EXIF_PREFIX:
            return content[place + 10 : place + 2 + length]
        place += 2 + length
    return b""


def _find_chunk(
    content: bytes, place: int, kind: bytes, order: Literal["little", "big"]
) -> bytes:
    """Returns the TIFF data of a PNG's (big) or WebP's (little) chunk."""
    is_png = order == "big"
    for _ in range(MAX_SEGMENTS):
        head = content[place : place + 8].ljust(8, b"\0")
        length = int.from_bytes(head[:4] if is_png else head[4:], order)
        if (head[4:] if is_png else head[:4]) == kind:
            data = content[place + 8 : place + 8 + length]
            return data.removeprefix(EXIF_PREFIX)
        place += length + (12 if is_png else 8 + length % 2)
    return b""


def _orientation_of_tiff(data: bytes) -> int:
    """Returns the orientation in the first directory of TIFF data, or 1."""
    data = data[:MAX_EXIF_BYTES]
    order: Literal["little", "big"] = (
        "big" if data.startswith(b"MM") else "little"
    )
    if not data.startswith(TIFF_STARTS[order]):
        return 1
    directory = int.from_bytes(data[4:8], order)
    if not FIRST_IFD <= directory <= len(data) - 2:
        return 1
    count = int.from_bytes(data[directory : directory + 2], order)
    first = directory + 2
    count = min(count, (len(data) - first) // ENTRY_BYTES)
    for place in range(first, first + count * ENTRY_BYTES, ENTRY_BYTES):
        if data[place : place + 8] == ENTRIES[order]:
            value = int.from_bytes(data[place + 8 : place + 10], order)
            return value if value in TURNS else 1
    return 1

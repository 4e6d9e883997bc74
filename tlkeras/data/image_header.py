"""What an image's bytes say before they are decoded, without Pillow or TF.

What a decoder would allocate is known before it does: a file of a few bytes
may claim gigabytes.
"""

import re
import struct
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
# Start of frame, but for the tables among these codes (DHT, JPG, DAC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD9)))
_PROGRESSIVE, _SCAN = 0xC2, 0xDA
_END = frozenset((0xD9, _SCAN))  # EOI, SOS: no frame comes after them
# Among the pixels FF is followed by 0 or a restart's number.
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
_JPEG_END = b"\xff\xd9"

Size = tuple[int, int]


def read_size(content: bytes) -> Size | None:
    """Returns (width, height) in pixels as the header claims them.

    Of an animation, of one frame: no other is decoded.

    Args:
        content: The bytes of a JPEG, PNG, GIF, BMP or WebP, or of its start.

    Returns:
        The size; None if this is no such header.
    """
    try:
        if content.startswith(JPEG):
            return _jpeg_size(content)
        if content.startswith(PNG):
            width, height = struct.unpack_from(">II", content, 16)
            return width, height
        if content.startswith(b"GIF8"):
            return _gif_size(content)
        if content.startswith(b"BM"):
            width, height = struct.unpack_from("<ii", content, 18)
            return abs(width), abs(height)
        if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
            return _webp_size(content)
    except (struct.error, IndexError):  # cut short
        pass
    return None


def refuse_pixels(size: Size, max_pixels: int) -> str:
    """Returns why an image is too large to be decoded, or ""."""
    width, height = size
    if width * height <= max_pixels:
        return ""
    return (
        f"too large: {width}x{height} pixels, more than "
        f"data.max_pixels={max_pixels}: make it smaller or raise "
        "--config.data.max_pixels"
    )


def ends_whole(content: bytes) -> bool:
    """Returns whether a JPEG ends with its end marker, and reaches it.

    A segment, also one after the first pixels, may claim more bytes than there
    are; a decoder that reads on after the last pixel fails there.

    Args:
        content: The bytes of a JPEG.
    """
    return content.endswith(_JPEG_END) and any(
        marker == _JPEG_END[1] for marker, _ in _walk_jpeg(content)
    )


def has_all_scans(content: bytes) -> bool:
    """Returns whether a JPEG, if progressive, gives every coefficient in full.

    What a decoder makes of one that stops early is its own affair.

    Args:
        content: The bytes of a JPEG that ends as it should.
    """
    given: dict[int, int] = {}  # component -> bits of coefficients 0 .. 63
    components: bytes = b""
    for marker, place in _walk_jpeg(content):
        if marker == _PROGRESSIVE:
            count = content[place + 7]
            components = content[place + 8 : place + 8 + 3 * count : 3]
        elif marker == _SCAN and components:
            count = content[place + 2]
            names = content[place + 3 : place + 3 + 2 * count : 2]
            first, last, bits = content[place + 3 + 2 * count :][:3]
            span = (2 << last) - (1 << first)
            for name in names if bits % 16 == 0 else b"":
                given[name] = given.get(name, 0) | span
        elif marker == _JPEG_END[1]:
            break
    return all(given.get(name) == 2**64 - 1 for name in components)


def _walk_jpeg(content: bytes) -> Iterator[tuple[int, int]]:
    """Yields each marker behind the first, and where its segment begins."""
    place = 2
    while match := _MARKER.search(content, place):
        place, marker = match.end(), match[1][0]
        yield marker, place
        if marker not in _WITHOUT_LENGTH:
            length = int.from_bytes(content[place : place + 2], "big")
            place += max(length, 2)


def _jpeg_size(content: bytes) -> Size | None:
    place = 2
    while True:
        place = content.find(b"\xff", place)
        if place < 0:
            return None
        while content[place] == 0xFF:  # fill bytes
            place += 1
        marker = content[place]
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 4)
            return width, height
        if marker in _END:
            return None
        place += 1
        if marker and marker not in _WITHOUT_LENGTH:
            (length,) = struct.unpack_from(">H", content, place)
            place += max(length, 2)


def _gif_size(content: bytes) -> Size:
    """Returns the larger of the canvas and the first frame.

    giflib allocates the frame, whatever the canvas is.
    """
    canvas: Size = struct.unpack_from("<HH", content, 6)
    place = find_gif_frame(content)
    frame: Size = struct.unpack_from("<HH", content, place + 5)
    return max(canvas, frame, key=lambda size: size[0] * size[1])


def find_gif_frame(content: bytes) -> int:
    """Returns where the first image descriptor begins.

    Raises:
        IndexError: If there is none.
    """
    place = 13 + _color_table_bytes(content[10])
    while content[place] == 0x21:  # an extension
        place += 2
        while content[place]:
            place += 1 + content[place]
        place += 1
    if content[place] != 0x2C:
        raise IndexError
    return place


def _color_table_bytes(flags: int) -> int:
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def _webp_size(content: bytes) -> Size | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = content[24:27], content[27:30]
        if len(height) < 3:
            return None
        return 1 + int.from_bytes(width, "little"), 1 + int.from_bytes(
            height, "little"
        )
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None

"""Ways to damage a file, with the structure of its format or without."""

import struct
import zlib
from collections.abc import Callable

import numpy as np

Generator = np.random.Generator
HEADER = 64  # bytes at the start, where sizes and lengths stand
EXTREMES = (b"\0", b"\xff", b"\x7f", b"\x80", b"\x01")
PNG = b"\x89PNG\r\n\x1a\n"


def split_chunks(content: bytes) -> list[bytes]:
    """Returns the parts of a PNG, JPEG or RIFF file; else blocks of 64."""
    if content.startswith(PNG):
        return _walk(content, 8, lambda at: 12 + _number(">I", content, at))
    if content.startswith(b"RIFF"):
        return _walk(content, 12, lambda at: 8 + _even("<I", content, at + 4))
    if content.startswith(b"\xff\xd8"):
        return _walk(
            content,
            2,
            lambda at: (
                len(content)
                if content[at + 1 : at + 2] == b"\xda"
                else 2 + _number(">H", content, at + 2)
            ),
        )
    return [content[at : at + 64] for at in range(0, len(content), 64)]


def _walk(
    content: bytes, start: int, length: Callable[[int], int]
) -> list[bytes]:
    parts, at = [content[:start]], start
    while at < len(content):
        end = at + max(length(at), 2)
        parts.append(content[at:end])
        at = end
    return parts


def _number(form: str, content: bytes, at: int) -> int:
    size = struct.calcsize(form)
    piece = content[at : at + size].ljust(size, b"\0")
    return int(struct.unpack(form, piece)[0])


def _even(form: str, content: bytes, at: int) -> int:
    length = _number(form, content, at)
    return length + length % 2


def flip_bits(generator: Generator, content: bytes, other: bytes) -> bytes:
    """Up to 8 bits, anywhere or in the header."""
    data = bytearray(content)
    within = len(data) if generator.random() < 0.5 else min(len(data), HEADER)
    for _ in range(generator.integers(1, 9)):
        data[generator.integers(within)] ^= 1 << int(generator.integers(8))
    return bytes(data)


def fill_run(generator: Generator, content: bytes, other: bytes) -> bytes:
    """A run of one byte, or of random ones."""
    at = int(generator.integers(len(content)))
    length = int(10 ** generator.uniform(0, 2.5))
    byte = EXTREMES[generator.integers(len(EXTREMES))] * length
    run = byte if generator.random() < 0.5 else generator.bytes(length)
    return content[:at] + run + content[at + length :]


def truncate(generator: Generator, content: bytes, other: bytes) -> bytes:
    """The start of it."""
    return content[: generator.integers(len(content))]


def insert(generator: Generator, content: bytes, other: bytes) -> bytes:
    """Bytes more, anywhere or at the end."""
    at = int(generator.integers(len(content) + 1))
    at = len(content) if generator.random() < 0.3 else at
    return (
        content[:at] + generator.bytes(generator.integers(1, 65)) + content[at:]
    )


def remove(generator: Generator, content: bytes, other: bytes) -> bytes:
    """Bytes less."""
    at = int(generator.integers(len(content)))
    return content[:at] + content[at + int(generator.integers(1, 65)) :]


def set_extreme(generator: Generator, content: bytes, other: bytes) -> bytes:
    """A field of 1, 2 or 4 bytes in the header, as small or large as can be."""
    size = int(generator.choice((1, 2, 4)))
    at = int(generator.integers(max(min(len(content), 4 * HEADER) - size, 1)))
    value = EXTREMES[generator.integers(len(EXTREMES))] * size
    return content[:at] + value + content[at + size :]


def repeat_chunk(generator: Generator, content: bytes, other: bytes) -> bytes:
    """A part of it again, at any place."""
    parts = split_chunks(content)
    part = parts[generator.integers(len(parts))]
    parts.insert(int(generator.integers(len(parts) + 1)), part)
    return b"".join(parts)


def remove_chunk(generator: Generator, content: bytes, other: bytes) -> bytes:
    """Without one of its parts."""
    parts = split_chunks(content)
    del parts[generator.integers(len(parts))]
    return b"".join(parts)


def swap_chunks(generator: Generator, content: bytes, other: bytes) -> bytes:
    """Two of its parts in each other's place."""
    parts = split_chunks(content)
    first, second = generator.integers(len(parts), size=2)
    parts[first], parts[second] = parts[second], parts[first]
    return b"".join(parts)


def splice(generator: Generator, content: bytes, other: bytes) -> bytes:
    """The start of one file and the end of another."""
    ours = content[: generator.integers(len(content) + 1)]
    return ours + other[generator.integers(len(other) + 1) :]


Mutation = Callable[[Generator, bytes, bytes], bytes]
MUTATIONS: dict[str, Mutation] = {
    "bits": flip_bits,
    "run": fill_run,
    "truncate": truncate,
    "insert": insert,
    "remove": remove,
    "extreme": set_extreme,
    "repeat chunk": repeat_chunk,
    "remove chunk": remove_chunk,
    "swap chunks": swap_chunks,
    "splice": splice,
}


def repair_png(content: bytes) -> bytes:
    """Makes the checksums of a PNG right, so that more of it is looked at."""
    if not content.startswith(PNG):
        return content
    start, *chunks = split_chunks(content)
    return start + b"".join(
        chunk[:-4] + struct.pack(">I", zlib.crc32(chunk[4:-4]))
        if len(chunk) >= 12
        else chunk
        for chunk in chunks
    )


def mutate(
    generator: Generator, content: bytes, other: bytes
) -> tuple[bytes, str]:
    """Returns a file with one to three mutations, and their names."""
    names = []
    for _ in range(generator.integers(1, 4)):
        name = list(MUTATIONS)[generator.integers(len(MUTATIONS))]
        content = MUTATIONS[name](generator, content or b"\0", other)
        names.append(name)
    if generator.random() < 0.5:
        content = repair_png(content)
    return content, ", ".join(names)

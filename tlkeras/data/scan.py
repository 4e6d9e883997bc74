"""Reads every file once: finds damaged, empty, duplicate and mislabelled ones.

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
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tlkeras.console import Console
from tlkeras.data.conversion import (
    ConversionError,
    copy_as_png,
    is_convertible,
)
from tlkeras.data.dataset import Example, FileReport, Ledger, LeftOut
from tlkeras.data.decode_numpy import read_pixels
from tlkeras.data.definition import IMAGE_FORMATS, MAX_PIXELS
from tlkeras.data.image_header import ends_whole, read_size, refuse_pixels
from tlkeras.data.orientation import read_orientation, turn_upright
from tlkeras.data.perceptual_hash import HASH_SIDE, perceptual_hash
from tlkeras.data.scan_memory import find_known, recall, remember, stamp_of
from tlkeras.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_SIDE = 2  # pixels; a single pixel shows nothing
REFUSED = "TensorFlow cannot decode it; save it again"
MAX_BYTES = 2**29  # of a file; one that is longer is not read
ON_BAD_IMAGE = ("skip", "fail")


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
        from tlkeras.data.decoders import try_other  # brings TensorFlow

        pixels = try_other(content, max_pixels)
    if pixels is None:
        image.load()  # may say what is wrong
        raise ValueError(REFUSED)
    return Image.fromarray(pixels)


def _decode_jpeg(image: "Image", content: bytes) -> "Image":
    width, height = (max(side // 8, HASH_SIDE) for side in image.size)
    image.draft(None, (width, height))
    image.load()
    if not ends_whole(content):
        from tlkeras.data.decoders import accepts_jpeg  # brings TensorFlow

        if not accepts_jpeg(content):
            raise ValueError(REFUSED)
    return image


def inspect_file(path: str, max_pixels: int = MAX_PIXELS) -> FileReport:
    """Reads and decodes one image file; see `inspect_bytes`."""
    try:
        size = Path(path).stat().st_size
        if size > MAX_BYTES:
            return FileReport(
                "", f"{size / 2**20:.0f} MiB, above {MAX_BYTES // 2**20}"
            )
        content = Path(path).read_bytes()
        if is_convertible(content):
            return _inspect_copy(content, max_pixels)
        return inspect_bytes(content, max_pixels)
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


def scan(
    examples: Iterable[Example],
    *,
    on_bad_image: str,
    num_workers: int,
    max_pixels: int = MAX_PIXELS,
    memory: Path | None = None,
    console: Console | None = None,
) -> tuple[list[Example], Ledger]:
    """Returns the usable examples, with digests, and the ledger of the rest.

    Identical bytes under two labels are all left out. Of identical bytes under
    one label the first stays; in a source with splits, the one in the test or
    else validation split stays, so that no image straddles two splits.

    Args:
        examples: As the source lists them.
        on_bad_image: `skip`, or `fail` at the first damaged file.
        num_workers: Threads that read and decode.
        max_pixels: A larger image is left out, before it is decoded.
        memory: From `scan_memory.memory_file`: files that have not changed
            since are not read again. None = all are read.
        console: For progress; None is quiet.

    Raises:
        InputError: If `on_bad_image="fail"` and a file is bad, or if no
            readable image is left.
    """
    listed = list(examples)
    ledger = Ledger(
        len(listed), [LeftOut(e.path, e.problem) for e in listed if e.problem]
    )
    examples = [example for example in listed if not example.problem]
    reports = _inspect_all(
        [example.path for example in examples],
        num_workers=num_workers,
        max_pixels=max_pixels,
        memory=memory,
        console=console or Console(quiet=True),
    )
    readable = []
    for example, report in zip(examples, reports, strict=True):
        if report.problem and on_bad_image == "fail":
            raise InputError(
                f"'{example.path}' is unusable: {report.problem}; expected a "
                "readable image: remove it, or pass "
                "--config.data.on_bad_image=skip."
            )
        if report.problem:
            ledger.left_out.append(LeftOut(example.path, report.problem))
        else:
            readable.append(
                replace(
                    example,
                    digest=report.digest,
                    look=report.look,
                    copy=report.copy,
                )
            )
            ledger.num_with_orientation += report.is_rotated
    if not readable:
        first = ledger.left_out[-len(examples)]
        raise InputError(
            f"None of the {len(examples)} images can be read; the first, "
            f"'{first.path}', is: {first.reason}. "
            "Expected JPEG, PNG, GIF, BMP or WebP files."
        )
    return _drop_copies(readable, ledger), ledger


def _inspect_all(
    files: Sequence[str],
    *,
    num_workers: int,
    max_pixels: int,
    memory: Path | None,
    console: Console,
) -> list[FileReport]:
    """Returns the report of each file; reads those that are not remembered."""
    known = recall(memory) if memory else {}
    stamps = [stamp_of(path) if memory else None for path in files]
    found = [
        find_known(known, path, stamp)
        for path, stamp in zip(files, stamps, strict=True)
    ]
    missing = [row for row, report in enumerate(found) if report is None]
    console.start("reading images", len(missing))
    with ThreadPoolExecutor(num_workers) as pool:
        reports = pool.map(
            lambda row: inspect_file(files[row], max_pixels), missing
        )
        for done, (row, report) in enumerate(
            zip(missing, reports, strict=True), 1
        ):
            found[row] = report
            console.advance_to(done)
    console.stop()
    everything = [report for report in found if report is not None]
    if memory and (missing or len(known) > len(files)):
        remember(memory, zip(files, stamps, everything, strict=True))
    return everything


def _drop_copies(examples: list[Example], ledger: Ledger) -> list[Example]:
    by_digest = defaultdict(list)
    for example in examples:
        by_digest[example.digest].append(example)
    dropped = set()
    for copies in by_digest.values():
        if len({frozenset(copy.labels) for copy in copies}) > 1:
            names = " and ".join(sorted({"|".join(c.labels) for c in copies}))
            reason, keeper = f"identical bytes under {names}", None
        else:
            keeper = max(copies, key=_held_out_first)
            reason = f"duplicate of {keeper.path}"
        for copy in copies:
            if copy is not keeper:
                ledger.left_out.append(LeftOut(copy.path, reason))
                dropped.add(id(copy))
                if len({c.split for c in copies}) > 1:
                    ledger.straddling.append(copy.path)
    return [example for example in examples if id(example) not in dropped]


def _held_out_first(example: Example) -> int:
    return ("train", "validation", "test").index(example.split or "train")

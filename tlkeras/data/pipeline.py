"""Images of a split in order, and the names of those that cannot be read.

Threads call one function. A `tf.data` pipeline would prepare the decoder's
graph anew for each pass, which takes longer than a hundred images.
"""

import contextlib
from collections.abc import Generator, Iterator, Sequence

import numpy as np

from tlkeras.data.contents import read_content
from tlkeras.data.dataset import Split
from tlkeras.data.decoding import decode_contents, is_refusal
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.parallel import ordered_map
from tlkeras.errors import InputError
from tlkeras.startup import has_tensorflow

PART = 16  # images that a thread decodes at a time


def read_files(
    files: Sequence[str], size: tuple[int, int], definition: ImageDefinition
) -> np.ndarray:
    """Reads files as uint8 [n, height, width, 3].

    Args:
        files: [n] paths.
        size: (height, width), pixels.
        definition: What the pixels of an image are.
    """
    contents = [read_content(file) for file in files]
    return decode_contents(contents, size, definition)


def read_in_order(
    split: Split, size: tuple[int, int], *, batch_size: int, num_workers: int
) -> Generator[np.ndarray]:
    """Yields the images of a split, uint8 [n, height, width, 3].

    Args:
        split: The images; names need not be UTF-8.
        size: (height, width), pixels.
        batch_size: Largest n.
        num_workers: Threads, each of which reads a batch.

    Raises:
        InputError: If a file cannot be decoded; it is named.
    """

    def read_from(begin: int) -> np.ndarray:
        return read_files(
            split.files[begin : begin + batch_size], size, split.definition
        )

    with naming_bad_files(split, size):
        yield from ordered_map(
            read_from,
            range(0, len(split), batch_size),
            num_workers=num_workers,
        )


def decode_split(
    split: Split, size: tuple[int, int], *, num_workers: int
) -> np.ndarray:
    """Decodes all images of a split into memory.

    Args:
        split: Of N images.
        size: (height, width), pixels.
        num_workers: Parallel decodes.

    Returns:
        uint8 [N, height, width, 3].
    """
    images = np.empty((len(split), *size, 3), np.uint8)
    begin = 0
    for batch in read_in_order(
        split, size, batch_size=PART, num_workers=num_workers
    ):
        images[begin : begin + len(batch)] = batch
        begin += len(batch)
    return images


@contextlib.contextmanager
def naming_bad_files(split: Split, size: tuple[int, int]) -> Iterator[None]:
    """Turns a decoder's error, which names no file, into one that does.

    The scan leaves out what its own decoder refuses; this is for the rare file
    that only training meets.
    """
    try:
        yield
    except Exception as error:
        if not is_refusal(error):
            raise
        for path, file in zip(split.paths, split.files, strict=True):
            try:
                read_files([file], size, split.definition)
            except Exception as refused:
                if not is_refusal(refused):
                    raise
                raise InputError(_refuse(path)) from None
        raise


def _refuse(path: str) -> str:
    if not has_tensorflow():
        return (
            f"'{path}' is a kind of image that only TensorFlow decodes, which "
            "is not installed; expected a whole JPEG or PNG: save it again, "
            "or run pip install tensorflow."
        )
    return (
        f"'{path}' cannot be decoded by TensorFlow; expected a baseline JPEG, "
        "PNG, GIF, BMP or WebP: remove the file or save it again."
    )


class ImageBatches:
    """The images of a split in order, as often as they are asked for.

    Decoded images stay in memory after the first pass where they fit.

    Args:
        split: The images.
        size: (height, width), pixels.
        batch_size: Images a batch; the last batch may be smaller.
        num_workers: Parallel decodes.
        max_decoded_bytes: Largest size to keep in memory.
    """

    def __init__(
        self,
        split: Split,
        size: tuple[int, int],
        *,
        batch_size: int,
        num_workers: int,
        max_decoded_bytes: int,
    ) -> None:
        self.split = split
        self.size = size
        self.batch_size = batch_size
        self.num_workers = num_workers
        fits = len(split) * size[0] * size[1] * 3 <= max_decoded_bytes
        self._kept: list[np.ndarray] | None = [] if fits else None

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields uint8 [n, height, width, 3]."""
        if self._kept:
            yield from self._kept
            return
        batches = []
        for batch in self._decode():
            if self._kept is not None:
                batches.append(batch)
            yield batch
        if self._kept is not None:
            self._kept = batches

    def _decode(self) -> Iterator[np.ndarray]:
        return read_in_order(
            self.split,
            self.size,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
        )

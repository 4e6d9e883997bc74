"""Decoding by whatever is at hand: both ways give the same bytes.

TensorFlow's graph is a little faster where it is imported anyway;
`decode_numpy.py` spares its import.
"""

import sys
from collections.abc import Sequence

import numpy as np

from tlkeras.data import decode_numpy
from tlkeras.data.definition import CURRENT, ImageDefinition


def decode_contents(
    contents: Sequence[bytes],
    size: tuple[int, int],
    definition: ImageDefinition = CURRENT,
) -> np.ndarray:
    """Decodes and resizes encoded images; from any thread.

    Args:
        contents: [N] JPEG, PNG, GIF, BMP or WebP images.
        size: (height, width) of the result, pixels.
        definition: What the pixels of an image are.

    Returns:
        uint8 [N, height, width, 3], RGB.

    Raises:
        Exception: One that `is_refusal` knows, for what is no such image.
    """
    if sys.modules.get("tensorflow") is None:
        return decode_numpy.decode_contents(contents, size, definition)
    from tlkeras.data import preprocess

    return preprocess.decode_contents(contents, size, definition)


def decode_whole(content: bytes, definition: ImageDefinition) -> np.ndarray:
    """Decodes one image at its own size, upright.

    Args:
        content: A JPEG, PNG, GIF, BMP or WebP image.
        definition: What the pixels of an image are.

    Returns:
        uint8 [h, w, 3], RGB.

    Raises:
        Exception: As `decode_contents`.
    """
    pixels = decode_numpy.try_decode_whole(content, definition)
    if pixels is not None:
        return pixels
    decode_numpy.require_tensorflow()
    from tlkeras.data import preprocess

    return np.asarray(preprocess.decode_whole(content, definition))


def is_refusal(error: Exception) -> bool:
    """Says whether an error of decoding is about the image.

    Args:
        error: That decoding raised.
    """
    # The text of TensorFlow's own errors may be bytes of the image.
    if isinstance(error, UnicodeDecodeError | decode_numpy.UndecodableError):
        return True
    # Where it was not imported it has raised nothing.
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None:
        return False
    kinds = tensorflow.errors  # others are about a device, or a worker
    return isinstance(error, kinds.InvalidArgumentError | kinds.UnknownError)

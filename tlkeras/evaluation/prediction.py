"""What a finished network says of image files, whatever computes its logits."""

import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tlkeras.data.contents import read_content
from tlkeras.data.decoding import decode_contents
from tlkeras.data.definition import ImageDefinition
from tlkeras.data.inspection import inspect_file
from tlkeras.errors import InputError
from tlkeras.optim.losses import Loss, compute_probabilities

PREDICT_BATCH = 32
# Side of images, pixels -> uint8 [n, S, S, 3], n <= PREDICT_BATCH; and what
# they are answered, float32 [n, C].
Answer = Callable[[Mapping[int, np.ndarray]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a run says of one image.

    Attributes:
        path: Of the image.
        label: The most probable class, or "" on error.
        score: Its probability; 0 on error.
        probabilities: [C] in the order of the run's `class_names`; [] on error.
        error: Why the image could not be read, or "".
    """

    path: str
    label: str
    score: float
    probabilities: tuple[float, ...]
    error: str


def as_paths(paths: str | Path | Iterable[str | Path]) -> Iterator[str]:
    """Yields the paths of files as text; one path is one file.

    Raises:
        InputError: If something else stands among the paths.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    return map(_as_text, paths)


def _as_text(path: object) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise InputError(
            f"An image to predict is a {type(path).__name__}; expected the "
            "path of a file: write arrays to files, or call the run's model."
        )
    return os.fspath(path)


def predict_files(
    paths: Iterator[str],
    answer: Answer,
    *,
    sides: Sequence[int],
    definition: ImageDefinition,
    loss: Loss,
    class_names: Sequence[str],
) -> Iterator[Prediction]:
    """Yields a prediction for each image file, in order.

    A file that is no image gets its error; the others are unharmed.

    Args:
        paths: Of files.
        answer: Gives logits of a batch; those of files without an image mean
            nothing.
        sides: S of the images that it asks for, pixels.
        definition: What the pixels of an image are.
        loss: That the network was trained with.
        class_names: [C].
    """
    while chunk := list(itertools.islice(paths, PREDICT_BATCH)):
        batches = {
            side: np.zeros((len(chunk), side, side, 3), np.uint8)
            for side in sides
        }
        problems = [
            _read(path, definition, [batch[row] for batch in batches.values()])
            for row, path in enumerate(chunk)
        ]
        scores = compute_probabilities(answer(batches), loss)
        for path, problem, row in zip(chunk, problems, scores, strict=True):
            if problem:
                yield Prediction(path, "", 0.0, (), problem)
            else:
                yield as_prediction(path, row, class_names)


def read_file(path: str, definition: ImageDefinition) -> tuple[bytes, str]:
    """Returns an image file's bytes for the decoder, or its problem."""
    if os.path.exists(path) and not os.path.isfile(path):
        return b"", "is no regular file"  # a pipe would be waited for
    report = inspect_file(path, definition.max_pixels)
    if report.problem:
        return b"", report.problem
    return read_content(report.copy or path), ""


def _read(
    path: str, definition: ImageDefinition, targets: Sequence[np.ndarray]
) -> str:
    """Decodes a file into arrays [S, S, 3]; returns its problem, or ""."""
    try:
        content, problem = read_file(path, definition)
        for target in () if problem else targets:
            (target[:],) = decode_contents(
                [content], target.shape[:2], definition
            )
    except InputError:  # of a store, and about more than this file
        raise
    except Exception as error:  # the decoder's many kinds
        return f"cannot be decoded ({type(error).__name__})"
    return problem


def as_prediction(
    path: str, scores: np.ndarray, class_names: Sequence[str]
) -> Prediction:
    """Returns the scores of an image, float [C], as what a model says of it."""
    best = int(scores.argmax())
    values = tuple(float(score) for score in scores)
    return Prediction(path, class_names[best], values[best], values, "")

"""An exported version that answers from its `float32.tflite`.

Without TensorFlow, and with the answers of the SavedModel to rounding, where
the export has seen that on real images.
"""

import ast
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.decode_numpy import try_decode
from tlkeras.data.definition import ImageDefinition
from tlkeras.errors import InputError
from tlkeras.evaluation.metrics import LABEL_THRESHOLD
from tlkeras.exporters.rest_values import Signature, TensorInfo, decode_bytes
from tlkeras.exporters.runners import TfliteRunner
from tlkeras.exporters.version_files import (
    DEFAULT_SIGNATURE,
    FLOAT32,
    IMAGE_SIGNATURE,
    MODEL_INFO,
    PUBLISHED,
    TFLITE,
)

LIGHT_FILE = f"{FLOAT32}.tflite"
LARGEST_SHIFT = 1e-3  # of a probability, from the Keras model


class LightAnswers:
    """The signatures of a version that need its probabilities only.

    Args:
        folder: Of the version.

    Attributes:
        signatures: Name -> what it takes and gives, of all signatures.

    Raises:
        InputError: If the version says too little of itself.
        OSError: If there is no such file.
        RuntimeError: If it cannot be run here.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / MODEL_INFO
        with workdir.reading(path):
            info = workdir.read_json(path)
            self.signatures: Mapping[str, Signature] = {
                name: Signature(
                    _read_tensors(row["inputs"]), _read_tensors(row["outputs"])
                )
                for name, row in info["signatures"].items()
            }
            self._classes = [name.encode() for name in info["classes"]]
            self._multi_label = bool(info["multi_label"])
            self._definition = ImageDefinition(
                **info["image_definition"], max_pixels=info["max_pixels"]
            )
        file = folder.parent / PUBLISHED.format(
            folder=TFLITE, version=folder.name, filename=LIGHT_FILE
        )
        _require_same_answers(file)
        self._runner = TfliteRunner(file)
        self._running = threading.Lock()  # an interpreter serves one thread

    def try_run(self, name: str, value: Any) -> dict[str, np.ndarray] | None:
        """Answers with a signature, where the answer is surely the model's.

        Args:
            name: Of the signature.
            value: As for `SavedAnswers.run`.

        Returns:
            Output -> values [N, ...]; None for the SavedModel to answer, which
            also says what is wrong with a request.

        Raises:
            RequestError: 400, for what is no base64.
        """
        side = self._runner.image_size
        if name == DEFAULT_SIGNATURE:
            try:
                images = self._decode(decode_bytes(value), side)
            except RecursionError:
                return None
        elif name == IMAGE_SIGNATURE:
            images = _as_images(value, side)
        else:
            return None
        if images is None:
            return None
        with self._running:
            return self._answer(self._runner.run([], images))

    def _decode(self, contents: Any, side: int) -> np.ndarray | None:
        """Returns images float32 [N, S, S, 3]; None for rare ones."""
        if not isinstance(contents, list) or not contents:
            return None
        images = []
        for content in contents:
            pixels = None
            if isinstance(content, bytes):
                pixels = try_decode(content, (side, side), self._definition)
            if pixels is None:
                return None
            images.append(pixels)
        return np.array(images, np.float32)

    def _answer(self, probabilities: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what `ClassifierModule` answers, from scores [N, C]."""
        classes = np.array(self._classes, object)
        answers = {
            "probabilities": probabilities,
            "classes": np.tile(classes, (len(probabilities), 1)),
        }
        if not self._multi_label:
            best = probabilities.argmax(-1)
            score = probabilities.max(-1)
            return answers | {"label": classes[best], "score": score}
        order = np.argsort(-probabilities, axis=-1, kind="stable")
        scores = np.take_along_axis(probabilities, order, -1)
        labels = np.where(scores >= LABEL_THRESHOLD, classes[order], b"")
        return answers | {"labels": labels, "scores": scores}


def _require_same_answers(file: Path) -> None:
    """Makes sure that an exported file answers as the Keras model does.

    Raises:
        InputError: If it does not, or nothing is known of it.
        OSError: If it is missing.
    """
    path = file.parent / workdir.EXPORT
    with workdir.reading(path):
        row = workdir.read_json(path)["formats"][FLOAT32]
        shift = float(row["largest_probability_shift"])
    if not shift <= LARGEST_SHIFT:
        raise InputError(
            f"'{file}' is {shift:.1e} from the Keras model; expected at most "
            f"{LARGEST_SHIFT:g}: the SavedModel answers."
        )
    file.stat()


def _as_images(value: Any, side: int) -> np.ndarray | None:
    """Returns numbers as images float32 [N, S, S, 3]; None for others."""
    try:
        images = np.asarray(value)
    except (ValueError, OverflowError, RecursionError):
        return None
    wanted = (side, side, 3)
    if images.dtype.kind not in "iuf" or images.shape[1:] != wanted:
        return None
    return images.astype(np.float32)


def _read_tensors(rows: Mapping[str, str]) -> dict[str, TensorInfo]:
    """Reads name -> `dtype shape`, as `saved_model.py` writes it."""
    found = {}
    for name, text in rows.items():
        dtype, _, shape = text.partition(" ")
        found[name] = TensorInfo(dtype, tuple(ast.literal_eval(shape)))
    return found

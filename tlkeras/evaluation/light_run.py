"""A finished run that answers without TensorFlow, from a file beside it.

`engine.tflite` holds the network of `model.keras`, and `engine.json` of which
bytes, or why there is no such file. Both are made when a run is first asked
about images, and made again when the model is another one.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.data.definition import configured_definition
from tlkeras.errors import InputError
from tlkeras.evaluation.metrics import largest_error
from tlkeras.evaluation.prediction import Prediction, as_paths, predict_files
from tlkeras.evaluation.records import RunResult, read_result
from tlkeras.litert import LiteRtModel, convert_to_litert
from tlkeras.optim.losses import LOSSES
from tlkeras.startup import import_frameworks
from tlkeras.tables import lookup

if TYPE_CHECKING:
    from tlkeras.evaluation.run import Run

# Largest difference of logits, relative to the largest logit.
TOLERANCE = 1e-3
NUM_NOISE = 4  # images of noise that both are asked about


@dataclasses.dataclass(frozen=True)
class LightRun:
    """A finished run directory whose network is a LiteRT file.

    Attributes:
        config: As it was resolved.
        result: What `result.json` holds.
        model: uint8 [N, S, S, 3] -> logits float32 [N, C].
    """

    config: ConfigDict
    result: RunResult
    model: LiteRtModel

    @property
    def class_names(self) -> tuple[str, ...]:
        """[C] names in the order of the logits."""
        return self.result.class_names

    def predict(
        self, paths: str | Path | Iterable[str | Path]
    ) -> Iterator[Prediction]:
        """Yields a prediction for each image file, in order.

        Args:
            paths: As for `Run.predict`.

        Raises:
            InputError: Likewise.
        """
        side = self.model.image_size
        return predict_files(
            as_paths(paths),
            lambda batches: self.model(batches[side]),
            sides=[side],
            definition=configured_definition(self.config),
            loss=lookup(LOSSES, self.result.loss, what="loss"),
            class_names=self.class_names,
        )


def load_for_prediction(directory: Path) -> "LightRun | Run":
    """Loads a finished run the light way, which the first call prepares.

    Args:
        directory: Of the run.

    Returns:
        A `Run`, and with it Keras, where its network has no light form.

    Raises:
        InputError: If it is no run, unfinished, or of a newer version.
    """
    light = load_light_run(directory)
    if light is not None:
        return light
    import_frameworks(lean=True)
    from tlkeras.evaluation.run import load_run

    run = load_run(directory)
    return (load_light_run(directory) if write_engine(run) else None) or run


def load_light_run(directory: Path) -> LightRun | None:
    """Loads a finished run without TensorFlow, if its engine file is there.

    Args:
        directory: Of the run.

    Returns:
        None where the file has not been made, is not of the run's model, or
        cannot be run here.

    Raises:
        InputError: If it is no run, or of a newer version.
    """
    config = read_config(directory)
    path = directory / workdir.ENGINE
    if not (directory / workdir.RESULT).exists() or not path.exists():
        return None
    if _read_record(directory).get("model") != _digest(directory):
        return None
    try:
        model = LiteRtModel(path)
    except (RuntimeError, ValueError):
        return None
    return LightRun(config, read_result(directory), model)


def write_engine(run: "Run") -> bool:
    """Makes the engine file of a run, unless that was tried with its model.

    Args:
        run: With its model in Keras.

    Returns:
        Whether there is one now. Not where LiteRT lacks an operator or answers
        otherwise, and not where nothing can be written.
    """
    directory, digest = run.directory, _digest(run.directory)
    record = _read_record(directory)
    if record.get("model") == digest and record.get("reason"):
        return False
    if not os.access(directory, os.W_OK):  # converting takes seconds
        return False
    try:
        reason = _try_write(run)
        workdir.write_json(
            directory / workdir.ENGINE_RECORD,
            {"model": digest, "reason": reason},
        )
    except OSError:
        return False
    return not reason


def _try_write(run: "Run") -> str:
    """Writes the file if it answers as Keras does; returns why not, or ""."""
    try:
        content = convert_to_litert(run.model)
    except Exception as error:  # the converter's many kinds
        return f"cannot be converted ({type(error).__name__})"
    try:
        with workdir.replacing(run.directory / workdir.ENGINE) as temporary:
            temporary.write_bytes(content)
            _require_same(LiteRtModel(temporary), run)
    except (RuntimeError, ValueError) as error:
        return f"cannot be used ({error})"
    return ""


def _require_same(model: LiteRtModel, run: "Run") -> None:
    """Makes sure that both answer images of noise alike.

    Raises:
        ValueError: If they do not.
    """
    side = run.image_size
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (NUM_NOISE, side, side, 3), np.uint8)
    expected = run.model.predict_on_batch(noise.astype(np.float32))
    error = largest_error(model(noise), np.asarray(expected))
    if not error <= TOLERANCE:
        raise ValueError(f"{error:.1e} from Keras, limit {TOLERANCE:g}")


def _digest(directory: Path) -> str:
    """Returns the hash of the run's model, 32 hex digits.

    Raises:
        InputError: If it cannot be read.
    """
    path = directory / workdir.MODEL
    with workdir.reading(path), open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.blake2b(digest_size=16)
        ).hexdigest()


def _read_record(directory: Path) -> dict[str, str]:
    path = directory / workdir.ENGINE_RECORD
    try:
        found = workdir.read_json(path) if path.exists() else {}
    except (OSError, ValueError, InputError):
        return {}
    return found if isinstance(found, dict) else {}

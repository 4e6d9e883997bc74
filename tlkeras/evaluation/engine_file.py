"""The LiteRT file of a finished run: `engine.tflite`, and its record.

`engine.json` says of which bytes of `model.keras` the file is, or why there is
none.
"""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.evaluation.metrics import largest_error
from tlkeras.litert import LiteRtModel, convert_to_litert
from tlkeras.startup import configured_backend

if TYPE_CHECKING:
    from tlkeras.evaluation.run import Run

# Largest difference of logits, relative to the largest logit.
TOLERANCE = 1e-3
NUM_NOISE = 4  # images of noise that both are asked about


def open_engine(directory: Path) -> LiteRtModel | None:
    """Opens the engine file of a run.

    Args:
        directory: Of a run.

    Returns:
        None where the file has not been made, is not of the run's model, or
        cannot be run here.

    Raises:
        InputError: If the run's model cannot be read.
    """
    path = directory / workdir.ENGINE
    if not path.exists():
        return None
    if _read_record(directory).get("model") != _digest(directory):
        return None
    try:
        return LiteRtModel(path)
    except (RuntimeError, ValueError):
        return None


def write_engine(run: "Run") -> bool:
    """Makes the engine file of a run, unless that was tried with its model.

    Args:
        run: With its model in Keras.

    Returns:
        Whether there is one now. Not where LiteRT lacks an operator or answers
        otherwise, and not where nothing can be written.
    """
    if configured_backend() != "tensorflow":  # which converts
        return False
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

"""Files that hold a network: which they are, and the hash of their content."""

import hashlib
import os
from pathlib import Path

from tlkeras import workdir
from tlkeras.config.values import HUB
from tlkeras.errors import InputError, quote

# Of a preset of KerasHub, what decides its answers.
PRESET_FILES = (
    "config.json",
    "image_converter.json",
    "model*.weights.h5",
    "model.weights.json",
    "preprocessor_config.json",
    "*.safetensors",
)


def preset_files(directory: Path) -> list[Path]:
    """Returns the files of a preset that decide its answers; none elsewhere."""
    found = {
        path
        for pattern in PRESET_FILES
        for path in directory.glob(pattern)
        if path.is_file()
    }
    return sorted(found)


def name_and_content(text: str) -> str:
    """Returns what a name of a network stands for, wherever it lies.

    Args:
        text: A file, a run directory, or `hub:` and the directory of a preset.

    Returns:
        The last part of the name, and the hash of the bytes; other texts as
        they are.

    Raises:
        InputError: If there is such a file and it cannot be read.
    """
    place = text.removeprefix(HUB)
    if place != text and os.path.isdir(place):
        parts = [f"{p.name}:{_digest(p)}" for p in preset_files(Path(place))]
        both = hashlib.blake2b("/".join(parts).encode(), digest_size=8)
        return f"{HUB}{Path(place).resolve().name}:{both.hexdigest()}"
    path = Path(text)
    if os.path.isdir(path):
        path = path / workdir.MODEL
    if not text or not os.path.isfile(path):  # also no name at all
        return text
    return f"{path.name}:{_digest(path)}"


def _digest(path: Path) -> str:
    """Returns the hash of a file's bytes.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(
                file, lambda: hashlib.blake2b(digest_size=8)
            )
    except OSError as error:
        raise InputError(
            f"'{quote(str(path))}' cannot be read ({error.strerror}); "
            "expected a readable file: check its permissions."
        ) from None
    return digest.hexdigest()

"""Versions of a model below one folder, and publishing them whole.

    OUTPUT/3/                   SavedModel of version 3
    OUTPUT/tflite/3/*.tflite    its other files, by kind: onnx/3, openvino/3
    OUTPUT/quarantine/3/        what the gate refused
    OUTPUT/export.json          what was measured

Files are written into a staging folder beside their target and renamed: TF
Serving, which polls OUTPUT for numbers, never sees half a version.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from tlkeras import workdir
from tlkeras.errors import InputError, quote
from tlkeras.locks import sole_use

LAST_VERSION = 2**31 - 1  # servers read it as a number of 64 bits
QUARANTINE = "quarantine"
STAGING = ".staging"
MODEL_NAME = re.compile(r"[A-Za-z0-9._-]+")


def check_name(name: str) -> None:
    """Refuses names of models that addresses and servers cannot take.

    Raises:
        InputError: If it has other characters, or is a version's number.
    """
    if not MODEL_NAME.fullmatch(name) or name.isdecimal():
        raise InputError(
            f"'{name}' cannot be a model's name; expected letters, digits, "
            "'.', '_' and '-', and not digits only: choose another --output, "
            "whose last folder is the name."
        )


@contextlib.contextmanager
def staging(output: Path) -> Iterator[Path]:
    """Yields an empty folder in OUTPUT; one export at a time has it.

    What an export that was killed left behind is removed first.

    Raises:
        InputError: If OUTPUT cannot be written, or another export is at it.
    """
    workdir.make_directory(output, what="export folder")
    with sole_use(output, who="export", flag="--output"):
        folder = output / STAGING
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def existing_versions(output: Path) -> set[int]:
    """Returns every version number that was ever used in OUTPUT.

    Folders whose number no server can load are none.
    """
    return {
        int(path.name)
        for path in [*output.glob("*"), *output.glob("[!.]*/*")]
        if path.is_dir()
        and path.name.isdecimal()
        and int(path.name) <= LAST_VERSION
    }


def choose_version(output: Path, version: int | None) -> int:
    """Returns the version to write: the next, or the one that is asked for.

    Raises:
        InputError: If it is below 1 or exists already.
    """
    taken = existing_versions(output)
    if version is None:
        return max(taken, default=0) + 1
    if not 1 <= version <= LAST_VERSION:
        raise InputError(
            f"version={quote(version)} is out of range; expected a whole "
            f"number of at least 1 and at most {LAST_VERSION}: leave --version "
            "out for the next one."
        )
    if version in taken:
        raise InputError(
            f"Version {version} exists in '{output}' and is never overwritten; "
            f"expected a new number: leave --version out for "
            f"{max(taken) + 1}."
        )
    return version


def parts_of(path: Path) -> list[Path]:
    """Returns a written file with its parts, or a directory; those that exist.

    The parts of a file have its stem: OpenVINO's .xml has its weights in .bin.
    """
    files = set(path.parent.glob(f"{path.stem}.*"))
    return sorted(files | ({path} if path.exists() else set()))

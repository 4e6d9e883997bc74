"""The names of every file that a run writes, and writing them atomically.

A reader never sees half a file: each is written beside its target and moved
there with one `os.replace`.

Names of files need not be UTF-8; Python keeps such bytes as lone surrogates.
Tables hold the bytes as they are; texts hold them escaped, which in JSON reads
back as the same name.
"""

import contextlib
import csv
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tlkeras.errors import InputError

CONFIG = "config.json"
CHECKS = "checks.json"
LR_FINDER = "lr_finder.json"
LR_FINDER_PLOT = "lr_finder.png"
DIAGNOSIS = "diagnosis.json"
HISTORY = "history.csv"
CHECKPOINTS = "checkpoints"
STATE = "state.npz"  # in checkpoints/
MODEL = "model.keras"
RESULT = "result.json"
REPORT = "report.html"
TENSORBOARD = "tensorboard"
LOG = "log.txt"
LEDGER = "ledger.json"
SPLIT = "split.csv"
TEST_LOOKS = "test_looks.json"
CODES = "codes_validation.npz"
FILTERS = "filters.npz"
EXPORT = "export.json"
PROBE = "probe.json"
MODEL_CARD = "MODEL_CARD.md"
# Of a search, in its own directory.
SEARCH = "search.json"
SEARCH_CLOCK = "search_clock.json"
TRIALS = "tuning"  # the trial store
OUTCOME = "outcome.json"  # in a trial's folder
TRIAL_RUN = "run"  # likewise
TUNING = "tuning.json"
TUNING_PAGE = "tuning.html"
TUNED_CONFIG = "tuned.py"
TUNED_RUN = "tuned"
GIVEN_CONFIG = "given.py"
GIVEN_RUN = "given"
# File -> what stands in it, if it is ours and not one that is called so.
TRACES = {
    CONFIG: b'"config_hash"',
    SEARCH: b'"format_version"',
    EXPORT: b'"max_drop"',
    CHECKS: b'"verdict"',
    LR_FINDER: b'"initial_loss"',
    PROBE: b'"num_folds"',
}
ESCAPED = "backslashreplace"
AS_THEY_ARE = "surrogateescape"
LONGEST_TRACE = 2**20  # bytes of such a file that are looked at


def evaluation_name(split: str) -> str:
    """Returns the file name of a split's metrics, `evaluation_SPLIT.json`."""
    return f"evaluation_{split}.json"


def predictions_name(split: str) -> str:
    """Returns the file name of a split's answers, `predictions_SPLIT.csv`."""
    return f"predictions_{split}.csv"


def is_written_by_us(directory: Path) -> bool:
    """Says whether a folder is a run, a search, a probe or an export."""
    return any(
        (directory / name).is_file() and trace in _head(directory / name)
        for name, trace in TRACES.items()
    )


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(LONGEST_TRACE)


def as_text(name: str) -> str:
    r"""Returns a file's name as text; bytes that are no UTF-8 become `\xe9`.

    Example:
    >>> as_text("plain")
    'plain'
    """
    return os.fsencode(name).decode("utf-8", ESCAPED)


def cache_directory() -> Path:
    """Returns the folder for what runs share: `$TLKERAS_CACHE` or ~/.cache."""
    default = Path.home() / ".cache" / "tlkeras"
    return Path(os.environ.get("TLKERAS_CACHE") or default)


def make_directory(path: Path | str, *, what: str) -> Path:
    """Creates a directory and makes sure that files can be written in it.

    Raises:
        InputError: If it cannot be created or written, or has a name that
            TensorFlow and TensorBoard could not write below.
    """
    path = Path(path)
    if as_text(str(path)) != str(path):
        raise InputError(
            f"The {what} '{as_text(str(path))}' has a name that is no UTF-8; "
            "expected one that is: choose another one or rename it."
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"The {what} '{path}' cannot be written ({error.strerror}); "
            "expected a folder that this user can create and write: choose "
            "another one or change its permissions."
        ) from None
    return path


@contextlib.contextmanager
def replacing(path: Path | str, *, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path that replaces `path` when the block succeeds.

    The temporary file keeps the suffix of `path` (writers choose the format by
    it) and is removed when the block raises.

    Args:
        path: To replace.
        durable: Whether it must outlive a power cut, not a kill alone; waiting
            for the disk takes milliseconds.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        if durable:
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str, *, durable: bool = True) -> None:
    """Writes a UTF-8 text file atomically."""
    with replacing(path, durable=durable) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=ESCAPED)


def write_json(path: Path | str, value: Any) -> None:
    """Writes a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Reads a JSON file of a run.

    Raises:
        InputError: If the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"'{path}' does not exist; expected a file that an earlier command "
            "wrote: check the directory given."
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"'{path}' is corrupt ({error}); expected JSON as tlkeras writes "
            "it: delete the directory, or restore the file, and run again."
        ) from None


def write_table(
    path: Path | str, columns: list[str], rows: Iterable[dict[str, Any]]
) -> None:
    """Writes rows as CSV, atomically; missing and None values stay empty."""
    with (
        replacing(path) as temporary,
        open(
            temporary, "w", newline="", encoding="utf-8", errors=AS_THEY_ARE
        ) as file,
    ):
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Path | str) -> list[dict[str, str]]:
    """Reads a CSV written by `write_table`; [] when it does not exist.

    Raises:
        InputError: If it is no CSV.
    """
    if not Path(path).exists():
        return []
    try:
        with open(
            path, newline="", encoding="utf-8", errors=AS_THEY_ARE
        ) as file:
            return list(csv.DictReader(file))
    except csv.Error as error:
        raise InputError(
            f"'{path}' is corrupt ({error}); expected a CSV as tlkeras writes "
            "it: delete it, or restore it, and run again."
        ) from None

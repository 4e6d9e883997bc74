"""The names of every file that a run writes, and writing them atomically.

A reader never sees half a file: one `os.replace` moves it to its target.

Names need not be UTF-8; Python keeps such bytes as lone surrogates. Tables hold
them as they are, texts escaped, which in JSON reads back as the same name.
"""

import contextlib
import csv
import errno
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tlkeras.errors import InputError, quote
from tlkeras.formulas import guard_cell, unguard_cell

LOCK = ".lock"
CONFIG = "config.json"
CHECKS = "checks.json"
SUSPECT_LABELS = "suspect_labels.csv"
NEAR_DUPLICATES = "near_duplicates.csv"
LR_FINDER = "lr_finder.json"
LR_FINDER_PLOT = "lr_finder.png"
DIAGNOSIS = "diagnosis.json"
HISTORY = "history.csv"
CHECKPOINTS = "checkpoints"
STATE = "state.npz"  # in checkpoints/
MODEL = "model.keras"
ENGINE = "engine.tflite"  # the same without TensorFlow, made when asked
ENGINE_RECORD = "engine.json"
RESULT = "result.json"
REPORT = "report.html"
TENSORBOARD = "tensorboard"
LOG = "log.txt"
LEDGER = "ledger.json"
SPLIT = "split.csv"
REVIEW = "review.csv"  # decisions about the images of this run
REVIEWED = "reviewed.csv"  # those that this run itself honours
TEST_LOOKS = "test_looks.json"
CODES = "codes_validation.npz"
FILTERS = "filters.npz"
EXPORT = "export.json"
PROBE = "probe.json"
ADVICE = "advice.json"
TRANSFERABILITY = "transferability.json"
TRANSFERABILITY_PLOT = "transferability.png"
PROTOCOL = "protocol.json"  # of a study of transferability
HEATMAP_FOLDER = "heatmaps"
HEATMAPS = "heatmaps.json"
POINTING = "pointing.json"
SOUP = "soup.json"
ENSEMBLE = "ensemble.json"
MEMBERS = "members"  # run directories of an ensemble's networks
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
    ADVICE: b'"expected_recipe"',
    PROTOCOL: b'"data_fingerprint"',
    HEATMAPS: b'"method"',
    POINTING: b'"chance"',
}
ESCAPED = "backslashreplace"
AS_THEY_ARE = "surrogateescape"
LONGEST_TRACE = 2**20  # bytes of such a file that are looked at

DAY = 86400  # seconds: what nobody wrote to for that long is left over
TEMPORARY = ".tmp-"  # begins the name of what is not finished


def evaluation_name(split: str) -> str:
    """Returns the file name of a split's metrics, `evaluation_SPLIT.json`."""
    return f"evaluation_{split}.json"


def teacher_name(phase: str) -> str:
    """Returns the file name of a teacher's logits, `teacher_PHASE.npz`."""
    return f"teacher_{phase}.npz"


def predictions_name(split: str) -> str:
    """Returns the file name of a split's answers, `predictions_SPLIT.csv`."""
    return f"predictions_{split}.csv"


def views_name(split: str) -> str:
    """Returns the file name of what test-time views change on a split."""
    return f"views_{split}.json"


def mistake_maps_name(split: str) -> str:
    """Returns the file name of maps of a split's surest mistakes."""
    return f"mistake_maps_{split}.npz"


def is_written_by_us(directory: Path) -> bool:
    """Says whether a folder is of a run, search, probe, export or study."""
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
    """Returns the folder for what runs share: `$TLKERAS_CACHE` or ~/.cache.

    It is a convenience: no command may need that it can be written.
    """
    if named := os.environ.get("TLKERAS_CACHE"):
        return Path(named)
    try:
        return Path.home() / ".cache" / "tlkeras"
    except RuntimeError:  # a user without a home, as in containers
        return Path(os.devnull) / "tlkeras"  # where nothing can be written


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
        by = " by TLKERAS_CACHE" if what == "cache folder" else ""
        raise InputError(
            f"The {what} '{quote(path)}' cannot be written ({error.strerror}); "
            "expected a folder that this user can create and write: choose "
            f"another one{by} or change its permissions."
        ) from None
    return path


def require_own(directory: Path, first: str, *, what: str) -> None:
    """Refuses to begin in a folder that holds somebody else's files.

    Args:
        directory: That may not exist.
        first: Name of the file with which our use of it begins.
        what: It may be instead of empty, e.g. `run`.

    Raises:
        InputError: If there are files, and none of that name.
    """
    if not directory.is_dir() or (directory / first).exists():
        return
    for path in directory.iterdir():
        if path.name != LOCK and not path.name.startswith(TEMPORARY):
            raise InputError(
                f"The work directory '{directory}' holds other files; expected "
                f"an empty directory or a {what}: choose another --workdir."
            )


def temporary_beside(path: Path) -> Path:
    """Returns a name beside `path` that no thread of any machine has."""
    return path.with_name(f"{TEMPORARY}{uuid.uuid4().hex}{path.suffix}")


def remove_leftovers(directory: Path, *, idle_seconds: float = 0) -> None:
    """Removes what killed processes left.

    Args:
        directory: In which they wrote.
        idle_seconds: Without a write, where others may be at work.
    """
    for path in directory.glob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < idle_seconds:
                continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path | str, *, durable: bool = True) -> Iterator[Path]:
    """Yields a temporary path that replaces `path` when the block succeeds.

    The temporary file keeps the suffix of `path` (writers choose the format by
    it) and is removed when the block raises. What a killed process leaves, see
    `remove_leftovers`.

    Args:
        path: To replace.
        durable: Whether it must outlive a power cut, not a kill alone; waiting
            for the disk takes milliseconds.
    """
    path = Path(path)
    temporary = temporary_beside(path)
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


@contextlib.contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turns what goes wrong in reading a file of a run into one sentence.

    Whatever wrote over a file, the libraries that read it raise errors of many
    kinds; what the system says of a disk passes.

    Raises:
        InputError: If the file is missing, damaged, or not what is expected.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except FileNotFoundError:
        raise InputError(
            f"'{path}' does not exist; expected a file that an earlier command "
            "wrote: check the directory given."
        ) from None
    except Exception as error:
        # A damaged archive sends its reader to places that are none.
        is_damage = getattr(error, "errno", None) in (None, errno.EINVAL)
        if isinstance(error, OSError) and not is_damage:
            raise
        reason = quote(f"{type(error).__name__}: {error}")
        raise InputError(
            f"'{path}' is corrupt and cannot be read ({reason}); expected a "
            "file as tlkeras writes it: delete the directory, or restore the "
            "file, and run again."
        ) from None


def read_json(path: Path | str) -> Any:
    """Reads a JSON file of a run.

    Raises:
        InputError: If the file is missing or is not JSON.
    """
    with reading(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_table(
    path: Path | str, columns: list[str], rows: Iterable[dict[str, Any]]
) -> None:
    """Writes rows as CSV, atomically; missing and None values stay empty.

    Texts are guarded; `read_table` gives them back as they were.
    """
    with (
        replacing(path) as temporary,
        open(
            temporary, "w", newline="", encoding="utf-8", errors=AS_THEY_ARE
        ) as file,
    ):
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(
            {name: guard_cell(value) for name, value in row.items()}
            for row in rows
        )


def read_table(path: Path | str) -> list[dict[str, str]]:
    """Reads a CSV written by `write_table`; [] when it does not exist.

    Raises:
        InputError: If it is damaged.
    """
    if not Path(path).exists():
        return []
    with (
        reading(path),
        open(path, newline="", encoding="utf-8", errors=AS_THEY_ARE) as file,
    ):
        return [
            {name: unguard_cell(value) for name, value in row.items()}
            for row in csv.DictReader(file)
        ]

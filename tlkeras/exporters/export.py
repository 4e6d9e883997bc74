"""Exporting a finished run: write, run, compare, publish."""

import dataclasses
import datetime
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.devices import installed_versions
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import count_test_look
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.formats import (
    FORMATS,
    SAVED_MODEL,
    TFLITE,
    resolve_formats,
)
from tlkeras.exporters.inference import build_served_model
from tlkeras.exporters.job import Job
from tlkeras.exporters.parity import Reference, measure
from tlkeras.exporters.runners import load_runner
from tlkeras.exporters.versions import (
    QUARANTINE,
    RECORD,
    choose_version,
    flush,
    staging,
)
from tlkeras.tables import lookup

SPLITS = ("validation", "test")
MODEL_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """What to export, and what it may cost.

    Attributes:
        formats: Keys of `FORMATS`, or `tflite` for all of its kinds.
        version: Number of the version, or None for the next.
        max_drop: Largest drop in accuracy against Keras, in 0..1.
        split: Whose images the gate uses: validation | test.
        num_calibration_images: Of the training split, for `int8`.
    """

    formats: tuple[str, ...] = (SAVED_MODEL, TFLITE)
    version: int | None = None
    max_drop: float = 0.01
    split: str = "validation"
    num_calibration_images: int = 200

    def __post_init__(self) -> None:
        """Checks the values."""
        lookup(dict.fromkeys(SPLITS), self.split, what="split")
        if not 0 <= self.max_drop <= 1:
            raise InputError(
                f"max_drop={self.max_drop} is out of range; expected a drop in "
                "accuracy from 0 to 1: 0.01 is one image in a hundred."
            )


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


def check_class_names(names: Sequence[str]) -> None:
    """Refuses class names that take more than one line of labels.txt.

    Raises:
        InputError: Naming the first one.
    """
    for name in names:
        if "\n" in name or "\r" in name:
            raise InputError(
                f"The class {name!r} holds a line break; expected names of one "
                "line, as labels.txt has them: rename the class and train "
                "again."
            )


def export_run(
    directory: str | Path,
    output: str | Path,
    settings: ExportSettings | None = None,
    *,
    console: Console | None = None,
) -> dict[str, Any]:
    """Exports a finished run and gates every file against the Keras model.

    Each format is gated alone: what passes is published, what does not lies in
    `quarantine/`.

    Args:
        directory: Of the run.
        output: Folder of all versions; its name is the model's.
        settings: What to export, and what it may cost.
        console: For people.

    Returns:
        What `export.json` holds: `version`, `split`, `keras_accuracy`, and in
        `formats` the figures of `parity.measure` with `path`, relative to
        `output`, `refused`, a sentence or "", and `instead`, the format that
        was tried in its place.

    Raises:
        InputError: For an unfinished run, an unknown format or split, or a
            version that exists.
        OSError: If the files cannot be written; nothing is published then.
    """
    settings = settings or ExportSettings()
    console = console or Console(quiet=True)
    formats = resolve_formats(settings.formats)
    output = Path(output)
    check_name(output.resolve().name)
    run = load_run(directory)
    check_class_names(run.class_names)
    workdir.make_directory(run.directory, what="run directory")
    dataset = run.load_dataset(settings.split)
    with staging(output) as folder:
        job = Job(
            run=run,
            served=build_served_model(run),
            dataset=dataset,
            name=output.resolve().name,
            version=choose_version(output, settings.version),
            num_calibration_images=settings.num_calibration_images,
        )
        if settings.split == "test":
            count_test_look(run.directory, "export")
        reference = job.reference(settings.split)
        rows: dict[str, dict[str, Any]] = {}
        names = list(formats)
        for name in names:
            rows[name] = _export_format(
                name, job, folder, reference, settings.max_drop, console
            )
            instead = FORMATS[name].instead
            if rows[name]["refused"] and instead and instead not in names:
                console.line(f"  {instead} is tried in its place")
                rows[name]["instead"] = instead
                names.append(instead)
        accuracy = reference.per_image(reference.scores)
        record = {
            "name": job.name,
            "version": job.version,
            "time": datetime.datetime.now(datetime.UTC).isoformat(
                timespec="seconds"
            ),
            "run": str(run.directory),
            "config_hash": run.config_hash,
            "libraries": installed_versions(),
            "split": settings.split,
            "num_images": len(reference.split),
            "max_drop": settings.max_drop,
            "keras_accuracy": float(accuracy.mean()),
            "formats": rows,
        }
        # Both copies are written before anything is published.
        with (
            workdir.replacing(output / RECORD) as first,
            workdir.replacing(run.directory / RECORD) as second,
        ):
            for copy in (first, second):
                workdir.write_json(copy, record)
            _publish(folder, output, record)
    return record


def _export_format(
    name: str,
    job: Job,
    folder: Path,
    reference: Reference,
    max_drop: float,
    console: Console,
) -> dict[str, Any]:
    """Writes one format, measures it, and sets aside what is refused."""
    started = time.perf_counter()
    row: dict[str, Any] = {"path": "", "refused": ""}
    path = folder / FORMATS[name].path
    path.parent.mkdir(exist_ok=True)
    try:
        FORMATS[name].write(job, path)
        row |= measure(
            load_runner(path),
            path,
            reference,
            num_samples=job.run.config.evaluation.bootstrap_samples,
        )
        row["refused"] = judge(row, max_drop)
        row["warning"] = warn(row, max_drop)
    except (OSError, InputError):
        raise
    except Exception as error:  # converters' and runtimes' many kinds
        reason = str(error).strip().partition("\n")[0]
        row["refused"] = f"it cannot be written and run: {reason}"
    place = Path(FORMATS[name].path)
    row["path"] = str(place.parent / str(job.version) / place.name)
    if name == SAVED_MODEL:
        row["path"] = str(job.version)
    if row["refused"]:
        row["path"] = ""
        for part in path.parent.glob(f"{path.stem}*"):
            (folder / QUARANTINE).mkdir(exist_ok=True)
            part.rename(folder / QUARANTINE / part.name)
            row["path"] = f"{QUARANTINE}/{job.version}/{place.name}"
    row["seconds"] = round(time.perf_counter() - started, 3)
    verdict = f"refused: {row['refused']}" if row["refused"] else "passed"
    console.line(f"{name}: {verdict}")
    for remark in (row.get("note"), row.get("warning")):
        if remark:
            console.line(f"  {remark}")
    return row


def judge(row: dict[str, Any], max_drop: float) -> str:
    """Returns why a file is refused, or ""."""
    if not row["is_finite"]:
        return "it gives scores that are not finite"
    if row["drop"] <= max_drop:
        return ""
    low, high = row["drop_interval"]
    return (
        f"accuracy drops by {row['drop']:.4f} [{low:+.4f}, {high:+.4f}] "
        f"against Keras (limit {max_drop:g})"
    )


def warn(row: dict[str, Any], max_drop: float) -> str:
    """Returns what the gate cannot see with this many images, or ""."""
    low, high = row["drop_interval"]
    if (high - low) / 2 <= max_drop:
        return ""
    return (
        f"the drop is known to +-{(high - low) / 2:.4f} only, more "
        f"than the limit of {max_drop:g}: the gate needs more images"
    )


def _publish(folder: Path, output: Path, record: dict[str, Any]) -> None:
    """Moves what was written to its place; what servers poll comes last."""
    version = str(record["version"])
    groups = sorted(path for path in folder.iterdir() if any(path.iterdir()))
    groups.sort(key=lambda path: path.name == SAVED_MODEL)
    for group in groups:
        workdir.write_json(group / RECORD, record)
        flush(group)
    for group in groups:
        is_served = group.name == SAVED_MODEL
        versions = output if is_served else output / group.name
        versions.mkdir(exist_ok=True)
        group.rename(versions / version)

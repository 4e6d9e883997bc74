"""Exporting a finished run: write, run, compare, publish."""

import dataclasses
import datetime
import time
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import count_test_look
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.formats import FORMATS, SAVED_MODEL, resolve_formats
from tlkeras.exporters.inference import build_served_model
from tlkeras.exporters.job import Job
from tlkeras.exporters.parity import Reference, measure
from tlkeras.exporters.runners import load_runner
from tlkeras.exporters.tflite import ConversionError
from tlkeras.exporters.versions import (
    QUARANTINE,
    RECORD,
    TFLITE,
    choose_version,
    publish,
    staging,
)
from tlkeras.runtime import installed_versions
from tlkeras.tables import lookup

SPLITS = ("validation", "test")


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
        `formats` the figures of `parity.measure` with `path` and `refused`, a
        sentence or "".

    Raises:
        InputError: For an unfinished run, an unknown format or split, or a
            version that exists.
        OSError: If the files cannot be written; nothing is published then.
    """
    settings = settings or ExportSettings()
    console = console or Console(quiet=True)
    formats = resolve_formats(settings.formats)
    output = Path(output)
    run = load_run(directory)
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
        rows = {
            name: _export_format(
                name, job, folder, reference, settings.max_drop, console
            )
            for name in formats
        }
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
        _publish(folder, output, record)
    for place in (output, run.directory):
        workdir.write_json(place / RECORD, record)
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
    row: dict[str, Any] = {"file": "", "refused": ""}
    try:
        path = FORMATS[name](job, folder, name)
    except ConversionError as error:
        row["refused"] = str(error)
    else:
        row["file"] = path.name
        row |= measure(
            load_runner(path),
            path,
            reference,
            num_samples=job.run.config.evaluation.bootstrap_samples,
        )
        row["refused"] = judge(row, max_drop)
        if row["refused"]:
            (folder / QUARANTINE).mkdir(exist_ok=True)
            path.rename(folder / QUARANTINE / path.name)
    row["path"] = _place(name, row, job.version)
    row["seconds"] = round(time.perf_counter() - started, 3)
    verdict = f"refused: {row['refused']}" if row["refused"] else "passed"
    console.line(f"{name}: {verdict}")
    for warning in (row.get("note"), warn(row, max_drop)):
        if warning:
            console.line(f"  {warning}")
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
    if "drop_interval" not in row:
        return ""
    low, high = row["drop_interval"]
    if (high - low) / 2 <= max_drop:
        return ""
    return (
        f"warning: the drop is known to +-{(high - low) / 2:.4f} only, more "
        f"than the limit of {max_drop:g}: the gate needs more images"
    )


def _place(name: str, row: dict[str, Any], version: int) -> str:
    """Returns where a file goes, relative to the export folder; "" if none."""
    if not row["file"]:
        return ""
    if row["refused"]:
        return f"{QUARANTINE}/{version}/{row['file']}"
    if name == SAVED_MODEL:
        return str(version)
    return f"{TFLITE}/{version}/{row['file']}"


def _publish(folder: Path, output: Path, record: dict[str, Any]) -> None:
    """Moves what was written to its place; what servers poll comes last."""
    version = str(record["version"])
    targets = {
        QUARANTINE: output / QUARANTINE / version,
        TFLITE: output / TFLITE / version,
        SAVED_MODEL: output / version,
    }
    for group, target in targets.items():
        if any((folder / group).glob("*")):
            workdir.write_json(folder / group / RECORD, record)
            publish(folder / group, target)

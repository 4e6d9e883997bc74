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
from tlkeras.exporters.tflite import ConversionError
from tlkeras.exporters.versions import (
    QUARANTINE,
    RECORD,
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
    row: dict[str, Any] = {"path": "", "refused": ""}
    path = folder / FORMATS[name].path
    path.parent.mkdir(exist_ok=True)
    try:
        FORMATS[name].write(job, path)
    except ConversionError as error:
        row["refused"] = str(error)
    else:
        row |= measure(
            load_runner(path),
            path,
            reference,
            num_samples=job.run.config.evaluation.bootstrap_samples,
        )
        row["refused"] = judge(row, max_drop)
        place = Path(FORMATS[name].path)
        row["path"] = str(place.parent / str(job.version) / place.name)
        if name == SAVED_MODEL:
            row["path"] = str(job.version)
        if row["refused"]:
            row["path"] = f"{QUARANTINE}/{job.version}/{place.name}"
            (folder / QUARANTINE).mkdir(exist_ok=True)
            for part in path.parent.glob(f"{path.stem}*"):
                part.rename(folder / QUARANTINE / part.name)
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


def _publish(folder: Path, output: Path, record: dict[str, Any]) -> None:
    """Moves what was written to its place; what servers poll comes last."""
    version = str(record["version"])
    groups = sorted(path for path in folder.iterdir() if any(path.iterdir()))
    groups.sort(key=lambda path: path.name == SAVED_MODEL)
    for group in groups:
        workdir.write_json(group / RECORD, record)
        is_served = group.name == SAVED_MODEL
        publish(
            group,
            output / version if is_served else output / group.name / version,
        )

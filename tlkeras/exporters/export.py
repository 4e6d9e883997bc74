"""Exporting a finished run: write, run, compare, publish."""

from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.evaluation.evaluate import count_test_look
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.formats import resolve_formats
from tlkeras.exporters.gate import Gate
from tlkeras.exporters.inference import build_served_model
from tlkeras.exporters.job import Job
from tlkeras.exporters.publish import publish
from tlkeras.exporters.records import ExportRecord
from tlkeras.exporters.settings import ExportSettings
from tlkeras.exporters.versions import check_name, choose_version, staging


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
        `formats` the figures of `records.Measurement` with `path`, relative to
        `output`, `refused`, a sentence or "", and `instead`, the format that
        was tried in its place.

    Raises:
        InputError: For an unfinished run, an unknown format or split, or a
            version that exists.
        OSError: If the files cannot be written; nothing is published then.
    """
    return export_and_record(
        Path(directory),
        Path(output),
        settings or ExportSettings(),
        console or Console(quiet=True),
    ).as_dict()


def export_and_record(
    directory: Path, output: Path, settings: ExportSettings, console: Console
) -> ExportRecord:
    """Exports as `export_run`, and returns the record itself."""
    formats = resolve_formats(settings.formats)
    name = output.resolve().name
    check_name(name)
    run = load_run(directory)
    served = build_served_model(run)
    workdir.make_directory(directory, what="run directory")
    dataset = run.load_dataset(settings.split)
    with staging(output) as folder:
        job = Job(
            run=run,
            served=served,
            dataset=dataset,
            name=name,
            version=choose_version(output, settings.version),
            num_calibration_images=settings.num_calibration_images,
        )
        if settings.split == "test":
            count_test_look(directory, "export")
        reference = job.reference(settings.split)
        gate = Gate(job, reference, settings.max_drop, folder, console)
        rows = gate.try_formats(formats)
        record = ExportRecord(
            name=name,
            version=job.version,
            run=job.run_address,
            config_hash=run.config_hash,
            split=settings.split,
            num_images=len(reference.split),
            max_drop=settings.max_drop,
            keras_accuracy=reference.accuracy,
            formats=rows,
        )
        publish(folder, output, directory, record)
    return record

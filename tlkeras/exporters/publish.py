"""From the staging folder to where servers and people look.

    STAGING/saved_model           -> OUTPUT/3
    STAGING/tflite/*.tflite       -> OUTPUT/tflite/3/*.tflite
    STAGING/quarantine/*          -> OUTPUT/quarantine/3/*

A folder is flushed to the disk and then renamed, so that nobody sees half of
it.
"""

import os
from pathlib import Path

from tlkeras import workdir
from tlkeras.exporters.formats import FORMATS
from tlkeras.exporters.records import ExportRecord
from tlkeras.exporters.versions import QUARANTINE, parts_of


def quarantine(path: Path, staging: Path, version: int) -> str:
    """Sets aside what was written of a format that is refused.

    Args:
        path: Where it was staged.
        staging: The staging folder.
        version: Number of the version.

    Returns:
        Its place below the export folder; "" where nothing was written.
    """
    parts = parts_of(path)
    for part in parts:
        (staging / QUARANTINE).mkdir(exist_ok=True)
        part.rename(staging / QUARANTINE / part.name)
    return f"{QUARANTINE}/{version}/{path.name}" if parts else ""


def publish(
    staging: Path, output: Path, run_directory: Path, record: ExportRecord
) -> None:
    """Writes the record and moves what was staged to its place.

    Args:
        staging: Holds what the formats wrote.
        output: Folder of all versions.
        run_directory: Gets a copy of the record.
        record: Of the export; a copy goes into each version's folder.

    Raises:
        OSError: If a file cannot be written; nothing is published then.
    """
    values = record.as_dict()
    # Both copies are written before anything is published.
    with (
        workdir.replacing(output / workdir.EXPORT) as first,
        workdir.replacing(run_directory / workdir.EXPORT) as second,
    ):
        for copy in (first, second):
            workdir.write_json(copy, values)
        served = {f.filename for f in FORMATS.values() if f.is_served}
        folders = [path for path in staging.iterdir() if any(path.iterdir())]
        # What servers poll for comes last: all else is there when they see it.
        folders.sort(key=lambda path: (path.name in served, path.name))
        for folder in folders:
            workdir.write_json(folder / workdir.EXPORT, values)
            flush(folder)
        for folder in folders:
            is_served = folder.name in served
            versions = output if is_served else output / folder.name
            versions.mkdir(exist_ok=True)
            folder.rename(versions / str(record.version))


def flush(folder: Path) -> None:
    """Makes sure that a folder's files are on the disk, before it is moved.

    Windows flushes only what is open for writing, and opens no folder.
    """
    for path in [folder, *folder.rglob("*")]:
        is_folder = path.is_dir()
        try:
            descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
        except PermissionError:
            if not is_folder:
                raise
            continue
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

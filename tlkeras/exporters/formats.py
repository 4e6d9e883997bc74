"""The formats that a run can be exported to, one row each."""

from collections.abc import Callable, Iterable
from pathlib import Path

from tlkeras.exporters.job import Job
from tlkeras.exporters.saved_model import write_saved_model
from tlkeras.exporters.tflite import KINDS, convert_to_tflite
from tlkeras.exporters.versions import TFLITE
from tlkeras.tables import lookup

SAVED_MODEL = "saved_model"


def _write_saved_model(job: Job, folder: Path, _: str) -> Path:
    path = folder / SAVED_MODEL
    write_saved_model(
        job.served,
        path,
        name=job.name,
        held_out=job.dataset.splits["validation"].paths,
        info=job.describe(),
    )
    return path


def _write_tflite(job: Job, folder: Path, kind: str) -> Path:
    path = folder / TFLITE / f"{kind}.tflite"
    path.parent.mkdir(exist_ok=True)
    content = convert_to_tflite(
        job.served, kind, job.calibration_images, name=job.name
    )
    path.write_bytes(content)
    return path


# Format -> what writes it into a folder and returns the file or directory.
FORMATS: dict[str, Callable[[Job, Path, str], Path]] = {
    SAVED_MODEL: _write_saved_model,
    **dict.fromkeys(KINDS, _write_tflite),
}


def resolve_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Returns keys of `FORMATS`, each once; `tflite` stands for its kinds.

    Raises:
        InputError: For an unknown name, or none at all.
    """
    known = dict.fromkeys([*FORMATS, TFLITE])
    found: dict[str, None] = {}
    for name in names:
        lookup(known, name.strip(), what="format")
        kinds = KINDS if name.strip() == TFLITE else [name.strip()]
        found.update(dict.fromkeys(kinds))
    return tuple(found)

"""The formats that a run can be exported to, one row each."""

import dataclasses
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from tlkeras.errors import InputError
from tlkeras.exporters.interchange import write_onnx, write_openvino
from tlkeras.exporters.job import Job
from tlkeras.exporters.runners import (
    OnnxRunner,
    OpenvinoRunner,
    Runner,
    SavedModelRunner,
    TfliteRunner,
)
from tlkeras.exporters.saved_model import write_saved_model
from tlkeras.exporters.tflite import (
    TFLITE_KINDS,
    USUAL_KINDS,
    convert_to_tflite,
)
from tlkeras.exporters.version_files import PUBLISHED, TFLITE
from tlkeras.tables import lookup

SAVED_MODEL = "saved_model"
SERVED = ""  # as a folder, the export folder itself


@dataclasses.dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        folder: Of its versions: OUTPUT/FOLDER/VERSION holds the file. `SERVED`
            for what servers poll for: OUTPUT/VERSION is the file itself.
        filename: Of the file or directory that is written.
        write: Writes it.
        load: Loads it as production would.
        needs: Packages beyond tlkeras' own; the extra of the format's name
            installs them.
        instead: Format that is tried where this one is refused, or "".
    """

    folder: str
    filename: str
    write: Callable[[Job, Path], None]
    load: Callable[[Path], Runner]
    needs: tuple[str, ...] = ()
    instead: str = ""

    @property
    def is_served(self) -> bool:
        """Whether servers poll for it."""
        return self.folder == SERVED

    def staged(self, staging: Path) -> Path:
        """Returns where it is written, in the staging folder."""
        return staging / self.folder / self.filename

    def published(self, version: int) -> str:
        """Returns its place below the export folder."""
        if self.is_served:
            return str(version)
        return PUBLISHED.format(
            folder=self.folder, version=version, filename=self.filename
        )


def _write_saved_model(job: Job, path: Path) -> None:
    write_saved_model(
        job.served,
        path,
        name=job.name,
        held_out=job.dataset.splits["validation"].files,
        info=job.describe(),
    )


def _tflite_format(kind: str) -> Format:
    def write(job: Job, path: Path) -> None:
        content = convert_to_tflite(
            job.served, kind, job.calibration_images, name=job.name
        )
        path.write_bytes(content)

    return Format(
        TFLITE,
        f"{kind}.tflite",
        write,
        TfliteRunner,
        instead="int16x8" if kind == "int8" else "",
    )


FORMATS = {
    SAVED_MODEL: Format(
        SERVED, SAVED_MODEL, _write_saved_model, SavedModelRunner
    ),
    **{kind: _tflite_format(kind) for kind in TFLITE_KINDS},
    "onnx": Format(
        "onnx",
        "model.onnx",
        lambda job, path: write_onnx(job.served, path),
        OnnxRunner,
        needs=("onnx", "onnxruntime", "tf2onnx"),
    ),
    "openvino": Format(
        "openvino",
        "model.xml",
        lambda job, path: write_openvino(job.served, path),
        OpenvinoRunner,
        needs=("openvino",),
    ),
}


def resolve_formats(names: Iterable[str]) -> tuple[str, ...]:
    """Returns keys of `FORMATS`, each once; `tflite` stands for its kinds.

    Raises:
        InputError: For an unknown name, or one whose packages are missing.
    """
    known = dict.fromkeys([*FORMATS, TFLITE])
    found: dict[str, None] = {}
    for name in names:
        lookup(known, name.strip(), what="format")
        kinds = USUAL_KINDS if name.strip() == TFLITE else [name.strip()]
        found.update(dict.fromkeys(kinds))
    for name in found:
        for package in FORMATS[name].needs:
            if importlib.util.find_spec(package) is None:
                raise InputError(
                    f"The format '{name}' needs the package {package}, which "
                    f"is not installed; expected the extra {name}: run pip "
                    f"install 'tlkeras[{name}]'."
                )
    return tuple(found)

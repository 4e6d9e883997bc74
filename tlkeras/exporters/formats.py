"""The formats that a run can be exported to, one row each."""

import dataclasses
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

from tlkeras.errors import InputError
from tlkeras.exporters.interchange import write_onnx, write_openvino
from tlkeras.exporters.job import Job
from tlkeras.exporters.saved_model import write_saved_model
from tlkeras.exporters.tflite import KINDS, USUAL_KINDS, convert_to_tflite
from tlkeras.tables import lookup

SAVED_MODEL = "saved_model"
TFLITE = "tflite"  # as a format, short for the usual kinds


@dataclasses.dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        path: Below the staging folder; its folder is that of the versions, and
            the SavedModel's own folder is the version.
        write: Writes it.
        needs: Packages beyond tlkeras' own; the extra of the format's name
            installs them.
        instead: Format that is tried where this one is refused, or "".
    """

    path: str
    write: Callable[[Job, Path], None]
    needs: tuple[str, ...] = ()
    instead: str = ""


def _write_saved_model(job: Job, path: Path) -> None:
    write_saved_model(
        job.served,
        path,
        name=job.name,
        held_out=job.dataset.splits["validation"].files,
        info=job.describe(),
    )


def _tflite_writer(kind: str) -> Callable[[Job, Path], None]:
    def write(job: Job, path: Path) -> None:
        content = convert_to_tflite(
            job.served, kind, job.calibration_images, name=job.name
        )
        path.write_bytes(content)

    return write


FORMATS = {
    SAVED_MODEL: Format(SAVED_MODEL, _write_saved_model),
    **{
        kind: Format(
            f"{TFLITE}/{kind}.tflite",
            _tflite_writer(kind),
            instead="int16x8" if kind == "int8" else "",
        )
        for kind in KINDS
    },
    "onnx": Format(
        "onnx/model.onnx",
        lambda job, path: write_onnx(job.served, path),
        needs=("onnx", "onnxruntime", "tf2onnx"),
    ),
    "openvino": Format(
        "openvino/model.xml",
        lambda job, path: write_openvino(job.served, path),
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

"""From a folder of photos to a served model, every choice measured.

The public names load what they need when they are first used; importing the
package imports neither TensorFlow nor Keras.
"""

import importlib
from typing import TYPE_CHECKING, Any

from tlkeras.errors import GateError, InputError

if TYPE_CHECKING:
    from tlkeras.config.defaults import get_config as get_config
    from tlkeras.data.load import load_dataset as load_dataset
    from tlkeras.evaluation.run import load_run as load_run
    from tlkeras.exporters.export import export_run as export_run
    from tlkeras.exporters.settings import ExportSettings as ExportSettings
    from tlkeras.models.classifier import build_classifier as build_classifier
    from tlkeras.models.classifier import freeze as freeze
    from tlkeras.models.heads import HeadConfig as HeadConfig
    from tlkeras.report.page import write_report as write_report
    from tlkeras.studies.advise import advise as advise
    from tlkeras.studies.heatmaps import HeatmapSettings as HeatmapSettings
    from tlkeras.studies.heatmaps import compute_heatmaps as compute_heatmaps
    from tlkeras.studies.soup import make_soup as make_soup
    from tlkeras.studies.transferability import (
        run_transferability as run_transferability,
    )
    from tlkeras.training.trainer import (
        train_and_evaluate as train_and_evaluate,
    )

__version__ = "0.1.0"

# Public name -> the module that defines it.
_PUBLIC = {
    "get_config": "tlkeras.config.defaults",
    "load_dataset": "tlkeras.data.load",
    "build_classifier": "tlkeras.models.classifier",
    "freeze": "tlkeras.models.classifier",
    "HeadConfig": "tlkeras.models.heads",
    "train_and_evaluate": "tlkeras.training.trainer",
    "advise": "tlkeras.studies.advise",
    "load_run": "tlkeras.evaluation.run",
    "write_report": "tlkeras.report.page",
    "run_transferability": "tlkeras.studies.transferability",
    "compute_heatmaps": "tlkeras.studies.heatmaps",
    "make_soup": "tlkeras.studies.soup",
    "HeatmapSettings": "tlkeras.studies.heatmaps",
    "export_run": "tlkeras.exporters.export",
    "ExportSettings": "tlkeras.exporters.settings",
}

_WITHOUT_FRAMEWORKS = ("get_config", "load_dataset")

__all__ = ["GateError", "InputError", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'tlkeras' has no attribute {name!r}")
    if name not in _WITHOUT_FRAMEWORKS:
        from tlkeras.startup import import_frameworks

        import_frameworks()
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_PUBLIC]

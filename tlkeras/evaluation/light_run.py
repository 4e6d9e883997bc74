"""A finished run that answers without TensorFlow, from a file beside it.

The file is made when a run is first asked about images, and made again when its
model is another one.
"""

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.data.dataset import Split
from tlkeras.data.pipeline import read_in_order
from tlkeras.devices import may_have_accelerator
from tlkeras.evaluation.engine_file import open_engine, write_engine
from tlkeras.evaluation.finished_run import FinishedRun
from tlkeras.evaluation.mistakes import has_maps
from tlkeras.evaluation.prediction import (
    PREDICT_BATCH,
    Prediction,
    as_paths,
    predict_files,
)
from tlkeras.evaluation.records import read_result
from tlkeras.litert import LiteRtModel
from tlkeras.startup import import_frameworks

if TYPE_CHECKING:
    from tlkeras.evaluation.run import Run


@dataclasses.dataclass(frozen=True)
class LightRun(FinishedRun):
    """A finished run directory whose network is a LiteRT file.

    Attributes:
        model: uint8 [N, S, S, 3] -> logits float32 [N, C].
    """

    model: LiteRtModel

    def predict(
        self, paths: str | Path | Iterable[str | Path]
    ) -> Iterator[Prediction]:
        """Yields a prediction for each image file, in order.

        Args:
            paths: As for `Run.predict`.

        Raises:
            InputError: Likewise.
        """
        side = self.model.image_size
        return predict_files(
            as_paths(paths),
            lambda batches: self.model(batches[side]),
            sides=[side],
            definition=self.image_definition,
            loss=self.loss,
            class_names=self.class_names,
        )

    def compute_logits(self, examples: Split) -> np.ndarray:
        """Returns the network's logits for images, float32 [N, C]."""
        side = self.model.image_size
        images = read_in_order(
            examples,
            (side, side),
            batch_size=PREDICT_BATCH,
            num_workers=self.config.runtime.num_workers or os.cpu_count() or 1,
        )
        return np.concatenate([self.model(batch) for batch in images])

    def write_maps(self, split: str, examples: Split) -> None:
        """Keeps the maps of a split's mistakes, with Keras if they are new."""
        if has_maps(self.directory, split):
            return
        import_frameworks()
        from tlkeras.evaluation.run import load_run

        load_run(self.directory).write_maps(split, examples)


def load_lightest(
    directory: Path, *, has_many: bool = False
) -> "LightRun | Run":
    """Loads a finished run the light way, which the first call prepares.

    Args:
        directory: Of the run.
        has_many: Whether it will be asked about many images, which Keras on
            an accelerator answers sooner.

    Returns:
        A `Run`, and with it Keras, where its network has no light form.

    Raises:
        InputError: If it is no run, unfinished, or of a newer version.
    """
    keeps_keras = has_many and may_have_accelerator()
    light = None if keeps_keras else load_light_run(directory)
    if light is not None:
        return light
    import_frameworks()
    from tlkeras.evaluation.run import load_run

    run = load_run(directory)
    if keeps_keras or not write_engine(run):
        return run
    return load_light_run(directory) or run


def load_light_run(directory: Path) -> LightRun | None:
    """Loads a finished run without TensorFlow, if its engine file is there.

    Args:
        directory: Of the run.

    Returns:
        None where the file has not been made, is not of the run's model, or
        cannot be run here.

    Raises:
        InputError: If it is no run, or of a newer version.
    """
    config = read_config(directory)
    if not (directory / workdir.RESULT).exists():
        return None
    model, result = open_engine(directory), read_result(directory)
    told = (result.image_size, len(result.class_names))
    if model is None or (model.image_size, model.num_outputs) != told:
        return None
    return LightRun(directory, config, result, model)

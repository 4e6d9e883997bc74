"""A finished run: its model, its classes, and what it says of images."""

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.data.dataset import Split
from tlkeras.data.pipeline import ImageBatches
from tlkeras.errors import InputError
from tlkeras.evaluation.finished_run import FinishedRun
from tlkeras.evaluation.mistakes import write_mistake_maps
from tlkeras.evaluation.prediction import (
    PREDICT_BATCH,
    Prediction,
    as_paths,
    predict_files,
)
from tlkeras.evaluation.records import read_result
from tlkeras.evaluation.test_time import (
    NONE,
    MultiViewClassifier,
    average_views,
)
from tlkeras.models.inference import run_batches
from tlkeras.models.weights import read_model


@dataclasses.dataclass(frozen=True)
class Run(FinishedRun):
    """A finished run directory with its network in Keras.

    Attributes:
        model: float32 [N, S, S, 3] in 0..255 -> logits [N, C].
    """

    model: keras.Model

    def build_views(self, tta: str) -> MultiViewClassifier:
        """Returns the model as it looks at test-time views.

        Args:
            tta: Key of `test_time.VIEW_VARIANTS`.

        Raises:
            InputError: If the run or its network does not allow these.
        """
        may_mirror = self.config.data.augment.horizontal_flip
        return MultiViewClassifier(self.model, tta, may_mirror=may_mirror)

    def predict(
        self, paths: str | Path | Iterable[str | Path], *, tta: str = NONE
    ) -> Iterator[Prediction]:
        """Yields a prediction for each image file, in order.

        A file that is no image gets its error; the others are unharmed.

        Args:
            paths: One path, or any number of them.
            tta: Key of `test_time.VIEW_VARIANTS`: the views of an image whose
                probabilities are averaged.

        Raises:
            InputError: If something else stands among the paths, or the views
                are not allowed; the latter at once.
        """
        return self._predict(as_paths(paths), self.build_views(tta))

    def _predict(
        self, paths: Iterator[str], classifier: MultiViewClassifier
    ) -> Iterator[Prediction]:
        def answer(batches: Mapping[int, np.ndarray]) -> np.ndarray:
            count = len(batches[classifier.sizes[0]])
            # One compiled shape serves all.
            padding = [(0, PREDICT_BATCH - count), (0, 0), (0, 0), (0, 0)]
            logits = average_views(
                classifier.compute_logits(
                    lambda side: [np.pad(batches[side], padding)]
                ),
                classifier.views,
                loss=self.loss,
                calibration=self.calibration,
            )
            return logits[:count]

        return predict_files(
            paths,
            answer,
            sides=classifier.sizes,
            definition=self.image_definition,
            loss=self.loss,
            class_names=self.class_names,
        )

    def compute_logits(self, examples: Split) -> np.ndarray:
        """Returns the model's logits for images, float32 [N, C]."""
        return run_batches(self.model, self.batches(examples))

    def batches(
        self, examples: Split, image_size: int | None = None
    ) -> ImageBatches:
        """Returns a split's images in order, uint8 [n, S, S, 3] a batch.

        Args:
            examples: The split.
            image_size: S, pixels; None = the run's.
        """
        size = image_size or self.image_size
        return ImageBatches(
            examples,
            (size, size),
            batch_size=self.config.evaluation.batch_size,
            num_workers=self.config.runtime.num_workers or os.cpu_count() or 1,
            max_decoded_bytes=0,
        )

    def write_maps(self, split: str, examples: Split) -> None:
        """Keeps where the network saw its surest mistakes on a split."""
        write_mistake_maps(
            self.directory,
            split,
            examples,
            model=self.model,
            loss=self.loss,
            class_names=self.class_names,
        )


def load_run(directory: str | Path) -> Run:
    """Loads a finished run.

    Args:
        directory: As written by `train_and_evaluate` or `tlkeras train`.

    Raises:
        InputError: If it is no run, unfinished, or of a newer version.
    """
    directory = Path(directory)
    config = read_config(directory)
    for name in (workdir.RESULT, workdir.MODEL):
        if not (directory / name).exists():
            raise InputError(
                f"The run in '{directory}' is not finished ({name} is "
                "missing); expected a finished one: run the same tlkeras train "
                "command again."
            )
    result = read_result(directory)
    model = read_model(directory / workdir.MODEL)
    theirs = (model.input_shape[1], model.output_shape[-1])
    if theirs != (result.image_size, len(result.class_names)):
        raise InputError(
            f"'{directory / workdir.RESULT}' tells of {result.image_size} "
            f"pixels and {len(result.class_names)} classes, and "
            f"{workdir.MODEL} has {theirs[0]} and {theirs[1]}; expected both "
            "of one run: restore them, or train again in a new directory."
        )
    return Run(directory, config, result, model)

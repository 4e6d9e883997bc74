"""A finished run directory, whatever computes its network."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.data.dataset import Dataset, Split
from tlkeras.data.definition import ImageDefinition, configured_definition
from tlkeras.errors import InputError
from tlkeras.evaluation.calibration import NO_CALIBRATION, Calibration
from tlkeras.evaluation.evaluate import evaluate_split
from tlkeras.evaluation.records import RunResult
from tlkeras.evaluation.run_data import load_again
from tlkeras.optim.losses import LOSSES, Loss
from tlkeras.tables import lookup


@dataclasses.dataclass(frozen=True)
class FinishedRun:
    """What a finished run directory holds beside its network.

    Attributes:
        directory: Where it lies.
        config: As it was resolved.
        result: What `result.json` holds.
    """

    directory: Path
    config: ConfigDict
    result: RunResult

    @property
    def class_names(self) -> tuple[str, ...]:
        """[C] names in the order of the logits."""
        return self.result.class_names

    @property
    def loss(self) -> Loss:
        """That it was trained with."""
        return lookup(LOSSES, self.result.loss, what="loss")

    @property
    def calibration(self) -> Calibration:
        """That its model has; runs of before have none."""
        return self.result.calibration or NO_CALIBRATION

    @property
    def image_size(self) -> int:
        """Side of the square input, pixels."""
        return self.result.image_size

    @property
    def image_definition(self) -> ImageDefinition:
        """What the pixels of an image are, as in training."""
        return configured_definition(self.config)

    @property
    def config_hash(self) -> str:
        """The identity of the experiment, as it was when the run began."""
        path = self.directory / workdir.CONFIG
        with workdir.reading(path):
            return str(workdir.read_json(path)["config_hash"])

    def read_metrics(self, split: str) -> dict[str, Any]:
        """Returns the run's own figures for a split: numbers and intervals.

        Empty if the split was not evaluated.
        """
        path = self.directory / workdir.evaluation_name(split)
        if not path.exists():
            return {}
        tables = ("per_class", "confusion_matrix")
        metrics = workdir.read_json(path).items()
        return {key: value for key, value in metrics if key not in tables}

    def load_dataset(self, split: str) -> Dataset:
        """Loads the run's data again, in the same splits.

        Args:
            split: One that it must have: train | validation | test.

        Raises:
            InputError: If there is no such split, or the classes changed.
        """
        dataset = load_again(self.config, self.directory, self.class_names)
        if split not in dataset.splits:
            raise InputError(
                f"'{dataset.source}' has no {split} split; expected one of "
                f"{', '.join(dataset.splits)}: choose another --split."
            )
        return dataset

    def compute_logits(self, examples: Split) -> np.ndarray:
        """Returns the network's logits for images, float32 [N, C]."""
        raise NotImplementedError

    def write_maps(self, split: str, examples: Split) -> None:
        """Keeps where the network saw its surest mistakes on a split.

        Args:
            split: Its name; its predictions are written.
            examples: Its images.
        """
        raise NotImplementedError

    def evaluate(
        self,
        split: str,
        *,
        command: str = "evaluate",
        compute_logits: Callable[[Split], np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """Evaluates a split again; a look at the test split is counted.

        Args:
            split: train | validation | test.
            command: Who looks, for `test_looks.json`.
            compute_logits: Gives the model's logits [N, C] for images, for
                whoever looks at them otherwise too; None = this class's.

        Raises:
            InputError: If the run's data has no such split.
        """
        answer = compute_logits or self.compute_logits
        examples = self.load_dataset(split).splits[split]
        metrics = evaluate_split(
            self.directory,
            split,
            examples,
            lambda: answer(examples),
            loss=self.loss,
            class_names=self.class_names,
            bootstrap_samples=self.config.evaluation.bootstrap_samples,
            calibration_bins=self.config.evaluation.calibration_bins,
            command=command,
            calibration=self.calibration,
        )
        self.write_maps(split, examples)
        return metrics

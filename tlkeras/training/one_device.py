"""Where fitted phases train: what one device does, and several do otherwise."""

import contextlib
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkeras.data.parallel import for_fit
from tlkeras.models.classifier import Classifier
from tlkeras.optim.multi_optimizer import SharedStep
from tlkeras.training.worker_place import ALONE


class Distribution:
    """Where fitted phases train; this one is the default device alone.

    Attributes:
        num_replicas: Devices that share a batch, over all processes.
        place: Of this process among all.
        shared_step: How their gradients become one; None of one device.
    """

    num_replicas = 1
    place = ALONE
    shared_step: SharedStep | None = None

    def at_work(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the block in which a run is made."""
        return contextlib.nullcontext()

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the block in which variables are made that train."""
        return contextlib.nullcontext()

    def outside(self, classifier: Classifier) -> Classifier:
        """Returns a classifier made in `scope` whose model predicts alone."""
        return classifier

    def trained(self, model: keras.Model) -> keras.Model:
        """Returns the model to compile and to train; it shares all layers."""
        return model

    def feed(self, batches: Generator[tuple[Any, ...]]) -> Iterable[Any]:
        """Returns what `fit` reads, of this process' parts of batches."""
        return for_fit(batches)

    def of_chief(self, array: np.ndarray) -> np.ndarray:
        """Returns the chief's array [...] in all processes."""
        return array

    def describe(self) -> str:
        """Returns how many there are, to be added to a line, or ""."""
        if self.num_replicas == 1:
            return ""
        return (
            f"; phases are fitted on {self.num_replicas} devices, in "
            f"{self.place.count} process{'es' * (self.place.count > 1)}"
        )

    def publish(self, directory: Path) -> None:
        """Hands the chief's run to the others, which `receive` it."""

    def receive(self, directory: Path) -> bool:
        """Takes the chief's run over; False where this is the chief."""
        return False


ONE = Distribution()

"""Models of a search that reaches below the head: whole classifiers."""

import contextlib
import functools
from collections.abc import Generator, Iterator

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured
from tlkeras.data.pipeline import decode_split
from tlkeras.training.assembly import build_optimizer, compile_classifier
from tlkeras.training.batches import lent_batches, phase_batches
from tlkeras.training.build import (
    build_from_config,
    resolve_phases,
    set_up_model,
)
from tlkeras.training.phases import Phase
from tlkeras.training.reading import feature_settings


class WholeModels:
    """Builds classifiers, images -> logits, and feeds them.

    Args:
        config: Whose data are loaded, when they are first needed.
        accuracy: Name of the metric where images carry one label.
    """

    def __init__(self, config: ConfigDict, accuracy: str) -> None:
        self.config = config
        self.accuracy = accuracy

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The config's images."""
        set_up_model(self.config)
        return load_configured(self.config)

    def build(self, config: ConfigDict, phase: Phase) -> keras.Model:
        """Builds and compiles the classifier that a config describes."""
        steps = phase.steps_per_epoch(len(self.dataset.splits["train"]))
        classifier = build_from_config(config, self.dataset)
        (resolved,) = resolve_phases([phase], classifier)
        optimizer, _ = build_optimizer(resolved, classifier, steps)
        model = classifier.model
        compile_classifier(
            resolved, classifier, model, optimizer, accuracy=self.accuracy
        )
        return model

    @contextlib.contextmanager
    def read(
        self,
        config: ConfigDict,
        phase: Phase,
        model: keras.Model,
        *,
        first_epoch: int,
        num_epochs: int,
    ) -> Iterator[tuple[Generator[tuple[np.ndarray, ...]], np.ndarray]]:
        """Lends (images, targets [n, C][, weights [n]]) of each step.

        Args:
            config: Of the trial.
            phase: That trains the classifier.
            model: From `build`.
            first_epoch: Counted from 0.
            num_epochs: Of the whole pass.

        Yields:
            The batches, and the validation images, float32 [N, S, S, 3].
        """
        splits = self.dataset.splits
        size = model.inputs[0].shape[1]
        held_out = decode_split(
            splits["validation"],
            (size, size),
            num_workers=feature_settings(config).num_workers,
        ).astype(np.float32)
        batches = phase_batches(
            phase,
            config,
            splits["train"],
            size,
            first_epoch=first_epoch,
            num_epochs=num_epochs,
        )
        with lent_batches(batches, splits["train"], size) as read:
            yield read, held_out

    def stitch(self, config: ConfigDict, model: keras.Model) -> keras.Model:
        """Returns the model, which is whole already."""
        return model

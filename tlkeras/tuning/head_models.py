"""Models of a search above the backbone: heads alone, on codes."""

import contextlib
import functools
from collections.abc import Generator, Iterator

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Split
from tlkeras.data.parallel import lent
from tlkeras.models.heads import HEADS
from tlkeras.training.assembly import build_metric
from tlkeras.training.batches import class_weights, phase_order
from tlkeras.training.build import build_from_config
from tlkeras.training.phases import Phase
from tlkeras.tuning.trials.codes import HeadCodes, load_head_codes
from tlkeras.tuning.trials.lone_head import build_lone_head, head_optimizer

Batch = tuple[np.ndarray, ...]


class HeadModels:
    """Builds heads, codes [N, d] -> logits [N, C], and feeds them.

    Args:
        config: Whose codes are computed, when they are first needed.
        console: For progress of the codes.
        accuracy: Name of the metric where images carry one label.
    """

    def __init__(
        self, config: ConfigDict, console: Console, accuracy: str
    ) -> None:
        self.config = config
        self.console = console
        self.accuracy = accuracy

    @functools.cached_property
    def codes(self) -> HeadCodes:
        """Codes of the training and validation images."""
        return load_head_codes(self.config, self.console)

    @property
    def dataset(self) -> Dataset:
        """The images, without the test split."""
        return self.codes.dataset

    def build(self, config: ConfigDict, phase: Phase) -> keras.Model:
        """Builds and compiles the head that a config describes."""
        steps = phase.steps_per_epoch(len(self.dataset.splits["train"]))
        num_classes = self.dataset.num_classes
        multi_label = HEADS[config.model.head].multi_label
        return build_lone_head(
            config,
            phase,
            head_optimizer(phase, steps),
            size=self.codes.size,
            num_classes=num_classes,
            metrics=[build_metric(self.accuracy, num_classes, multi_label)],
        )

    @contextlib.contextmanager
    def read(
        self,
        config: ConfigDict,
        phase: Phase,
        model: keras.Model,
        *,
        first_epoch: int,
        num_epochs: int,
    ) -> Iterator[tuple[Generator[Batch], np.ndarray]]:
        """Lends (codes [n, d], targets [n, C][, weights [n]]) of each step.

        Args:
            config: Of the trial.
            phase: That trains the head.
            model: From `build`.
            first_epoch: Counted from 0.
            num_epochs: Of the whole pass.

        Yields:
            The batches, and the codes of the validation images [N, d].
        """
        train = self.dataset.splits["train"]
        codes = self.codes.codes
        order = phase_order(
            phase,
            config,
            len(train),
            first_epoch=first_epoch,
            num_epochs=num_epochs,
        )
        weights = class_weights(config, train)
        with lent(_batches(codes["train"], train, order, weights)) as batches:
            yield batches, codes["validation"]

    def stitch(self, config: ConfigDict, head: keras.Model) -> keras.Model:
        """Returns the whole classifier, images -> logits, with a head."""
        classifier = build_from_config(config, self.dataset)
        for layer in head.layers:
            if layer.weights:
                own = classifier.model.get_layer(layer.name)
                own.set_weights(layer.get_weights())
        return classifier.model


def _batches(
    codes: np.ndarray,
    train: Split,
    order: Iterator[tuple[int, int, np.ndarray]],
    class_weights: np.ndarray | None,
) -> Generator[Batch]:
    for _, _, rows in order:
        targets = train.targets_of(rows)
        weights = () if class_weights is None else (targets @ class_weights,)
        yield codes[rows], targets, *weights

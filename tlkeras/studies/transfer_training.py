"""Training many networks of one shape: a graph is traced once for all of them.

Tracing costs more than training a small network. So weights, optimizer slots
and seed generators are put back to what a new network has, and the compiled
step is used again.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np

from tlkeras import devices
from tlkeras.data.epoch import steps_per_epoch, stream_seed
from tlkeras.models.classifier import Classifier, freeze_at
from tlkeras.models.graph import batch_norm_layers, topological_layers
from tlkeras.models.inference import run_batches
from tlkeras.models.split import split_classifier
from tlkeras.optim.schedules import ScheduleArgs, make_learning_rate

EVALUATION_BATCH = 256
# Keras' .99 remembers hundreds of steps, and few steps are all that there are:
# networks whose loss has halved would be measured at chance.
BATCH_NORM_MOMENTUM = 0.9
Weights = list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class StudySettings:
    """How every network of a study is trained.

    Attributes:
        epochs: At least 1; the + kinds and `base_long` have twice as many
            behind them.
        batch_size: Images.
        learning_rate: Peak of a cosine, of AdamW.
        weight_decay: Of AdamW.
    """

    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2


@dataclasses.dataclass(frozen=True)
class Images:
    """Images of one target, as pixels or as activations of a frozen part.

    Attributes:
        train: [N, ...] of any dtype.
        train_targets: float32 [N, C], one-hot.
        validation: [M, ...].
        validation_targets: float32 [M, C].
    """

    train: np.ndarray
    train_targets: np.ndarray
    validation: np.ndarray
    validation_targets: np.ndarray


@dataclasses.dataclass(frozen=True)
class TrainedNetwork:
    """What a training gave.

    Attributes:
        accuracy: Top-1 on validation after the last epoch.
        train_loss: Mean of each epoch.
    """

    accuracy: float
    train_loss: list[float]


class SharedGraph:
    """One compiled step for all networks with the same cut.

    Args:
        classifier: Not used by another graph; its weights change.
        cutoff: Index of the first layer that trains; 0 = all train.
        settings: Of the study.
        num_images: For which the schedule is, N of all targets.
    """

    def __init__(
        self,
        classifier: Classifier,
        cutoff: int,
        settings: StudySettings,
        num_images: int,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.batch_size = min(settings.batch_size, num_images)
        self.steps = steps_per_epoch(num_images, self.batch_size)
        freeze_at(classifier, cutoff, batch_norm="train")
        for norm in batch_norm_layers(topological_layers(classifier.backbone)):
            norm.momentum = min(norm.momentum, BATCH_NORM_MOMENTUM)
        self.prefix = None
        self.model = classifier.model
        if cutoff:
            parts = split_classifier(classifier, cutoff)
            self.prefix, self.model = parts.prefix, parts.suffix
        self._compile()

    def _compile(self) -> None:
        settings = self.settings
        optimizer = keras.optimizers.AdamW(
            make_learning_rate(
                "cosine",
                settings.learning_rate,
                self.steps,
                ScheduleArgs(settings.epochs),
            ),
            weight_decay=settings.weight_decay,
        )
        self.model.compile(
            optimizer=optimizer,
            loss=self.classifier.head.loss.build(0.0),
            jit_compile=devices.should_compile_with_xla(),
        )
        # Compiling may have put it into one that scales the loss.
        own = self.model.optimizer
        own.build(self.model.trainable_variables)
        state = [*self.classifier.model.variables, *own.variables]
        self._fresh = [(v, keras.ops.convert_to_numpy(v).copy()) for v in state]

    def put(self, weights: Weights) -> None:
        """Makes the network a new one, with weights in their usual order."""
        for variable, value in self._fresh:
            variable.assign(value)
        self.classifier.model.set_weights(weights)

    def train(
        self, weights: Weights, images: Images, *, seed: int
    ) -> TrainedNetwork:
        """Trains a network from some weights, which stay as they are.

        Args:
            weights: Of the whole classifier.
            images: Pixels where all trains, else activations at the cut.
            seed: Of the order of the images.
        """
        self.put(weights)
        losses = []
        for epoch in range(self.settings.epochs):
            self.model.reset_metrics()
            for rows in self._order(len(images.train), seed, epoch):
                loss = self.model.train_on_batch(
                    images.train[rows].astype(np.float32),
                    images.train_targets[rows],
                )
            losses.append(float(loss))
        return TrainedNetwork(self._measure(images), losses)

    def _order(
        self, num_images: int, seed: int, epoch: int
    ) -> Iterator[np.ndarray]:
        order = np.random.default_rng([seed, epoch]).permutation(num_images)
        for step in range(self.steps):
            start = step * self.batch_size
            # Of a target with fewer images than the largest one, some again.
            yield order.take(range(start, start + self.batch_size), mode="wrap")

    def _measure(self, images: Images) -> float:
        logits = run_batches(
            self.model,
            (
                images.validation[i : i + EVALUATION_BATCH]
                for i in range(0, len(images.validation), EVALUATION_BATCH)
            ),
        )
        truth = images.validation_targets
        right = logits.argmax(1) == truth.argmax(1)
        return float(right.mean())


def initial_weights(
    build: Callable[[int], Classifier], seed: int, part: str
) -> Weights:
    """Returns random weights, the same for the same seed and part.

    Args:
        build: Seed -> a classifier.
        seed: Of the pair.
        part: `base`, or `upper`: what is put on a transferred part must not
            be what the base began with.
    """
    keras.utils.set_random_seed(stream_seed(seed, part))
    return build(stream_seed(seed, part)).model.get_weights()


def join_weights(
    classifier: Classifier, lower: Weights, upper: Weights, cutoff: int
) -> Weights:
    """Returns one network's weights below a cut, another's above.

    Args:
        classifier: Of the same shape.
        lower: Weights of the whole network that gives layers below the cut.
        upper: Likewise, from the cut on, with the head.
        cutoff: Index of the first layer that is taken from `upper`.
    """
    layers = topological_layers(classifier.backbone)[:cutoff]
    below = {id(weight) for layer in layers for weight in layer.weights}
    return [
        low if id(weight) in below else high
        for weight, low, high in zip(
            classifier.model.weights, lower, upper, strict=True
        )
    ]


def find_cutoff_above(classifier: Classifier, layer: str) -> int:
    """Returns the index of the first layer above one of the backbone."""
    names = [x.name for x in topological_layers(classifier.backbone)]
    return names.index(layer) + 1

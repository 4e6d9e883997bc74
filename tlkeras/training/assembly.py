"""The parts of a training by gradient descent: optimizer, batches, model."""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras import devices
from tlkeras.data.dataset import Split
from tlkeras.data.epoch import balanced_class_weights, stream_seed
from tlkeras.evaluation.metrics import MEAN_AP, TOP_1
from tlkeras.evaluation.records import GroupRow
from tlkeras.models.classifier import Classifier
from tlkeras.optim.losses import LOSSES
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.training.frozen_part import (
    FrozenPart,
    feature_settings,
    phase_views,
)
from tlkeras.training.phases import (
    Phase,
    build_groups,
    describe_groups,
    optimizer_specs,
)


def build_optimizer(
    phase: Phase, classifier: Classifier, steps: int
) -> tuple[keras.optimizers.Optimizer, tuple[GroupRow, ...]]:
    """Builds the groups' optimizer on a frozen classifier.

    Args:
        phase: With a learning rate that is a number.
        classifier: Frozen as the phase says.
        steps: An epoch.

    Returns:
        The built optimizer, and the rows of `phases.describe_groups`.
    """
    groups = build_groups(phase, classifier)
    specs = optimizer_specs(phase, groups, steps)
    trainable = classifier.model.trainable_variables
    optimizer = build_group_optimizer(
        {group.name: group.variables for group in groups},
        specs,
        trainable,
        joint_clipnorm=phase.global_clipnorm,
        scale_loss=keras.config.dtype_policy().name == "mixed_float16",
    )
    optimizer.build(trainable)
    return optimizer, describe_groups(phase, groups, specs)


def build_metric(
    name: str, num_classes: int, multi_label: bool
) -> keras.metrics.Metric:
    """Returns the primary metric, of logits [N, C], as Keras counts it.

    Args:
        name: Of the accuracy; a mean average precision has its own.
        num_classes: C.
        multi_label: Whether images carry several labels.
    """
    if not multi_label:
        return keras.metrics.CategoricalAccuracy(name=name)
    return keras.metrics.AUC(
        curve="PR",
        multi_label=True,
        num_labels=num_classes,
        from_logits=True,
        name=MEAN_AP,
    )


def compile_model(
    phase: Phase,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    loss: str,
    metrics: Sequence[keras.metrics.Metric],
) -> None:
    """Compiles what trains: a whole classifier, its suffix, or a lone head.

    Args:
        phase: Its label smoothing counts.
        model: Anything -> logits [N, C].
        optimizer: Of the model's trainable variables.
        loss: Key of `optim.losses.LOSSES`.
        metrics: That are shown.
    """
    model.compile(
        optimizer=optimizer,
        loss=LOSSES[loss](phase.label_smoothing),
        metrics=list(metrics),
        jit_compile=devices.should_compile_with_xla(),
    )


def compile_classifier(
    phase: Phase,
    classifier: Classifier,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    *,
    accuracy: str = TOP_1,
) -> None:
    """Compiles what trains of a classifier, with its loss and its metric.

    Args:
        phase: Its label smoothing counts.
        classifier: Whose head says which loss.
        model: The whole classifier or its suffix.
        optimizer: Of the model's trainable variables.
        accuracy: Name of the metric where images carry one label.
    """
    metric = build_metric(
        accuracy,
        len(classifier.class_names),
        classifier.head.loss == "binary",
    )
    compile_model(
        phase,
        model,
        optimizer,
        loss=classifier.head.loss,
        metrics=[metric],
    )


def class_weights(config: ConfigDict, train: Split) -> np.ndarray | None:
    """Returns the weights of classes in the loss, float32 [C], or None."""
    if config.data.class_weighting == "none":
        return None
    return balanced_class_weights(train.targets)


def phase_order(
    phase: Phase,
    config: ConfigDict,
    num_images: int,
    *,
    first_epoch: int,
    num_epochs: int,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields (epoch, step, rows [batch]) of each step of a phase.

    A pure function of the config's seed, the phase's name and the step.

    Args:
        phase: Its batch size and name decide.
        config: Of the run.
        num_images: N of the training split.
        first_epoch: Counted from 0, where a phase is resumed.
        num_epochs: Of the whole pass.
    """
    from tlkeras.data.batches import row_batches  # brings TensorFlow

    return row_batches(
        num_images,
        batch_size=phase.batch_size,
        seed=stream_seed(config.seed, phase.name),
        first_epoch=first_epoch,
        num_epochs=num_epochs,
    )


def phase_batches(
    phase: Phase,
    config: ConfigDict,
    train: Split,
    image_size: int,
    frozen: FrozenPart | None = None,
    *,
    first_epoch: int,
    num_epochs: int,
) -> Generator[tuple[Any, ...]]:
    """Yields what `fit` reads: pixels, or activations cached or live.

    Args:
        phase: Its augmentation, batch size and name decide.
        config: Of the run.
        train: The training images.
        image_size: Side S of the network's input, pixels.
        frozen: Of the phase, or None.
        first_epoch: Counted from 0, where a phase is resumed.
        num_epochs: Of the whole pass.

    Yields:
        (images [n, S, S, 3] or the frontier, targets [n, C][, weights [n]]).
    """
    from tlkeras.data.batches import training_batches
    from tlkeras.data.reader import ViewReader

    order = phase_order(
        phase,
        config,
        len(train),
        first_epoch=first_epoch,
        num_epochs=num_epochs,
    )
    weights = class_weights(config, train)
    if frozen and frozen.is_cached:
        yield from frozen.cached_batches(order, train, weights)
        return
    num_workers = feature_settings(config).num_workers
    reader = ViewReader(
        train,
        (image_size, image_size),
        phase_views(phase, config),
        num_workers=num_workers,
        max_decoded_bytes=config.data.max_decoded_bytes,
    )
    batches = training_batches(
        reader,
        order,
        seed=stream_seed(config.seed, phase.name),
        class_weights=weights,
        num_workers=num_workers,
    )
    yield from frozen.live_batches(batches) if frozen else batches

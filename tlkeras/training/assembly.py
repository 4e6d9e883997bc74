"""The parts of a training by gradient descent: optimizer, metric, model."""

from collections.abc import Sequence

import keras

from tlkeras import devices
from tlkeras.evaluation.metrics import MEAN_AP, TOP_1
from tlkeras.evaluation.phase_details import GroupRow
from tlkeras.models.classifier import Classifier
from tlkeras.optim.losses import Loss
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.training.one_device import ONE, Distribution
from tlkeras.training.phases import (
    Phase,
    build_groups,
    describe_groups,
    optimizer_specs,
)


def build_optimizer(
    phase: Phase,
    classifier: Classifier,
    steps: int,
    distribution: Distribution = ONE,
) -> tuple[keras.optimizers.Optimizer, tuple[GroupRow, ...]]:
    """Builds the groups' optimizer on a frozen classifier.

    Args:
        phase: With a learning rate that is a number.
        classifier: Frozen as the phase says.
        steps: An epoch.
        distribution: Devices that the classifier trains on.

    Returns:
        The built optimizer, and the rows of `phases.describe_groups`.
    """
    groups = build_groups(phase, classifier)
    specs = optimizer_specs(phase, groups, steps)
    trainable = classifier.model.trainable_variables
    with distribution.scope():
        optimizer = build_group_optimizer(
            {group.name: group.variables for group in groups},
            specs,
            trainable,
            joint_clipnorm=phase.global_clipnorm,
            scale_loss=keras.config.dtype_policy().name == "mixed_float16",
            shared=distribution.shared_step,
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
    loss: Loss,
    metrics: Sequence[keras.metrics.Metric],
) -> None:
    """Compiles what trains: a whole classifier, its suffix, or a lone head.

    Args:
        phase: Its label smoothing counts.
        model: Anything -> logits [N, C].
        optimizer: Of the model's trainable variables.
        loss: That the head learns with.
        metrics: That are shown.
    """
    predict_function = model.predict_function
    model.compile(
        optimizer=optimizer,
        loss=loss.build(phase.label_smoothing),
        metrics=list(metrics),
        jit_compile=devices.should_compile_with_xla(),
    )
    # Keras drops it, though nothing in it changes: tracing it again costs a
    # twentieth of a run on few images.
    model.predict_function = predict_function


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
        classifier.head.multi_label,
    )
    compile_model(
        phase,
        model,
        optimizer,
        loss=classifier.head.loss,
        metrics=[metric],
    )

"""The parts of a `fit` phase: frozen part, optimizer, batches, model."""

from collections.abc import Generator
from typing import Any

import keras

from tlkeras import devices
from tlkeras.callbacks.early_stopping import EarlyStopping
from tlkeras.callbacks.reduce_on_plateau import ReduceLROnPlateau
from tlkeras.data.epoch import stream_seed
from tlkeras.evaluation.metrics import MEAN_AP, TOP_1
from tlkeras.models.batch_norm import adapt_batch_norm
from tlkeras.models.classifier import freeze
from tlkeras.models.graph import find_cutoff
from tlkeras.models.split import choose_cut
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import (
    FrozenPart,
    build_frozen_part,
    phase_views,
)
from tlkeras.training.phases import (
    Phase,
    build_groups,
    describe_groups,
    optimizer_specs,
)


def freeze_phase(phase: Phase, run: RunContext, *, adapt: bool) -> None:
    """Freezes as a phase says, and tells people.

    Args:
        phase: About to begin, or to go on.
        run: Whose classifier is changed.
        adapt: Whether `batch_norm="adapt"` is still to be done.
    """
    counts = freeze(
        run.classifier,
        trainable_from=phase.trainable_from,
        batch_norm=phase.batch_norm,
    )
    run.console.line(
        f"{phase.name}: {counts['trainable_layers']} backbone layers train, "
        f"{counts['frozen_layers']} are frozen; BatchNormalization "
        f"'{phase.batch_norm}': {counts['batch_norm_layers']} layers, "
        f"{counts['batch_norm_training']} in training mode"
    )
    if adapt and phase.batch_norm == "adapt":
        count = adapt_batch_norm(run.classifier, run.images("train"))
        run.release("train")
        run.console.line(
            f"{phase.name}: re-estimated {count} BatchNormalizations"
        )


def freeze_below(phase: Phase, run: RunContext) -> FrozenPart | None:
    """Returns the frozen part of a phase, or None where everything trains."""
    cutoff = find_cutoff(run.classifier.backbone, phase.trainable_from)
    if cutoff == 0:
        return None
    cut = choose_cut(run.classifier.backbone, cutoff)
    return build_frozen_part(phase, run, cut, uses=phase.epochs)


def build_optimizer(
    phase: Phase, run: RunContext, steps: int
) -> tuple[keras.optimizers.Optimizer, list[dict[str, Any]]]:
    """Builds the groups' optimizer on a frozen classifier.

    Args:
        phase: With a learning rate that is a number.
        run: Whose classifier is frozen as the phase says.
        steps: An epoch.

    Returns:
        The built optimizer, and the rows of `phases.describe_groups`.
    """
    groups = build_groups(phase, run.classifier)
    specs = optimizer_specs(phase, groups, steps)
    trainable = run.classifier.model.trainable_variables
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
    run: RunContext,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
) -> None:
    """Compiles what trains: the whole classifier or its suffix."""
    model.compile(
        optimizer=optimizer,
        loss=run.classifier.head.loss.build(phase.label_smoothing),
        metrics=[build_metric(TOP_1, run.dataset.num_classes, run.multi_label)],
        jit_compile=devices.should_compile_with_xla(),
    )


def phase_batches(
    phase: Phase,
    run: RunContext,
    frozen: FrozenPart | None,
    *,
    first_epoch: int,
    num_epochs: int,
) -> Generator[tuple[Any, ...]]:
    """Yields what `fit` reads: pixels, or activations cached or live.

    Args:
        phase: Its augmentation, batch size and name decide.
        run: Its data.
        frozen: Of the phase, or None.
        first_epoch: Counted from 0, where a phase is resumed.
        num_epochs: Of the whole pass.
    """
    from tlkeras.data.batches import row_batches, training_batches
    from tlkeras.data.reader import ViewReader

    train = run.dataset.splits["train"]
    seed = stream_seed(run.config.seed, phase.name)
    order = row_batches(
        len(train),
        batch_size=phase.batch_size,
        seed=seed,
        first_epoch=first_epoch,
        num_epochs=num_epochs,
    )
    if frozen and frozen.is_cached:
        yield from frozen.cached_batches(order, train, run.class_weights)
        return
    reader = ViewReader(
        train,
        run.size,
        phase_views(phase, run),
        num_workers=run.num_workers,
        max_decoded_bytes=run.config.data.max_decoded_bytes,
    )
    batches = training_batches(
        reader,
        order,
        seed=seed,
        class_weights=run.class_weights,
        num_workers=run.num_workers,
    )
    yield from frozen.live_batches(batches) if frozen else batches


def plateau_callbacks(
    phase: Phase, metric: str
) -> list[keras.callbacks.Callback]:
    """Returns what a phase does where validation gets no better.

    Args:
        phase: Its patiences; None leaves a callback out.
        metric: That is watched, without prefix; higher is better.
    """
    monitor = {"monitor": f"val_{metric}", "mode": "max"}
    callbacks: list[keras.callbacks.Callback] = []
    if phase.reduce_on_plateau_patience is not None:
        callbacks.append(
            ReduceLROnPlateau(
                patience=phase.reduce_on_plateau_patience,
                factor=phase.reduce_on_plateau_factor,
                **monitor,
            )
        )
    if phase.early_stopping_patience is not None:
        callbacks.append(
            EarlyStopping(patience=phase.early_stopping_patience, **monitor)
        )
    return callbacks

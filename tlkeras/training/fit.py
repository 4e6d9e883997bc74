"""`method="fit"`: Keras training of one phase, epoch by epoch, resumable."""

import math
import time
from collections.abc import Callable

import keras
import numpy as np

from tlkeras.callbacks.batch_noise import BatchNoise
from tlkeras.callbacks.checkpointer import Checkpointer
from tlkeras.callbacks.divergence_guard import DivergenceGuard
from tlkeras.callbacks.epoch_writer import EpochWriter
from tlkeras.callbacks.progress import Progress as ProgressBar
from tlkeras.callbacks.stateful import StatefulCallback
from tlkeras.callbacks.update_ratios import UpdateRatios
from tlkeras.callbacks.validation import Validation
from tlkeras.data.epoch import steps_per_epoch
from tlkeras.data.parallel import lent
from tlkeras.optim.multi_optimizer import (
    export_slots,
    import_slots,
    inner_optimizers,
    set_first_step,
)
from tlkeras.ranking import rank_key
from tlkeras.training.assembly import (
    build_optimizer,
    compile_model,
    freeze_below,
    freeze_phase,
    phase_batches,
    plateau_callbacks,
)
from tlkeras.training.context import RunContext
from tlkeras.training.first_checks import frozen_guards
from tlkeras.training.frozen_part import FrozenPart, prove_stitched
from tlkeras.training.lr_finder import with_learning_rate
from tlkeras.training.phases import Phase, build_groups, format_groups
from tlkeras.training.state import BestWeights, PhaseOutcome

# Metrics of the validation split, and per-image scores [N].
Validate = Callable[[], tuple[dict[str, float], np.ndarray]]


def run_fit_phase(phase: Phase, run: RunContext) -> PhaseOutcome:
    """Trains one phase from where it stands and returns its outcome.

    The model ends with the weights of the last epoch; the outcome names the
    file with the best ones.
    """
    started = time.perf_counter()
    before = run.progress.seconds
    run.release("train")
    num_images = len(run.dataset.splits["train"])
    steps = steps_per_epoch(num_images, phase.batch_size)
    freeze_phase(phase, run, adapt=not run.progress.has_begun)
    frozen = None if _is_finished(phase, run) else freeze_below(phase, run)
    phase = with_learning_rate(phase, run, frozen)
    optimizer, rows = build_optimizer(phase, run, steps)
    run.console.line(format_groups(rows))
    if run.progress.has_begun:
        _resume_optimizer(run, optimizer)
    else:
        _begin(run, optimizer)
    model = frozen.suffix if frozen else run.classifier.model
    compile_model(phase, run, model, optimizer)

    def validate() -> tuple[dict[str, float], np.ndarray]:
        return run.validate(frozen)

    validation, guard, callbacks = _callbacks(phase, run, steps, validate)
    stateful = [c for c in callbacks if isinstance(c, StatefulCallback)]
    for callback in stateful:
        name = type(callback).__name__
        callback.restore_state(run.progress.callbacks.get(name, {}))

    def commit(epoch: int) -> None:
        _keep_best(phase, run, validation.metrics, validation.scores, epoch)
        run.progress.epoch = epoch
        run.progress.seconds = before + time.perf_counter() - started
        run.progress.callbacks = {
            type(c).__name__: c.get_state() for c in stateful
        }
        run.commit(optimizer)

    callbacks.append(Checkpointer(commit, lambda: not guard.reason))
    if not _is_finished(phase, run):
        _run_epochs(phase, run, steps, callbacks, frozen)
    reason = guard.reason
    if reason:
        run.console.line(f"{phase.name}: ended early, {reason}")
    if run.progress.best is None:
        _fall_back_to_start(phase, run, validate)
    if frozen and not reason:
        prove_stitched(phase, run, frozen)
        run.frozen = frozen if frozen.is_exact else None
    # Slots of a diverged phase would poison the next one.
    run.slots = {} if reason else export_slots(optimizer)
    best = run.progress.best
    assert best is not None
    return PhaseOutcome(
        phase=phase.name,
        best=best,
        seconds=before + time.perf_counter() - started,
        stopped=reason,
        trainable_parameters=sum(
            math.prod(v.shape) for v in run.classifier.model.trainable_variables
        ),
        kept=False,
        comparison=None,
        details={"layer_groups": rows},
    )


def _run_epochs(
    phase: Phase,
    run: RunContext,
    steps: int,
    callbacks: list[keras.callbacks.Callback],
    frozen: FrozenPart | None,
) -> None:
    """Lets Keras train from the last committed epoch to the last."""
    from tlkeras.data.pipeline import naming_bad_files  # brings TensorFlow

    model = frozen.suffix if frozen else run.classifier.model
    batches = phase_batches(
        phase,
        run,
        frozen,
        first_epoch=run.progress.epoch,
        num_epochs=phase.epochs,
    )
    with (
        lent(batches) as read,
        naming_bad_files(run.dataset.splits["train"], run.size),
    ):
        model.fit(
            read,
            initial_epoch=run.progress.epoch,
            epochs=phase.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,  # the batches are in their order already
            verbose=0,
        )


def _begin(run: RunContext, optimizer: keras.optimizers.Optimizer) -> None:
    """Does what happens once, before the first epoch of a phase."""
    run.progress.first_steps = import_slots(optimizer, run.slots)
    run.progress.has_begun = True
    run.commit(optimizer)


def _resume_optimizer(
    run: RunContext, optimizer: keras.optimizers.Optimizer
) -> None:
    run.checkpoints.load_optimizer(optimizer)
    for inner in inner_optimizers(optimizer):
        set_first_step(inner, run.progress.first_steps.get(inner.name, 0))


def _callbacks(
    phase: Phase, run: RunContext, steps: int, validate: Validate
) -> tuple[Validation, DivergenceGuard, list[keras.callbacks.Callback]]:
    """Returns the callbacks in the order in which an epoch's end runs them."""
    guard = DivergenceGuard(
        phase.divergence_factor,
        run.classifier.head.loss.expected_at_zero(run.dataset.num_classes),
    )
    validation = Validation(validate, guard)
    callbacks: list[keras.callbacks.Callback] = [
        guard,
        *frozen_guards(phase, run),
        BatchNoise(),
        UpdateRatios(
            {
                group.name: group.variables
                for group in build_groups(phase, run.classifier)
            },
            steps,
        ),
        validation,
        *plateau_callbacks(phase, run.metric),
        EpochWriter(phase.name, run.metric, [run.history.add]),
        ProgressBar(
            phase.name,
            run.metric,
            num_epochs=phase.epochs,
            steps_per_epoch=steps,
            batch_size=min(phase.batch_size, len(run.dataset.splits["train"])),
            console=run.console,
        ),
    ]
    return validation, guard, callbacks


def _keep_best(
    phase: Phase,
    run: RunContext,
    metrics: dict[str, float],
    scores: np.ndarray,
    epoch: int,
) -> None:
    """Writes the weights if validation was never better in this phase."""
    best = run.progress.best
    if best and _rank(metrics, run) <= _rank(best.metrics, run):
        return
    run.progress.best = BestWeights(
        file=run.checkpoints.save_weights(
            run.classifier.model, f"{phase.name}-{epoch:04d}"
        ),
        epoch=epoch,
        metrics=metrics,
        scores=scores.tolist(),
    )


def _rank(metrics: dict[str, float], run: RunContext) -> tuple[float, float]:
    return rank_key(metrics[run.metric], metrics["loss"])


def _fall_back_to_start(
    phase: Phase, run: RunContext, validate: Validate
) -> None:
    """After a divergence in the first epoch: the phase's start counts."""
    run.checkpoints.load(run.classifier.model)
    _keep_best(phase, run, *validate(), 0)


def _is_finished(phase: Phase, run: RunContext) -> bool:
    stopped = run.progress.callbacks.get("EarlyStopping", {})
    return run.progress.epoch >= phase.epochs or bool(
        stopped.get("stopped_epoch")
    )

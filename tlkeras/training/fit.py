"""`method="fit"`: Keras training of one phase, epoch by epoch, resumable."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from tlkeras.evaluation.records import PhaseDetails
from tlkeras.optim.multi_optimizer import (
    Slots,
    export_slots,
    import_slots,
    inner_optimizers,
    set_first_step,
)
from tlkeras.ranking import rank_key
from tlkeras.training.assembly import build_optimizer, compile_classifier
from tlkeras.training.batches import lent_batches, phase_batches
from tlkeras.training.context import PhaseResult, RunContext
from tlkeras.training.fit_callbacks import FitCallbacks
from tlkeras.training.freezing import freeze_below, freeze_phase
from tlkeras.training.frozen_part import FrozenPart, prove_stitched
from tlkeras.training.lr_finder import with_learning_rate
from tlkeras.training.phases import ResolvedPhase, format_groups
from tlkeras.training.progress import BestWeights, PhaseOutcome, PhaseProgress

# Writes the run's state with the phase where it now stands.
Commit = Callable[[PhaseProgress, keras.optimizers.Optimizer], None]
# Metrics of the validation split, and per-image scores [N].
Validated = tuple[dict[str, float], np.ndarray]


def run_fit_phase(
    phase: ResolvedPhase,
    run: RunContext,
    begun: PhaseProgress,
    slots: Slots,
    commit: Commit,
) -> PhaseResult:
    """Trains one phase from where it stands.

    The model ends with the weights of the last epoch; the outcome names the
    file with the best ones.

    Args:
        phase: What trains, and how.
        run: Its classifier is trained, its history gets a row an epoch.
        begun: Where the phase stands.
        slots: Optimizer slots of the phase before, for one that begins.
        commit: Called before the first epoch and after each.
    """
    started = time.perf_counter() - begun.seconds
    run.release("train")
    steps = phase.steps_per_epoch(len(run.dataset.splits["train"]))
    freeze_phase(phase, run, adapt=not begun.has_begun)
    is_finished = _is_finished(phase, begun)
    frozen = None if is_finished else freeze_below(phase, run)
    asked, phase = (
        phase,
        with_learning_rate(phase, run, frozen, begun.learning_rate),
    )
    if phase is not asked:
        begun = dataclasses.replace(
            begun, learning_rate=float(phase.learning_rate)
        )
    optimizer, rows = build_optimizer(phase, run.classifier, steps)
    run.console.line(format_groups(rows))
    if begun.has_begun:
        _resume_optimizer(run, optimizer, begun)
    else:
        begun = _begin(begun, optimizer, slots)
        commit(begun, optimizer)
    model = frozen.suffix if frozen else run.classifier.model
    compile_classifier(phase, run.classifier, model, optimizer)
    callbacks = FitCallbacks(
        phase, run, begun, lambda: run.validate(frozen), steps
    )
    progress = begun

    def commit_epoch(epoch: int) -> None:
        nonlocal progress
        progress = dataclasses.replace(
            progress,
            epoch=epoch,
            best=_choose_best(
                phase, run, progress.best, callbacks.validated, epoch
            ),
            seconds=time.perf_counter() - started,
            callbacks=callbacks.states,
        )
        commit(progress, optimizer)

    if not is_finished:
        every = callbacks.then(commit_epoch)
        _run_epochs(phase, run, begun.epoch, steps, every, frozen)
    reason = callbacks.stopped
    if reason:
        run.console.line(f"{phase.name}: ended early, {reason}")
    best = progress.best or _fall_back_to_start(phase, run, frozen)
    if frozen and not reason:
        prove_stitched(phase.name, run.classifier, frozen, run.console)
    return PhaseResult(
        PhaseOutcome(
            phase=phase.name,
            best=best,
            seconds=time.perf_counter() - started,
            stopped=reason,
            trainable_parameters=sum(
                math.prod(v.shape)
                for v in run.classifier.model.trainable_variables
            ),
            details=PhaseDetails(layer_groups=rows),
        ),
        frozen=frozen if frozen and frozen.is_exact and not reason else None,
        # Slots of a diverged phase would poison the next one.
        slots={} if reason else export_slots(optimizer),
    )


def _is_finished(phase: ResolvedPhase, begun: PhaseProgress) -> bool:
    stopped = begun.callbacks.get("EarlyStopping", {})
    return begun.epoch >= phase.epochs or bool(stopped.get("stopped_epoch"))


def _begin(
    begun: PhaseProgress, optimizer: keras.optimizers.Optimizer, slots: Slots
) -> PhaseProgress:
    """Does what happens once, before the first epoch of a phase."""
    return dataclasses.replace(
        begun, has_begun=True, first_steps=import_slots(optimizer, slots)
    )


def _resume_optimizer(
    run: RunContext,
    optimizer: keras.optimizers.Optimizer,
    begun: PhaseProgress,
) -> None:
    run.checkpoints.load_optimizer(optimizer)
    for inner in inner_optimizers(optimizer):
        set_first_step(inner, begun.first_steps.get(inner.name, 0))


def _run_epochs(
    phase: ResolvedPhase,
    run: RunContext,
    first_epoch: int,
    steps: int,
    callbacks: list[keras.callbacks.Callback],
    frozen: FrozenPart | None,
) -> None:
    """Lets Keras train from the last committed epoch to the last."""
    train = run.dataset.splits["train"]
    image_size = run.classifier.image_size
    model = frozen.suffix if frozen else run.classifier.model
    batches = phase_batches(
        phase,
        run.config,
        train,
        image_size,
        frozen,
        first_epoch=first_epoch,
        num_epochs=phase.epochs,
    )
    with lent_batches(batches, train, image_size) as read:
        model.fit(
            read,
            initial_epoch=first_epoch,
            epochs=phase.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks,
            shuffle=False,  # the batches are in their order already
            verbose=0,
        )


def _choose_best(
    phase: ResolvedPhase,
    run: RunContext,
    best: BestWeights | None,
    validated: Validated,
    epoch: int,
) -> BestWeights:
    """Returns the best weights so far; writes new ones before that.

    Args:
        phase: Whose name the file gets.
        run: Whose weights the model has now.
        best: Of the epochs before, or None.
        validated: What they are worth.
        epoch: Finished epochs.
    """
    metrics, scores = validated
    if best and _rank(metrics, run) <= _rank(best.metrics, run):
        return best
    return BestWeights(
        file=run.checkpoints.save_weights(
            run.classifier.model, f"{phase.name}-{epoch:04d}"
        ),
        epoch=epoch,
        metrics=metrics,
        scores=scores.tolist(),
    )


def _rank(metrics: Mapping[str, float], run: RunContext) -> tuple[float, float]:
    return rank_key(metrics[run.metric], metrics["loss"])


def _fall_back_to_start(
    phase: ResolvedPhase, run: RunContext, frozen: FrozenPart | None
) -> BestWeights:
    """After a divergence in the first epoch: the phase's start counts."""
    run.checkpoints.load(run.classifier.model)
    return _choose_best(phase, run, None, run.validate(frozen), 0)

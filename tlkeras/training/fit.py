"""`method="fit"`: Keras training of one phase, epoch by epoch, resumable."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping

import keras
import numpy as np

from tlkeras.evaluation.phase_details import PhaseDetails
from tlkeras.optim.multi_optimizer import Slots, export_slots
from tlkeras.ranking import rank_key
from tlkeras.training.batches import lent_batches, phase_batches
from tlkeras.training.context import PhaseResult, RunContext
from tlkeras.training.fit_callbacks import FitCallbacks
from tlkeras.training.fit_plan import prepare_fit
from tlkeras.training.fit_setup import FitSetup
from tlkeras.training.frozen_part import FrozenPart, prove_stitched
from tlkeras.training.phases import ResolvedPhase, format_groups
from tlkeras.training.progress import BestWeights, PhaseOutcome, PhaseProgress
from tlkeras.training.time_plan import TimeLeft

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
    left: TimeLeft,
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
        left: Time for it, where it begins.

    Raises:
        TooLittleTimeError: If not one epoch fits into that.
    """
    started = time.perf_counter() - begun.seconds
    finds_rate = phase.finds_rate
    setup = prepare_fit(phase, run, begun, slots, left)
    phase, frozen, rows = setup.phase, setup.frozen, setup.rows
    is_over = _is_finished(phase, begun)
    if finds_rate:
        rate = float(phase.learning_rate)
        begun = dataclasses.replace(begun, learning_rate=rate)
    run.console.line(format_groups(rows))
    if not begun.has_begun:
        begun = dataclasses.replace(
            begun,
            has_begun=True,
            first_steps=setup.first_steps,
            plan=setup.plan,
        )
        commit(begun, setup.optimizer)

    def commit_epoch(progress: PhaseProgress) -> None:
        seconds = time.perf_counter() - started
        commit(dataclasses.replace(progress, seconds=seconds), setup.optimizer)

    ended, stopped = begun, ""
    if not is_over:
        ended, stopped = _run_epochs(setup, run, begun, commit_epoch)
    if stopped:
        run.console.line(f"{phase.name}: ended early, {stopped}")
    best = ended.best or _fall_back_to_start(phase, run, frozen)
    if frozen and not stopped:
        prove_stitched(phase.name, run.classifier, frozen, run.console)
    trained = run.classifier.model.trainable_variables
    return PhaseResult(
        PhaseOutcome(
            phase=phase.name,
            best=best,
            seconds=time.perf_counter() - started,
            stopped=stopped,
            trainable_parameters=sum(math.prod(v.shape) for v in trained),
            details=PhaseDetails(layer_groups=rows, epochs=phase.epochs),
        ),
        frozen=frozen if frozen and frozen.is_exact and not stopped else None,
        # Slots of a diverged phase would poison the next one.
        slots={} if stopped else export_slots(setup.optimizer),
    )


def _is_finished(phase: ResolvedPhase, begun: PhaseProgress) -> bool:
    stopped = begun.callbacks.get("EarlyStopping", {})
    return begun.epoch >= phase.epochs or bool(stopped.get("stopped_epoch"))


def _run_epochs(
    setup: FitSetup,
    run: RunContext,
    begun: PhaseProgress,
    commit: Callable[[PhaseProgress], None],
) -> tuple[PhaseProgress, str]:
    """Lets Keras train from the last committed epoch to the last.

    Args:
        setup: Of the phase.
        run: Its data.
        begun: Where the phase stands.
        commit: Called after each epoch.

    Returns:
        Where the phase stands then, and why it ended early, or "".
    """
    phase, frozen = setup.phase, setup.frozen
    train, image_size = setup.train, run.classifier.image_size
    steps = phase.steps_per_epoch(len(train))
    callbacks = FitCallbacks(
        phase, run, begun, lambda: run.validate(frozen), steps
    )
    ended = begun

    def end_epoch(epoch: int) -> None:
        nonlocal ended
        ended = dataclasses.replace(
            ended,
            epoch=epoch,
            best=_choose_best(
                phase, run, ended.best, callbacks.validated, epoch
            ),
            callbacks=callbacks.states,
        )
        commit(ended)

    batches = phase_batches(
        phase,
        run.config,
        train,
        image_size,
        frozen,
        first_epoch=begun.epoch,
        num_epochs=phase.epochs,
        part=run.distribution.place,
    )
    with lent_batches(batches, train, image_size) as read:
        setup.model.fit(
            run.distribution.feed(read),
            initial_epoch=begun.epoch,
            epochs=phase.epochs,
            steps_per_epoch=steps,
            callbacks=callbacks.then(end_epoch),
            shuffle=False,  # the batches are in their order already
            verbose=0,
        )
    return ended, callbacks.stopped


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

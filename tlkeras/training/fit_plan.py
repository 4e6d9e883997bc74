"""A `fit` phase made to fit the time: how long it trains, and how much."""

import dataclasses

from tlkeras.models.depths import depth_sections, layer_work
from tlkeras.models.layer_groups import HEAD
from tlkeras.optim.multi_optimizer import Slots
from tlkeras.training.context import RunContext
from tlkeras.training.fit_setup import FitSetup, freeze_for, set_up_fit
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.lr_finder import LOWEST_RATE, NUM_STEPS, find_rate_once
from tlkeras.training.pace import MEASURED_STEPS, measure_pace, time_last_looks
from tlkeras.training.phase_plan import planned
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import PhaseProgress
from tlkeras.training.time_plan import (
    Pace,
    TimeLeft,
    TooLittleTimeError,
    choose_higher,
)

# Work of a multiplication in a step, above the cutoff (forward, and backward
# to inputs and to weights) and below it, where an engine runs it. What is
# chosen by these is measured before it counts.
TRAINED, FROZEN = 3.0, 0.35


def prepare_fit(
    phase: ResolvedPhase,
    run: RunContext,
    begun: PhaseProgress,
    slots: Slots,
    left: TimeLeft,
) -> FitSetup:
    """Freezes, plans and compiles; tells how long the phase will take.

    A phase that has begun keeps its plan, whatever the time is now.

    Args:
        phase: As its config resolves.
        run: Its classifier is frozen.
        begun: Where the phase stands.
        slots: Optimizer slots of the phase before.
        left: Its time.

    Raises:
        TooLittleTimeError: If not one epoch fits into it.
    """
    if begun.has_begun:
        left = TimeLeft(left.spent)
    phase = planned(phase, begun.plan)
    frozen = freeze_for(phase, run, left, adapt=not begun.has_begun)
    if not left.is_limited:
        phase = _with_rate(phase, run, frozen, begun)
        setup = set_up_fit(phase, run, frozen, begun, slots)
        # Processes would measure different times, and take different steps.
        is_alone = run.distribution.place.count == 1
        if is_alone and not (begun.has_begun or run.console.quiet):
            _tell(phase, run, measure_pace(setup, run))
        return setup
    return _fit_to_time(phase, run, frozen, begun, slots, left)


def _with_rate(
    phase: ResolvedPhase,
    run: RunContext,
    frozen: FrozenPart | None,
    begun: PhaseProgress,
) -> ResolvedPhase:
    """Returns the phase with a number for its learning rate."""
    if not phase.finds_rate:
        return phase
    rate = find_rate_once(phase, run, frozen, begun.learning_rate)
    return dataclasses.replace(phase, learning_rate=rate)


def _fit_to_time(
    phase: ResolvedPhase,
    run: RunContext,
    frozen: FrozenPart | None,
    begun: PhaseProgress,
    slots: Slots,
    left: TimeLeft,
) -> FitSetup:
    """Takes fewer epochs, and where these are too few, a higher cutoff."""
    setup = _set_up_any_rate(phase, run, frozen, begun, slots)
    pace = measure_pace(setup, run)
    higher = choose_higher(
        pace,
        left.seconds() - _reserved(run, phase, pace) - pace.first_step,
        phase.epochs,
        _costs_above(phase, run, frozen),
        trial=2 * pace.first_step + MEASURED_STEPS * pace.step,
    )
    if higher is not None:
        sections = depth_sections(run.classifier.backbone).items()
        first = next(start for start, at in sections if at == higher)
        run.console.line(
            f"{phase.name}: an epoch would take {pace.epoch:.1f} s of "
            f"{max(left.seconds(), 0.0):.1f}; training from {first} instead"
        )
        phase = dataclasses.replace(phase, cutoff=higher)
        frozen = freeze_for(phase, run, left, adapt=False)  # it is adapted
        setup = _set_up_any_rate(phase, run, frozen, begun, slots)
        pace = measure_pace(setup, run)
    seconds = left.seconds() - _reserved(run, phase, pace)
    epochs = pace.epochs_within(seconds, phase.epochs)
    if epochs < phase.epochs:
        # The schedule is compiled with its length: once more.
        epochs = pace.epochs_within(seconds - pace.first_step, phase.epochs)
    if not epochs:
        raise TooLittleTimeError(phase.name, pace.epoch + pace.first_step)
    is_same = epochs == phase.epochs and not phase.finds_rate
    wanted, phase = phase.epochs, dataclasses.replace(phase, epochs=epochs)
    if epochs < wanted:
        run.console.line(
            f"{phase.name}: {epochs} of {wanted} epochs fit into "
            f"--config.runtime.max_seconds={run.config.runtime.max_seconds:g}"
        )
    _tell(phase, run, pace)
    if is_same:
        return setup
    if run.config.features.num_views is not None:
        # Whether views are cached depends on how often they are used.
        frozen = freeze_for(phase, run, left, adapt=False)
    phase = _with_rate(phase, run, frozen, begun)
    return set_up_fit(phase, run, frozen, begun, slots)


def _set_up_any_rate(
    phase: ResolvedPhase,
    run: RunContext,
    frozen: FrozenPart | None,
    begun: PhaseProgress,
    slots: Slots,
) -> FitSetup:
    """Returns a setup to measure: steps last as long at any rate."""
    if phase.finds_rate:
        phase = dataclasses.replace(phase, learning_rate=LOWEST_RATE)
    return set_up_fit(phase, run, frozen, begun, slots)


def _reserved(run: RunContext, phase: ResolvedPhase, pace: Pace) -> float:
    """Returns what a phase takes beside its epochs.

    That is finding its learning rate, and the last looks at the splits.
    """
    seconds = time_last_looks(run)
    if phase.finds_rate:
        seconds += 2 * (NUM_STEPS * pace.step + pace.first_step)
    return seconds


def _costs_above(
    phase: ResolvedPhase, run: RunContext, frozen: FrozenPart | None
) -> dict[int, float]:
    """Returns higher cutoff -> work of a step relative to the phase's own.

    They are the starts of stages, or of blocks. A group that is placed in the
    config stays where it is, and so does the cutoff below it.
    """
    groups = phase.groups.items()
    if any(g.starts_at != "auto" for name, g in groups if name != HEAD):
        return {}
    backbone = run.classifier.backbone
    work = layer_work(backbone)
    below = 0.0 if frozen and frozen.is_cached else FROZEN

    def cost(cutoff: int) -> float:
        return below * sum(work[:cutoff]) + TRAINED * sum(work[cutoff:])

    own = max(cost(phase.cutoff), 1.0)
    starts = depth_sections(backbone).values()
    return {at: cost(at) / own for at in starts if at > phase.cutoff}


def _tell(phase: ResolvedPhase, run: RunContext, pace: Pace) -> None:
    seconds = phase.epochs * pace.epoch
    run.console.line(
        f"{phase.name}: {phase.epochs} epochs of {pace.steps} steps; a step "
        f"takes {pace.step:.3f} s, validation {pace.validation:.1f} s: about "
        f"{seconds:.0f} s"
    )

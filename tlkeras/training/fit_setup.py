"""What a `fit` phase trains with: frozen part, optimizer, compiled model."""

import dataclasses

import keras

from tlkeras.data.dataset import Split
from tlkeras.evaluation.phase_details import GroupRow
from tlkeras.optim.multi_optimizer import (
    Slots,
    import_slots,
    inner_optimizers,
    set_first_step,
)
from tlkeras.training.assembly import build_optimizer, compile_classifier
from tlkeras.training.context import RunContext
from tlkeras.training.freezing import freeze_below, freeze_phase
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.phase_plan import PhasePlan
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import PhaseProgress
from tlkeras.training.teacher import taught_split
from tlkeras.training.time_plan import TimeLeft, TooLittleTimeError


@dataclasses.dataclass(frozen=True)
class FitSetup:
    """A phase that is ready to train.

    Attributes:
        phase: With a learning rate that is a number.
        frozen: Its frozen part, or None where everything trains.
        model: Compiled: the suffix, or the whole classifier, or a twin.
        optimizer: Of the model.
        rows: Its layer groups.
        train: Its images, with the targets that it trains with.
        first_steps: Group -> iteration at which its schedule begins.
    """

    phase: ResolvedPhase
    frozen: FrozenPart | None
    model: keras.Model
    optimizer: keras.optimizers.Optimizer
    rows: tuple[GroupRow, ...]
    train: Split
    first_steps: dict[str, int]

    @property
    def plan(self) -> PhasePlan:
        """What holds after a restart."""
        return PhasePlan(self.phase.epochs, self.phase.cutoff)


def freeze_for(
    phase: ResolvedPhase, run: RunContext, left: TimeLeft, *, adapt: bool
) -> FrozenPart | None:
    """Freezes as a phase says, and returns the part that runs once.

    Args:
        phase: About to begin, or to go on.
        run: Its classifier is frozen.
        left: Its time.
        adapt: As for `freeze_phase`.

    Raises:
        TooLittleTimeError: If computing that part takes longer.
    """

    def expect(seconds: float) -> None:
        if left.seconds() < seconds:
            raise TooLittleTimeError(phase.name, seconds)

    run.release("train")
    freeze_phase(phase, run, adapt=adapt)
    return freeze_below(phase, run, expect if left.is_limited else None)


def set_up_fit(
    phase: ResolvedPhase,
    run: RunContext,
    frozen: FrozenPart | None,
    begun: PhaseProgress,
    slots: Slots,
) -> FitSetup:
    """Builds and compiles what a phase trains with.

    Args:
        phase: With a learning rate that is a number.
        run: Its classifier is frozen as the phase says.
        frozen: From `freeze_for`.
        begun: Where the phase stands.
        slots: Of the phase before, for one that begins.
    """
    steps = phase.steps_per_epoch(len(run.dataset.splits["train"]))
    distribution = run.distribution
    optimizer, rows = build_optimizer(
        phase, run.classifier, steps, distribution
    )
    if begun.has_begun:
        first_steps = dict(begun.first_steps)
        run.checkpoints.load_optimizer(optimizer)
        for inner in inner_optimizers(optimizer):
            set_first_step(inner, first_steps.get(inner.name, 0))
    else:
        first_steps = import_slots(optimizer, slots)
    model = distribution.trained(
        frozen.suffix if frozen else run.classifier.model
    )
    with distribution.scope():
        compile_classifier(phase, run.classifier, model, optimizer)
    train = taught_split(phase, run)
    return FitSetup(phase, frozen, model, optimizer, rows, train, first_steps)

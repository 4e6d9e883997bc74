"""How fast a phase trains here: a few of its own steps, put back bit by bit."""

import itertools
import time
from collections.abc import Iterator
from typing import Any

import keras

from tlkeras.models.inference import run_batches
from tlkeras.models.snapshot import restored
from tlkeras.training.batches import lent_batches, phase_batches
from tlkeras.training.context import RunContext
from tlkeras.training.fit_setup import FitSetup
from tlkeras.training.frozen_part import as_inputs
from tlkeras.training.time_plan import Pace

MEASURED_STEPS = 8  # after the first, which compiles
MEASURED_SECONDS = 2.0  # of slow steps two will do
MEASURED_BATCHES = 4  # of validation, after the first


class _Stopwatch(keras.callbacks.Callback):
    """Notes when steps end; ends what has lasted long enough."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) > 2 and self.lasted > MEASURED_SECONDS:
            self.model.stop_training = True

    @property
    def lasted(self) -> float:
        """Seconds of all steps but the first."""
        return self.ends[-1] - self.ends[0]


def measure_pace(setup: FitSetup, run: RunContext) -> Pace:
    """Times a phase's first steps and batches of validation.

    What is compiled for it stays, and the weights, slots and seeds are the
    same bits before and after: the phase then trains as if nothing had been.

    Args:
        setup: Of a phase that has not begun.
        run: Its data.
    """
    with restored(run.classifier.model, setup.optimizer):
        first_step, step = _time_steps(setup, run)
    phase = setup.phase
    return Pace(
        first_step=first_step,
        step=step,
        validation=_time_validation(setup, run),
        commit=_time_commit(setup, run),
        steps=phase.steps_per_epoch(len(run.dataset.splits["train"])),
    )


def _time_steps(setup: FitSetup, run: RunContext) -> tuple[float, float]:
    """Returns the seconds of the first step, and of one of the others."""
    phase, train = setup.phase, setup.train
    image_size = run.classifier.image_size
    available = phase.steps_per_epoch(len(train)) * phase.epochs
    batches = phase_batches(
        phase,
        run.config,
        train,
        image_size,
        setup.frozen,
        first_epoch=0,
        num_epochs=phase.epochs,
        part=run.distribution.place,
    )
    watch, begun = _Stopwatch(), time.perf_counter()
    with lent_batches(batches, train, image_size) as read:
        setup.model.fit(
            run.distribution.feed(read),
            steps_per_epoch=min(1 + MEASURED_STEPS, available),
            callbacks=[watch],
            shuffle=False,
            verbose=0,
        )
    first = watch.ends[0] - begun
    count = len(watch.ends) - 1
    return first, watch.lasted / count if count else first


def _time_validation(setup: FitSetup, run: RunContext) -> float:
    """Returns the seconds of a pass over the validation split."""
    size = run.config.evaluation.batch_size
    batches: Iterator[Any]
    if setup.frozen is None:
        model = run.classifier.model
        batches = iter(run.images("validation"))
    else:
        model = setup.frozen.suffix
        rows = setup.frozen.plain("validation").batches(size)
        batches = map(as_inputs, rows)
    run_batches(model, itertools.islice(batches, 1))  # compiles
    begun = time.perf_counter()
    few = list(itertools.islice(batches, MEASURED_BATCHES))
    if not few:
        return 0.0
    run_batches(model, few)
    each = (time.perf_counter() - begun) / len(few)
    return each * -(-len(run.dataset.splits["validation"]) // size)


def time_last_looks(run: RunContext) -> float:
    """Returns the seconds in which the run will look at its splits at its end.

    The whole model may have to: where the phase's weights are not kept, its
    frozen part serves no longer.
    """
    model = run.classifier.model
    few = list(itertools.islice(run.images("validation"), 2))
    run_batches(model, few[:1])  # compiles, if nothing has yet
    begun = time.perf_counter()
    run_batches(model, few[-1:])
    each = (time.perf_counter() - begun) / len(few[-1])
    count = len(run.dataset.splits["validation"])
    if run.config.evaluation.test_at_end:
        count += len(run.dataset.splits.get("test", ()))
    return each * count


def _time_commit(setup: FitSetup, run: RunContext) -> float:
    """Returns the seconds of writing a state, and new best weights."""
    begun = time.perf_counter()
    run.checkpoints.try_write(run.classifier.model, setup.optimizer)
    return time.perf_counter() - begun

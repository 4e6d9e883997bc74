"""The spine of a run: from a config to a trained, evaluated run directory.

Phases return what they found; this module alone says where the run stands, and
commits it.
"""

import dataclasses
import logging
import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console, log_to_file
from tlkeras.training.context import PhaseResult, RunContext
from tlkeras.training.decide import decide
from tlkeras.training.ensemble import train_ensemble
from tlkeras.training.first_checks import run_first_checks
from tlkeras.training.fit import run_fit_phase
from tlkeras.training.freezing import frozen_as_trained
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.mixing import mix
from tlkeras.training.one_device import Distribution
from tlkeras.training.opening import open_shared_run
from tlkeras.training.outcome import (
    calibrate_and_evaluate,
    read_finished,
    save_model,
    write_result,
)
from tlkeras.training.phase_plan import PhasePlan
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import PhaseProgress, RunProgress
from tlkeras.training.run_clock import closing_seconds, require_trial, time_for
from tlkeras.training.solve import run_solve_phase
from tlkeras.training.start import GivenData, start_run
from tlkeras.training.time_plan import TooLittleTimeError, refuse


@dataclasses.dataclass
class RunState:
    """Where a run stands; assigned here and nowhere else.

    Attributes:
        progress: What is committed as JSON.
        slots: Optimizer slots of the last `fit` phase: name -> array [...].
        frozen: Frozen part of the phase whose weights the model has, if that
            phase ran in this process.
        counted_until: Clock up to which `progress.total_seconds` counts.
    """

    progress: RunProgress = dataclasses.field(default_factory=RunProgress)
    slots: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    frozen: FrozenPart | None = None
    counted_until: float = dataclasses.field(default_factory=time.perf_counter)

    def spent(self) -> float:
        """Returns the seconds of all processes that worked on the run."""
        return (
            self.progress.starting_seconds
            + self.progress.total_seconds
            + time.perf_counter()
            - self.counted_until
        )


def train_and_evaluate(
    config: ConfigDict,
    directory: Path | str,
    *,
    console: Console | None = None,
    dataset: GivenData = None,
    begun: float | None = None,
) -> dict[str, Any]:
    """Trains a classifier as a config says, or goes on where a run stopped.

    Args:
        config: From `tlkeras.config.get_config()`, with changes.
        directory: The run directory; created, continued, or, when it is
            finished, only read.
        console: For progress; None is quiet.
        dataset: In place of what `data.source` holds, for studies that divide
            the images themselves; the same one each time.
        begun: `time.perf_counter()` from which `runtime.max_seconds` counts;
            None = now.

    Returns:
        What `result.json` holds: see the README for its keys; nothing in a
        process that is not the chief of those that train together.

    Raises:
        InputError: For unusable input, data or a directory of another config or
            process, too short a `runtime.max_seconds`, or devices that cannot
            be had.
        GateError: If a check fails.
    """
    console = console or Console(quiet=True)
    begun = time.perf_counter() if begun is None else begun
    with open_shared_run(config, directory) as (
        config,
        directory,
        distribution,
    ):
        if (directory / workdir.RESULT).exists():
            return read_finished(directory)
        if not distribution.place.is_chief:
            console = Console(quiet=True)
        return _run(config, directory, console, dataset, begun, distribution)


def _run(
    config: ConfigDict,
    directory: Path,
    console: Console,
    dataset: GivenData,
    begun: float,
    distribution: Distribution,
) -> dict[str, Any]:
    """Trains in a directory that is this process' own."""
    opened = time.perf_counter()
    for folder in (directory, directory / workdir.CHECKPOINTS):
        workdir.remove_leftovers(folder)
    handler = log_to_file(directory / workdir.LOG)
    try:
        if config.ensemble > 1:
            return train_ensemble(
                config, directory, console, dataset, train_and_evaluate
            )
        run = start_run(config, directory, console, dataset, distribution)
        state = restore(run)
        console.line(
            f"precision {run.precision}, {run.num_workers} workers"
            f"{distribution.describe()}"
        )
        run_first_checks(run, state.progress)
        count_start(state, begun, opened)
        remaining = remaining_phases(run, state)
        for phase in remaining:
            run_phase(phase, run, state)
        if not distribution.place.is_chief:
            return {}
        load_kept(run, state)
        if not remaining:
            state.frozen = frozen_as_trained(run, state.progress)
        scores, calibrated = calibrate_and_evaluate(run, state.frozen)
        save_model(run)
        commit(run, state)  # counts the time up to here
        return write_result(run, state.progress, scores, calibrated).as_dict()
    finally:
        console.stop()
        logging.getLogger("tlkeras").removeHandler(handler)
        handler.close()


def restore(run: RunContext) -> RunState:
    """Puts the weights into the model that were committed before, if any.

    `history.csv` is cut back to what was committed.
    """
    state = RunState()
    state.progress, state.slots = run.checkpoints.load(run.classifier.model)
    committed = dict.fromkeys(
        (o.phase for o in state.progress.outcomes), math.inf
    )
    for phase in remaining_phases(run, state)[:1]:
        committed[phase.name] = state.progress.current.epoch
    run.history.cut_back(committed)
    return state


def count_start(state: RunState, begun: float, opened: float) -> None:
    """Counts what this process did before its first phase.

    Args:
        state: Just restored and checked.
        begun: Clock when the process began to work for the run.
        opened: The same after its imports.
    """
    progress = state.progress
    checking = time.perf_counter() - state.counted_until
    state.progress = dataclasses.replace(
        progress,
        starting_seconds=progress.starting_seconds
        + state.counted_until
        - begun,
        # A run that goes on is not checked again.
        prepared_seconds=max(
            progress.prepared_seconds, opened - begun + checking
        ),
    )


def remaining_phases(run: RunContext, state: RunState) -> list[ResolvedPhase]:
    """Returns the phases that are neither finished yet nor left out."""
    done = {outcome.phase for outcome in state.progress.outcomes}
    done |= {n for n, plan in state.progress.plans.items() if not plan.epochs}
    return [phase for phase in run.phases if phase.name not in done]


def run_phase(phase: ResolvedPhase, run: RunContext, state: RunState) -> None:
    """Runs one phase, decides whether its weights stay, and commits that.

    Raises:
        InputError: If there is no time for it, and no phase before it.
    """
    state.frozen = None
    try:
        result = _train(phase, run, state)
    except TooLittleTimeError as error:
        leave_out(phase, run, state, error)
        return
    result = mix(result, state.progress.kept, run, phase)
    outcome = decide(result.outcome, state.progress.kept, run)
    if outcome.kept:
        state.frozen = result.frozen
        state.slots = state.slots if result.slots is None else result.slots
    else:
        state.slots = {}  # they belong to weights that are given up
    state.progress = state.progress.with_outcome(outcome, result.timings)
    load_kept(run, state)
    commit(run, state)
    follow_chief(run, state)


def follow_chief(run: RunContext, state: RunState) -> None:
    """Lets all processes go on from what the chief has committed.

    What each computes for itself, coefficients of a solved head for example,
    may differ in the last bit.
    """
    run.distribution.publish(run.directory)
    if run.distribution.receive(run.directory):
        state.progress, state.slots = run.checkpoints.load(run.classifier.model)
        load_kept(run, state)


def _train(
    phase: ResolvedPhase, run: RunContext, state: RunState
) -> PhaseResult:
    """Solves or fits a phase; one that is fitted commits as it goes."""
    later = [p for p in remaining_phases(run, state) if p.name != phase.name]
    prepared = state.progress.prepared_seconds
    left = time_for(phase, later, run, state.spent, prepared)
    if phase.method == "solve":
        return run_solve_phase(phase, run, left)

    def commit_phase(
        current: PhaseProgress, optimizer: keras.optimizers.Optimizer
    ) -> None:
        state.progress = state.progress.with_phase(phase.name, current)
        commit(run, state, optimizer)

    begun = state.progress.of_phase(phase.name)
    if state.progress.kept and not begun.has_begun:
        require_trial(phase, left, prepared)
    return run_fit_phase(phase, run, begun, state.slots, commit_phase, left)


def leave_out(
    phase: ResolvedPhase,
    run: RunContext,
    state: RunState,
    error: TooLittleTimeError,
) -> None:
    """Goes on without a phase, with the weights before it.

    Raises:
        InputError: If there are none: the run would end with nothing.
    """
    if state.progress.kept is None:
        raise refuse(
            error,
            budget=run.config.runtime.max_seconds,
            spent=state.spent(),
            closing=closing_seconds(state.progress.prepared_seconds),
        ) from None
    run.console.line(
        f"{phase.name} is left out: it takes {error.needed:.1f} s at least, "
        f"and {run.config.runtime.max_seconds:g} s would be over before its end"
    )
    plan = PhasePlan(0, phase.cutoff)
    state.progress = state.progress.without(phase.name, plan)
    load_kept(run, state)
    state.frozen = frozen_as_trained(run, state.progress)
    commit(run, state)


def commit(
    run: RunContext,
    state: RunState,
    optimizer: keras.optimizers.Optimizer | None = None,
) -> None:
    """Writes the checkpoint, in one rename.

    Args:
        run: Whose model is written.
        state: Where the run stands.
        optimizer: Of the phase that goes on, or None between phases.
    """
    now = time.perf_counter()
    seconds = state.progress.total_seconds + now - state.counted_until
    state.progress = dataclasses.replace(state.progress, total_seconds=seconds)
    state.counted_until = now
    run.checkpoints.commit(
        state.progress, run.classifier.model, optimizer, state.slots
    )


def load_kept(run: RunContext, state: RunState) -> None:
    """Puts the best weights over all phases into the model."""
    kept = state.progress.kept
    assert kept is not None
    run.checkpoints.load_weights(run.classifier.model, kept.best.file)

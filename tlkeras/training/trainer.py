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
from tlkeras.training.first_checks import run_first_checks
from tlkeras.training.fit import run_fit_phase
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.outcome import (
    calibrate_and_evaluate,
    frozen_as_trained,
    read_finished,
    write_result,
)
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import PhaseProgress, RunProgress
from tlkeras.training.solve import run_solve_phase
from tlkeras.training.start import GivenData, open_run, start_run


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


def train_and_evaluate(
    config: ConfigDict,
    directory: Path | str,
    *,
    console: Console | None = None,
    dataset: GivenData = None,
) -> dict[str, Any]:
    """Trains a classifier as a config says, or goes on where a run stopped.

    Args:
        config: From `tlkeras.config.get_config()`, with changes.
        directory: The run directory; created, continued, or, when it is
            finished, only read.
        console: For progress; None is quiet.
        dataset: In place of what `data.source` holds, for studies that divide
            the images themselves; the same one each time.

    Returns:
        What `result.json` holds: see the README for its keys.

    Raises:
        InputError: For unusable input, data or a directory of another config or
            process.
        GateError: If a check fails.
    """
    console = console or Console(quiet=True)
    with open_run(config, directory) as (config, directory):
        if (directory / workdir.RESULT).exists():
            return read_finished(directory)
        return _run(config, directory, console, dataset)


def _run(
    config: ConfigDict,
    directory: Path,
    console: Console,
    dataset: GivenData,
) -> dict[str, Any]:
    """Trains in a directory that is this process' own."""
    for folder in (directory, directory / workdir.CHECKPOINTS):
        workdir.remove_leftovers(folder)
    handler = log_to_file(directory / workdir.LOG)
    try:
        run = start_run(config, directory, console, dataset)
        state = restore(run)
        console.line(f"precision {run.precision}, {run.num_workers} workers")
        run_first_checks(run, state.progress)
        remaining = remaining_phases(run, state)
        for phase in remaining:
            run_phase(phase, run, state)
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


def remaining_phases(run: RunContext, state: RunState) -> list[ResolvedPhase]:
    """Returns the phases that are not finished yet."""
    done = {outcome.phase for outcome in state.progress.outcomes}
    return [phase for phase in run.phases if phase.name not in done]


def run_phase(phase: ResolvedPhase, run: RunContext, state: RunState) -> None:
    """Runs one phase, decides whether its weights stay, and commits that."""
    state.frozen = None
    result = _train(phase, run, state)
    outcome = decide(result.outcome, state.progress.kept, run)
    if outcome.kept:
        state.frozen = result.frozen
        state.slots = state.slots if result.slots is None else result.slots
    else:
        state.slots = {}  # they belong to weights that are given up
    state.progress = state.progress.with_outcome(outcome, result.timings)
    load_kept(run, state)
    commit(run, state)


def _train(
    phase: ResolvedPhase, run: RunContext, state: RunState
) -> PhaseResult:
    """Solves or fits a phase; one that is fitted commits as it goes."""
    if phase.method == "solve":
        return run_solve_phase(phase, run)

    def commit_phase(
        current: PhaseProgress, optimizer: keras.optimizers.Optimizer
    ) -> None:
        state.progress = state.progress.with_phase(phase.name, current)
        commit(run, state, optimizer)

    begun = state.progress.of_phase(phase.name)
    return run_fit_phase(phase, run, begun, state.slots, commit_phase)


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


def save_model(run: RunContext) -> None:
    """Writes `model.keras`."""
    model = run.classifier.model
    # Without the compiled state: the file is for inference and transfer.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with workdir.replacing(run.directory / workdir.MODEL) as temporary:
        bare.save(temporary)

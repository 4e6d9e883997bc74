"""A learning rate for one phase of a config: `tlkeras find_lr`."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.errors import InputError
from tlkeras.tables import lookup
from tlkeras.training.context import RunContext
from tlkeras.training.first_checks import fitted_phases, run_first_checks
from tlkeras.training.freezing import freeze_below, freeze_phase
from tlkeras.training.learning_rates import (
    AUTO,
    LearningRates,
    check_rule,
    write_learning_rates,
)
from tlkeras.training.lr_finder import (
    HIGHEST_RATE,
    LOWEST_RATE,
    MIN_POINTS,
    NUM_STEPS,
    find_learning_rates,
)
from tlkeras.training.opening import open_shared_run
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.start import build_run, start_run
from tlkeras.training.trainer import (
    RunState,
    remaining_phases,
    restore,
    run_phase,
)


def find_phase_rates(
    config: ConfigDict,
    directory: Path | str,
    *,
    phase: str = "",
    rule: str = AUTO,
    lowest: float = LOWEST_RATE,
    highest: float = HIGHEST_RATE,
    num_steps: int = NUM_STEPS,
    console: Console | None = None,
) -> LearningRates:
    """Runs a range test on the weights that a phase would begin with.

    The phases before it run first, as `train` would run them, and are kept:
    `train` on the same directory goes on after them.

    Args:
        config: As for `train_and_evaluate`.
        directory: Of the run that is to come, or of one that there is.
        phase: Its name; "" = the last one that trains by gradient descent.
        rule: Key of `lr_rules.RULES`, or auto.
        lowest: First base rate, above 0.
        highest: Last base rate, above `lowest`.
        num_steps: Batches.
        console: For progress; None is quiet.

    Returns:
        What was found, also written to `lr_finder.json`.

    Raises:
        InputError: For unusable input, or a phase without a learning rate.
        GateError: If a check of the run fails.
    """
    console = console or Console(quiet=True)
    check_rule(rule)
    is_range = 0 < lowest < highest < float("inf")
    if not is_range or num_steps < MIN_POINTS:
        raise InputError(
            f"A range test over {lowest:g} .. {highest:g} in {num_steps} steps "
            "is impossible; expected increasing rates above 0 and at least "
            f"{MIN_POINTS} steps: check --low, --high and --num_steps."
        )
    with open_shared_run(config, directory, alone="find_lr") as (
        config,
        directory,
        distribution,
    ):
        return _search(
            start_run(config, directory, console, distribution=distribution),
            phase,
            rule=rule,
            lowest=lowest,
            highest=highest,
            num_steps=num_steps,
        )


def _search(
    run: RunContext,
    phase: str,
    **search: Any,
) -> LearningRates:
    """Trains what comes before a phase, and tests rates on it."""
    state = restore(run)
    chosen = _choose_phase(run, phase)
    run_first_checks(run, state.progress)
    for earlier in remaining_phases(run, state):
        if earlier.name == chosen.name:
            break
        run_phase(earlier, run, state)
    before = _kept_before(run, state, chosen)
    if state.progress.current.has_begun or _is_done(state, chosen):
        # Weights and seeds have moved on; the phase began with others.
        run = build_run(
            run.config,
            run.directory,
            run.dataset,
            run.precision,
            run.console,
            run.distribution,
        )
    if before is not None:
        run.checkpoints.load_weights(run.classifier.model, before)
    freeze_phase(chosen, run, adapt=True)
    found = find_learning_rates(
        chosen,
        run,
        freeze_below(chosen, run),
        **search,
    )
    write_learning_rates(found, run.directory)
    return found


def _choose_phase(run: RunContext, name: str) -> ResolvedPhase:
    fitted = {phase.name: phase for phase in fitted_phases(run)}
    if not fitted:
        raise InputError(
            "No phase trains by gradient descent, so there is no rate to find; "
            "expected one with method 'fit': set "
            "--config.phases.linear_probe.method=fit."
        )
    if name in run.config.phases.phase_order and name not in fitted:
        raise InputError(
            f"The phase '{name}' is solved exactly, or skipped, and has no "
            f"learning rate; expected one of {', '.join(fitted)}: set "
            f"--config.phases.{name}.method=fit and its epochs."
        )
    name = name or list(fitted)[-1]
    return lookup(fitted, name, what="phase")


def _is_done(state: RunState, phase: ResolvedPhase) -> bool:
    return phase.name in {outcome.phase for outcome in state.progress.outcomes}


def _kept_before(
    run: RunContext, state: RunState, phase: ResolvedPhase
) -> str | None:
    """Returns the file of the weights that a phase begins with."""
    order = list(run.config.phases.phase_order)
    earlier = order[: order.index(phase.name)]
    kept = [o for o in state.progress.outcomes if o.phase in earlier and o.kept]
    return kept[-1].best.file if kept else None

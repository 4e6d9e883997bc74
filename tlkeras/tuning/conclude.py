"""After the search: noise, finalists, the winner's files and its run."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.config_file import write_config_file
from tlkeras.console import Console
from tlkeras.errors import GateError
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.models.heads import HEADS
from tlkeras.tuning.comparison import compare_runs, format_comparison
from tlkeras.tuning.context import SearchContext
from tlkeras.tuning.finals import (
    Repeater,
    measure_noise,
    rank_trials,
    retrain_best,
    tied_trials,
)
from tlkeras.tuning.space.fields import copy_config
from tlkeras.tuning.store.search_result import Comparison, SearchResult
from tlkeras.tuning.trials.outcome import TrialOutcome, read_outcomes

SIGNIFICANT = 0.05  # one-sided p of a winner that is called better


def conclude(context: SearchContext) -> SearchResult:
    """Measures the noise, trains the best again, and trains the winner.

    Returns:
        The result, without the seconds and settings.

    Raises:
        GateError: If no trial completed, or a final run failed.
    """
    outcomes = read_outcomes(context.store)
    _require_completed(outcomes)
    # Finished whatever the search's budget was: few, and needed.
    context = dataclasses.replace(context, runner=context.runner.until(None))
    result = _choose_winner(context, outcomes)
    _tell_finals(context.console, result)
    config = _write_winner(context, result.trials[result.best])
    comparison = _train_finals(context, config)
    return dataclasses.replace(result, comparison=comparison)


def _choose_winner(
    context: SearchContext, outcomes: Sequence[TrialOutcome]
) -> SearchResult:
    tuning, plan = context.plan.config.tuning, context.plan
    repeater = Repeater(
        context.runner,
        context.store,
        epochs=plan.epochs,
        seed=plan.config.seed,
    )
    noise = measure_noise(outcomes, repeater, tuning.noise_seeds)
    finalists = retrain_best(
        outcomes,
        repeater,
        num_trials=tuning.final_trials,
        num_seeds=tuning.final_seeds,
        floor=noise.floor,
    )
    multi_label = HEADS[plan.config.model.head].multi_label
    return SearchResult(
        metric=f"val/{primary_metric(multi_label)}",
        best=finalists[0].trial,
        mode=plan.mode,
        oracle=tuning.oracle,
        phases=plan.phases,
        space={field.name: field.as_text() for field in plan.space},
        stages=tuple(context.oracle.stage_notes()),
        ended=context.oracle.ended,
        trials=tuple(outcomes),
        noise=noise,
        tied=tuple(tied_trials(outcomes, noise.floor)),
        finalists=tuple(finalists),
    )


def _require_completed(outcomes: Sequence[TrialOutcome]) -> None:
    if rank_trials(outcomes):
        return
    reason = next((o.reason for o in outcomes if o.reason), "there was none")
    raise GateError(
        f"None of {len(outcomes)} trials completed; the first: {reason}; "
        "search lower rates, or raise the limits, in a new --workdir."
    )


def _tell_finals(console: Console, result: SearchResult) -> None:
    noise = result.noise
    if noise.floor is None:
        console.line("noise floor: unknown, the repetitions did not complete")
    else:
        console.line(
            f"noise floor {noise.floor:.4f} over "
            f"{len(noise.accuracies)} seeds: {len(result.tied)} of "
            f"{len(result.trials)} trials are tied with the best"
        )
    for finalist in result.finalists:
        values = result.trials[finalist.trial].values
        console.line(
            f"trained again: {finalist.mean:.4f} over "
            f"{len(finalist.accuracies)} seeds, trial {finalist.trial + 1}, "
            + ", ".join(f"{k}={v}" for k, v in values.items())
        )


def _write_winner(context: SearchContext, winner: TrialOutcome) -> ConfigDict:
    """Writes the winner as a config file; returns its config."""
    config = context.plan.trial_config(winner.values)
    config.evaluation.test_at_end = context.config.evaluation.test_at_end
    config.runtime.max_seconds = context.config.runtime.max_seconds
    values = "\n".join(f"  {k} = {v}" for k, v in winner.values.items())
    title = (
        "The winner of a search.\n\n"
        f"Purpose: these values, found on validation:\n{values}\n\n"
        f"Result: validation {winner.val_accuracy:.4f} in the search."
    )
    write_config_file(context.directory / workdir.TUNED_CONFIG, config, title)
    return config


def _train_finals(
    context: SearchContext, config: ConfigDict
) -> Comparison | None:
    """Trains the winner, and the config as given, and compares them.

    Both look at the test split once, when all is decided.
    """
    tuned = context.directory / workdir.TUNED_RUN
    given = context.directory / workdir.GIVEN_RUN
    _train_run(context, config, tuned)
    if not context.plan.config.tuning.compare:
        return None
    _train_run(context, _as_given(context), given)
    compared = compare_runs(
        given,
        tuned,
        num_samples=config.evaluation.bootstrap_samples,
        significant=SIGNIFICANT,
    )
    for line in format_comparison(compared):
        context.console.line(line)
    return compared


def _train_run(
    context: SearchContext, config: ConfigDict, directory: Path
) -> None:
    context.console.line(f"training {directory.name}/")
    context.runner.train_run(config, directory)


def _as_given(context: SearchContext) -> ConfigDict:
    """Returns the config as given, through the same phases as the winner."""
    config = copy_config(context.config)
    for name in config.phases.phase_order:
        if context.plan.config.phases[name].epochs == 0:
            config.phases[name].epochs = 0
    return config

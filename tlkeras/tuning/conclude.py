"""After the search: noise, finalists, the winner's files and its run."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.config_file import write_config_file
from tlkeras.console import Console
from tlkeras.errors import GateError
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.tuning.comparison import compare_runs, format_comparison, train_run
from tlkeras.tuning.context import SearchContext, stage_notes
from tlkeras.tuning.finals import (
    Finalist,
    Repeater,
    measure_noise,
    rank_trials,
    retrain_best,
    tied_trials,
)
from tlkeras.tuning.search import RunTrials
from tlkeras.tuning.space.fields import copy_config
from tlkeras.tuning.trials.full_trials import ProcessRunner
from tlkeras.tuning.trials.outcome import TrialOutcome, read_outcomes


def conclude(context: SearchContext) -> dict[str, Any]:
    """Measures the noise, trains the best again, and trains the winner.

    Returns:
        What `tuning.json` holds, without the seconds.

    Raises:
        GateError: If no trial completed, or a final run failed.
    """
    tuning, plan = context.plan.config.tuning, context.plan
    outcomes = read_outcomes(context.store)
    _require_completed(outcomes)
    # Finished whatever the search's budget was: few, and needed.
    context.run_trials = _without_deadline(context.run_trials)
    repeater = Repeater(
        context.run_trials,
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
        floor=noise["floor"],
    )
    winner = finalists[0].trial
    tied = tied_trials(outcomes, noise["floor"])
    _tell_finals(context.console, outcomes, noise, tied, finalists)
    config = _write_winner(context, outcomes[winner])
    result = _as_result(context, outcomes, winner)
    result |= {
        "noise_floor": noise["floor"],
        "noise": noise,
        "tied": tied,
        "finalists": [
            {**dataclasses.asdict(f), "mean": f.mean} for f in finalists
        ],
    }
    return result | _train_finals(context, config)


def _require_completed(outcomes: Sequence[TrialOutcome]) -> None:
    if rank_trials(outcomes):
        return
    reason = next((o.reason for o in outcomes if o.reason), "there was none")
    raise GateError(
        f"None of {len(outcomes)} trials completed; the first: {reason}; "
        "search lower rates, or raise the limits, in a new --workdir."
    )


def _without_deadline(run_trials: RunTrials) -> RunTrials:
    if isinstance(run_trials, ProcessRunner):
        run_trials.limits = dataclasses.replace(
            run_trials.limits, deadline=None
        )
    else:
        run_trials.is_over = lambda: False  # type: ignore[attr-defined]
    return run_trials


def _tell_finals(
    console: Console,
    outcomes: Sequence[TrialOutcome],
    noise: dict[str, Any],
    tied: Sequence[int],
    finalists: Sequence[Finalist],
) -> None:
    if noise["floor"] is None:
        console.line("noise floor: unknown, the repetitions did not complete")
    else:
        console.line(
            f"noise floor {noise['floor']:.4f} over "
            f"{len(noise['accuracies'])} seeds: {len(tied)} of "
            f"{len(outcomes)} trials are tied with the best"
        )
    for finalist in finalists:
        values = outcomes[finalist.trial].values
        console.line(
            f"trained again: {finalist.mean:.4f} over "
            f"{len(finalist.accuracies)} seeds, trial {finalist.trial + 1}, "
            + ", ".join(f"{k}={v}" for k, v in values.items())
        )


def _write_winner(context: SearchContext, winner: TrialOutcome) -> ConfigDict:
    """Writes the winner as a config file; returns its config."""
    config = context.plan.trial_config(winner.values)
    config.evaluation.test_at_end = context.config.evaluation.test_at_end
    values = "\n".join(f"  {k} = {v}" for k, v in winner.values.items())
    title = (
        "The winner of a search.\n\n"
        f"Purpose: these values, found on validation:\n{values}\n\n"
        f"Result: validation {winner.val_accuracy:.4f} in the search."
    )
    write_config_file(context.directory / workdir.TUNED_CONFIG, config, title)
    return config


def _train_finals(context: SearchContext, config: ConfigDict) -> dict[str, Any]:
    """Trains the winner, and the config as given, and compares them."""
    apart = context.plan.mode == "full"
    directory = context.directory
    tuned = directory / workdir.TUNED_RUN
    train_run(config, tuned, apart=apart, console=context.console)
    found: dict[str, Any] = {
        "tuned_config": workdir.TUNED_CONFIG,
        "tuned_run": workdir.TUNED_RUN,
    }
    if not context.plan.config.tuning.compare:
        return found
    given = directory / workdir.GIVEN_RUN
    reference = _as_given(context)
    train_run(reference, given, apart=apart, console=context.console)
    compared = compare_runs(
        given,
        tuned,
        num_samples=config.evaluation.bootstrap_samples,
        significant=config.evaluation.replace_p_value,
    )
    for line in format_comparison(compared):
        context.console.line(line)
    return {**found, "given_run": workdir.GIVEN_RUN, "comparison": compared}


def _as_given(context: SearchContext) -> ConfigDict:
    """Returns the config as given, through the same phases as the winner."""
    config = copy_config(context.config)
    for name in config.phases.phase_order:
        if context.plan.config.phases[name].epochs == 0:
            config.phases[name].epochs = 0
    return config


def _as_result(
    context: SearchContext, outcomes: Sequence[TrialOutcome], best: int
) -> dict[str, Any]:
    plan, oracle = context.plan, context.oracle
    trials = []
    for outcome in outcomes:
        row = dataclasses.asdict(outcome)
        del row["history"]
        trials.append(row)
    multi_label = plan.config.model.head == "multi_label"
    return {
        "metric": f"val/{primary_metric(multi_label)}",
        "num_trials": len(outcomes),
        "best": best,
        "mode": plan.mode,
        "oracle": plan.config.tuning.oracle,
        "phases": list(plan.phases),
        "space": {field.name: field.as_text() for field in plan.space},
        "stages": stage_notes(oracle),
        "ended": oracle.ended,
        "trials": trials,
    }

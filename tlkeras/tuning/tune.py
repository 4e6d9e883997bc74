"""The spine of a search: from a config and a space to a tuned run."""

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console, log_to_file
from tlkeras.errors import GateError
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.tuning.comparison import compare_runs, format_comparison, train_run
from tlkeras.tuning.config_file import write_config_file
from tlkeras.tuning.finals import (
    Finalist,
    Repeater,
    measure_noise,
    rank_trials,
    retrain_best,
    tied_trials,
)
from tlkeras.tuning.full_trials import ProcessRunner
from tlkeras.tuning.live_table import LiveTable
from tlkeras.tuning.oracles import RandomOracle, StoredOracle, build_oracle
from tlkeras.tuning.outcome import TrialOutcome, read_outcomes
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.search import RunTrials, search, store_of
from tlkeras.tuning.search_directory import (
    open_search_directory,
    write_given_config,
)
from tlkeras.tuning.watched_process import Limits

ALL_AT_ONCE = 10**6
# Trials that the oracle proposes before it is told of any of them, on codes.
BATCH_SIZES = {
    "random": ALL_AT_ONCE,
    "bayesian": 16,
    "hyperband": ALL_AT_ONCE,
}
GIVEN_CONFIG = "given.py"


@dataclasses.dataclass
class SearchContext:
    """A search in progress.

    Attributes:
        config: As given.
        plan: Of the search.
        directory: Of the search.
        oracle: Proposes trials and is told.
        console: For people.
        run_trials: Runs a batch of trials.
    """

    config: ConfigDict
    plan: SearchPlan
    directory: Path
    oracle: StoredOracle
    console: Console
    run_trials: RunTrials

    @property
    def store(self) -> Path:
        """Folder of the trials."""
        return store_of(self.directory)


def tune(
    config: ConfigDict,
    plan: SearchPlan,
    directory: Path | str,
    *,
    console: Console | None = None,
) -> dict[str, Any]:
    """Searches, or goes on with a search, and trains the winner.

    Args:
        config: As given.
        plan: From `make_plan(config, ...)`.
        directory: Of the search; created, continued, or, when it is finished,
            only read.
        console: For progress; None is quiet.

    Returns:
        What `tuning.json` holds.

    Raises:
        InputError: For unusable input, or the directory of another search.
        GateError: If no trial completed, or a final run failed.
    """
    console = console or Console(quiet=True)
    directory = open_search_directory(Path(directory), plan)
    if (directory / workdir.TUNING).exists():
        return workdir.read_json(directory / workdir.TUNING)
    handler = log_to_file(directory / workdir.LOG)
    started = time.perf_counter()
    try:
        context = _start(config, plan, directory, console)
        searching = time.perf_counter()
        _run_search(context)
        seconds = {"search": round(time.perf_counter() - searching, 3)}
        result = _conclude(context)
        seconds["total"] = round(time.perf_counter() - started, 3)
        result["seconds"] = seconds
        workdir.write_json(directory / workdir.TUNING, result)
        return result
    finally:
        logging.getLogger("tlkeras").removeHandler(handler)
        handler.close()


def _start(
    config: ConfigDict, plan: SearchPlan, directory: Path, console: Console
) -> SearchContext:
    """Prepares what runs trials: codes in memory, or processes."""
    fields = ", ".join(f"{f.name} in {f.as_text()}" for f in plan.space)
    console.line(f"{plan.mode} mode; searching {fields}")
    write_given_config(directory / GIVEN_CONFIG, config, plan)
    if plan.mode == "full":
        oracle = build_oracle(plan, directory)
        return SearchContext(
            config, plan, directory, oracle, console, make_runner(plan, oracle)
        )
    from tlkeras.tuning.codes import load_head_codes
    from tlkeras.tuning.head_trials import HeadRunner

    codes = load_head_codes(plan.config, console)
    oracle = build_oracle(plan, directory)
    runner = HeadRunner(codes, plan.trial_config, _clock(oracle.deadline))
    return SearchContext(config, plan, directory, oracle, console, runner)


def make_runner(plan: SearchPlan, oracle: Any) -> ProcessRunner:
    """Returns what runs trials in processes."""
    tuning = plan.config.tuning
    limits = Limits(
        tuning.max_trial_seconds,
        tuning.max_trial_bytes,
        getattr(oracle, "deadline", None),
    )
    return ProcessRunner(plan.trial_config, limits)


def _clock(deadline: float | None) -> Callable[[], bool]:
    return lambda: deadline is not None and time.monotonic() > deadline


def _run_search(context: SearchContext) -> None:
    """Runs all trials that are still to run."""
    plan, tuning = context.plan, context.plan.config.tuning
    total = None if tuning.oracle == "hyperband" else plan.num_trials
    done = len(read_outcomes(context.store))
    if done:
        context.console.line(f"going on after {done} finished trials")
    left = None if total is None else max(0, total - done)
    table = LiveTable(
        context.console,
        [field.name for field in plan.space],
        left,
        tuning.max_seconds,
    )
    with table:
        if tuning.workers or _is_distributed():
            from tlkeras.tuning.workers import lead_workers

            lead_workers(context, table)
        else:
            _search_here(context, table)
    for line in stage_notes(context.oracle):
        context.console.line(line)
    if context.oracle.ended:
        context.console.line(f"the search ended: {context.oracle.ended}")


def _is_distributed() -> bool:
    from tlkeras.tuning.workers import read_address

    return read_address() is not None


def _search_here(context: SearchContext, table: LiveTable) -> None:
    tuning = context.plan.config.tuning
    batch = BATCH_SIZES[tuning.oracle] if context.plan.mode == "codes" else 1
    search(
        context.oracle,
        context.run_trials,
        context.store,
        batch_size=min(batch, tuning.patience or batch),
        default_epochs=context.plan.epochs,
        watcher=table,
    )


def stage_notes(oracle: StoredOracle) -> list[str]:
    """Returns what led from stage to stage."""
    if not isinstance(oracle, RandomOracle):
        return []
    return [
        f"stage {number}: {note}"
        for number, (_, notes) in enumerate(oracle.stage_spaces(), 1)
        for note in notes
    ]


def _conclude(context: SearchContext) -> dict[str, Any]:
    """Measures the noise, trains the best again, and trains the winner."""
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
    from tlkeras.tuning.fields import copy_config

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

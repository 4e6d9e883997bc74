"""The spine of a search: from a config and a space to a tuned run."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.checks.suite import Suite
from tlkeras.console import Console, log_to_file
from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured
from tlkeras.training.build import require_fitting_head
from tlkeras.training.first_checks import run_data_checks
from tlkeras.tuning.conclude import conclude
from tlkeras.tuning.context import SearchContext, stage_notes
from tlkeras.tuning.networks import check_networks
from tlkeras.tuning.page.hparams import write_hparams
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.page.search_page import write_page
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.search import search
from tlkeras.tuning.store.oracles import build_oracle
from tlkeras.tuning.store.search_directory import (
    concluding_settings,
    open_search_directory,
    read_finished,
    write_given_config,
)
from tlkeras.tuning.trials.full_trials import ProcessRunner
from tlkeras.tuning.trials.outcome import read_outcomes
from tlkeras.tuning.trials.watched_process import Limits

ALL_AT_ONCE = 10**6
# Trials that the oracle proposes before it is told of any of them, on codes.
BATCH_SIZES = {
    "random": ALL_AT_ONCE,
    "bayesian": 16,
    "hyperband": ALL_AT_ONCE,
}


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
        InputError: For unusable input, the directory of another search, or a
            finished one that was concluded with other settings.
        GateError: If no trial completed, or a final run failed.
    """
    console = console or Console(quiet=True)
    directory = Path(directory)
    if plan.mode == "full" and not (directory / workdir.SEARCH).exists():
        check_networks(plan)  # before there is a directory for this space
    directory = open_search_directory(directory, plan)
    if (directory / workdir.TUNING).exists():
        console.line(f"the search in {directory} is finished: only read")
        return read_finished(directory, plan)
    handler = log_to_file(directory / workdir.LOG)
    started = time.perf_counter()
    try:
        context = _start(config, plan, directory, console)
        searching = time.perf_counter()
        _run_search(context)
        seconds = {"search": round(time.perf_counter() - searching, 3)}
        result = conclude(context)
        seconds["total"] = round(time.perf_counter() - started, 3)
        result |= {"seconds": seconds, "settings": concluding_settings(plan)}
        for place in (directory / workdir.TUNED_RUN, directory):
            # Also beside the winner's run, whose report tells of the search.
            workdir.write_json(place / workdir.TUNING, result)
        if config.report.enabled:
            write_page(directory, result, plan.space)
        write_hparams(directory, plan.space)
        return workdir.read_json(directory / workdir.TUNING)
    finally:
        logging.getLogger("tlkeras").removeHandler(handler)
        handler.close()


def _start(
    config: ConfigDict, plan: SearchPlan, directory: Path, console: Console
) -> SearchContext:
    """Prepares what runs trials: codes in memory, or processes."""
    fields = ", ".join(f"{f.name} in {f.as_text()}" for f in plan.space)
    console.line(f"{plan.mode} mode; searching {fields}")
    write_given_config(directory / workdir.GIVEN_CONFIG, config, plan)
    if plan.mode == "full":
        _check_data(config, load_configured(plan.config), console)
        oracle = build_oracle(plan, directory)
        return SearchContext(
            config,
            plan,
            directory,
            oracle,
            console,
            make_runner(plan, oracle.deadline),
        )
    from tlkeras.tuning.trials.codes import load_head_codes
    from tlkeras.tuning.trials.head_trials import HeadRunner

    codes = load_head_codes(plan.config, console)
    _check_data(config, codes.dataset, console)
    oracle = build_oracle(plan, directory)
    runner = HeadRunner(codes, plan.trial_config, _clock(oracle.deadline))
    return SearchContext(config, plan, directory, oracle, console, runner)


def _check_data(config: ConfigDict, dataset: Dataset, console: Console) -> None:
    """Checks the data before the first trial; the final runs would refuse it.

    Raises:
        InputError: If the head cannot learn the labels.
        GateError: If a picture lies in two splits and `checks.strict` is on.
    """
    require_fitting_head(config, dataset)
    if config.checks.enabled:
        suite = Suite(Path(workdir.CHECKS), console, dataset.fingerprint)
        run_data_checks(suite, dataset, config.seed)
        suite.require_passed(strict=config.checks.strict)


def make_runner(plan: SearchPlan, deadline: float | None) -> ProcessRunner:
    """Returns what runs trials in processes.

    Args:
        plan: Of the search.
        deadline: `time.monotonic()` at which a trial is ended, or None.
    """
    tuning = plan.config.tuning
    limits = Limits(tuning.max_trial_seconds, tuning.max_trial_bytes, deadline)
    return ProcessRunner(plan.trial_config, plan.phases[-1], limits)


def _clock(deadline: float | None) -> Callable[[], bool]:
    return lambda: deadline is not None and time.monotonic() > deadline


def _run_search(context: SearchContext) -> None:
    """Runs all trials that are still to run."""
    clock = context.oracle.clock
    if clock.over is None:
        with clock:
            _run_trials(context)
            clock.end(context.oracle.ended)
    else:
        context.console.line("the search is over: going on after it")
    for line in stage_notes(context.oracle):
        context.console.line(line)
    if context.oracle.ended:
        context.console.line(f"the search ended: {context.oracle.ended}")


def _run_trials(context: SearchContext) -> None:
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
        context.oracle.clock.seconds_left,
    )
    with table:
        if tuning.workers or _is_distributed():
            from tlkeras.tuning.workers import lead_workers

            lead_workers(context, table)
        else:
            _search_here(context, table)


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

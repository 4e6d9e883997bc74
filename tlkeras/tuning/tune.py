"""The spine of a search: from a config and a space to a tuned run."""

import dataclasses
import logging
import time
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console, log_to_file
from tlkeras.tuning.conclude import conclude
from tlkeras.tuning.context import SearchContext
from tlkeras.tuning.page.hparams import write_hparams
from tlkeras.tuning.page.search_page import write_page
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.run_search import run_search
from tlkeras.tuning.store.oracles import build_oracle, require_few_trials
from tlkeras.tuning.store.search_directory import (
    concluding_settings,
    follow_plan,
    follow_search,
    own_search_directory,
    read_finished,
    record_epochs,
    write_given_config,
)
from tlkeras.tuning.store.search_result import SearchResult
from tlkeras.tuning.trials.runners import RUNNERS


def tune(
    config: ConfigDict,
    plan: SearchPlan,
    directory: Path | str,
    *,
    console: Console | None = None,
) -> SearchResult:
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
        InputError: For unusable input, the directory of another search or
            process, or a finished one that was concluded with other settings.
        GateError: If no trial completed, or a final run failed.
    """
    console = console or Console(quiet=True)
    directory = Path(directory)
    if not (directory / workdir.SEARCH).exists():
        require_few_trials(plan)
        RUNNERS[plan.mode].check_space(plan)
    with own_search_directory(directory, plan):
        config = follow_search(config, directory)
        plan = follow_plan(plan, directory)
        return _tune(config, plan, directory, console)


def _tune(
    config: ConfigDict, plan: SearchPlan, directory: Path, console: Console
) -> SearchResult:
    """Searches in a directory that is this process' own."""
    if (directory / workdir.TUNING).exists():
        console.line(f"the search in {directory} is finished: only read")
        return read_finished(directory, plan)
    workdir.remove_leftovers(directory)
    handler = log_to_file(directory / workdir.LOG)
    started = time.perf_counter()
    try:
        context = start_search(config, plan, directory, console)
        searching = time.perf_counter()
        run_search(context)
        seconds = {"search": round(time.perf_counter() - searching, 3)}
        result = conclude(context)
        seconds["total"] = round(time.perf_counter() - started, 3)
        result = dataclasses.replace(
            result, seconds=seconds, settings=concluding_settings(plan)
        )
        _write(result, context)
        return read_finished(directory, plan)
    finally:
        logging.getLogger("tlkeras").removeHandler(handler)
        handler.close()


def start_search(
    config: ConfigDict, plan: SearchPlan, directory: Path, console: Console
) -> SearchContext:
    """Prepares what runs trials; its time is not the search's."""
    fields = ", ".join(f"{f.name} in {f.as_text()}" for f in plan.space)
    console.line(f"{plan.mode} mode; searching {fields}")
    write_given_config(directory / workdir.GIVEN_CONFIG, config, plan)
    runner, plan = RUNNERS[plan.mode].start(config, plan, console)
    record_epochs(directory, plan)
    oracle = build_oracle(plan, directory)
    return SearchContext(
        config, plan, directory, oracle, console, runner.until(oracle.deadline)
    )


def _write(result: SearchResult, context: SearchContext) -> None:
    """Writes the result, its page, and what TensorBoard reads."""
    directory = context.directory
    for place in (directory / workdir.TUNED_RUN, directory):
        # Also beside the winner's run, whose report tells of the search.
        workdir.write_json(place / workdir.TUNING, result.as_dict())
    if context.config.report.enabled:
        write_page(directory, result, context.plan.space)
    write_hparams(directory, context.plan.space)

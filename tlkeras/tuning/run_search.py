"""The trials of a search: here, or by workers, until there are none left."""

from tlkeras import remote_directory
from tlkeras.tuning.address import read_address
from tlkeras.tuning.chief import lead_workers
from tlkeras.tuning.context import SearchContext
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.search import search
from tlkeras.tuning.store.oracles import oracle_kind
from tlkeras.tuning.trials.outcome import read_outcomes


def run_search(context: SearchContext) -> None:
    """Runs all trials that are still to run."""
    clock, console = context.oracle.clock, context.console
    if clock.over is None:
        with clock:
            _run_trials(context)
            clock.end(context.oracle.ended)
        remote_directory.commit(context.directory)
    else:
        console.line("the search is over: going on after it")
    for line in context.oracle.stage_notes():
        console.line(line)
    if context.oracle.ended:
        console.line(f"the search ended: {context.oracle.ended}")


def _run_trials(context: SearchContext) -> None:
    plan = context.plan
    done = len(read_outcomes(context.store))
    if done:
        context.console.line(f"going on after {done} finished trials")
    left = None
    if oracle_kind(plan).takes_num_trials:
        left = max(0, plan.num_trials - done)
    table = LiveTable(
        context.console,
        [field.name for field in plan.space],
        left,
        context.oracle.clock.seconds_left,
    )
    with table:
        if plan.config.tuning.workers or is_distributed():
            lead_workers(context, table)
        else:
            _search_here(context, table)


def is_distributed() -> bool:
    """Says whether this process is the chief of workers started by others."""
    return read_address() is not None


def _search_here(context: SearchContext, table: LiveTable) -> None:
    plan = context.plan
    batch = oracle_kind(plan).batch_size if context.runner.runs_batches else 1
    search(
        context.oracle,
        context.runner,
        context.store,
        batch_size=min(batch, plan.config.tuning.patience or batch),
        default_epochs=plan.epochs,
        watcher=table,
    )

"""A worker: asks the chief for a trial, runs it in a process, and tells."""

from pathlib import Path

from tlkeras import remote_directory, workdir
from tlkeras.tuning.address import Address
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.search import (
    describe_trial,
    finish,
    tell,
    wait_for_trial,
)
from tlkeras.tuning.store.keras_tuner_private import connect
from tlkeras.tuning.store.oracles import oracle_kind
from tlkeras.tuning.store.search_clock import is_search_over, read_deadline
from tlkeras.tuning.store.search_directory import (
    follow_plan,
    has_epochs,
    require_search,
)
from tlkeras.tuning.trials.full_trials import ProcessTrials
from tlkeras.tuning.trials.outcome import store_of


def work(plan: SearchPlan, directory: Path, address: Address) -> int:
    """Runs trials of a chief until it has no more; returns how many.

    Args:
        plan: Of the search, made from the same config as the chief's.
        directory: Of the search, shared with the chief.
        address: Of the chief.

    Raises:
        InputError: If the directory is another search's, or not the chief's.
    """
    # The chief's oracle decides about epochs; this one only stands for it.
    client = connect(oracle_kind(plan).build(plan.resolved(1)))
    if not has_epochs(directory):
        client.get_space()  # waits for the chief, who writes them
        remote_directory.refresh(directory)
    require_search(directory, plan)
    plan = follow_plan(plan, directory)
    runner = ProcessTrials.of(plan)
    store = store_of(directory)
    count = 0
    # Asked of the directory first: the chief may have left.
    while not _is_over(directory) and (
        trial := wait_for_trial(client, address.tuner_id)
    ):
        asked = describe_trial(trial, store, plan.epochs)
        # Another worker may have ended it, which its chief never heard.
        remote_directory.refresh(asked.folder)
        (outcome,) = finish([asked], runner.until(read_deadline(directory)))
        remote_directory.commit(asked.folder)
        tell(client, trial, outcome)
        count += 1
    return count


def _is_over(directory: Path) -> bool:
    remote_directory.refresh(directory / workdir.SEARCH_CLOCK)
    return is_search_over(directory)

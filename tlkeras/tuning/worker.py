"""A worker: asks the chief for a trial, runs it in a process, and tells."""

import dataclasses
from pathlib import Path

from tlkeras import workdir
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
from tlkeras.tuning.store.search_directory import follow_search, require_search
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
    client = connect(oracle_kind(plan).build(plan))
    if not (directory / workdir.SEARCH).exists():
        client.get_space()  # waits for the chief, who writes it
    require_search(directory, plan)
    plan = dataclasses.replace(
        plan, config=follow_search(plan.config, directory)
    )
    runner = ProcessTrials.of(plan)
    store = store_of(directory)
    count = 0
    # Asked of the directory first: the chief may have left.
    while not is_search_over(directory) and (
        trial := wait_for_trial(client, address.tuner_id)
    ):
        asked = describe_trial(trial, store, plan.epochs)
        (outcome,) = finish([asked], runner.until(read_deadline(directory)))
        tell(client, trial, outcome)
        count += 1
    return count

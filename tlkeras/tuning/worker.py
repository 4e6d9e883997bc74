"""A worker: asks the chief for a trial, runs it in a process, and tells."""

from pathlib import Path

from tlkeras import remote_directory, workdir
from tlkeras.errors import InputError, quote
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
        InputError: If the directory is another search's, or not the chief's,
            or the chief fails.
    """
    import grpc

    try:
        return _work(plan, directory, address)
    except grpc.RpcError as error:
        words = quote(getattr(error, "details", lambda: "")() or error)
        raise InputError(
            f"The chief at {address.ip}:{address.port} failed or left "
            f"({words}); expected one that answers: see what it printed, and "
            "start this worker again."
        ) from None


def _work(plan: SearchPlan, directory: Path, address: Address) -> int:
    # The chief's oracle decides about epochs; this one only stands for it.
    client = connect(oracle_kind(plan).build(plan.resolved(1)))
    remote_directory.refresh(directory / workdir.SEARCH)
    if not has_epochs(directory):
        client.get_space()  # waits for the chief, who writes them
        remote_directory.refresh(directory / workdir.SEARCH)
    require_search(directory, plan)
    plan = follow_plan(plan, directory)
    runner = ProcessTrials.of(plan)
    store = store_of(directory)
    count = 0
    clock = directory / workdir.SEARCH_CLOCK
    while True:
        # Asked of the directory first: the chief may have left.
        remote_directory.refresh(clock)
        if is_search_over(directory):
            return count
        trial = wait_for_trial(client, address.tuner_id)
        if trial is None:
            return count
        asked = describe_trial(trial, store, plan.epochs)
        # Another worker may have ended it, which its chief never heard.
        remote_directory.refresh(asked.folder)
        remote_directory.refresh(clock)
        (outcome,) = finish([asked], runner.until(read_deadline(directory)))
        remote_directory.commit_part(asked.folder)
        tell(client, trial, outcome)
        count += 1

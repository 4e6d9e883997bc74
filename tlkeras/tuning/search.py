"""The loop of a search: ask the oracle, run trials, tell it what came out."""

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from keras_tuner.engine.trial import Trial, TrialStatus

from tlkeras import remote_directory
from tlkeras.tuning.space.hyperparameters import searched_values
from tlkeras.tuning.store.stored_oracle import (
    EPOCHS,
    OBJECTIVE,
    STAGE,
    TIME_IS_UP,
    WORST_SCORE,
    StoredOracle,
)
from tlkeras.tuning.trials.asked import Asked, RunTrials
from tlkeras.tuning.trials.outcome import (
    COMPLETED,
    FAILED,
    TrialOutcome,
    read_outcome,
    trial_folder,
    write_outcome,
)

IDLE_SECONDS = 0.5  # between looks at an oracle that waits for others
SYNC_SECONDS = 1.0  # a trial that took longer must outlive a power cut


class Watcher(Protocol):
    """Is told what happens, for the table that people see."""

    def begin(self, asked: Sequence[Asked]) -> None:
        """Some trials begin."""

    def end(self, outcome: TrialOutcome) -> None:
        """A trial has ended."""


def describe_trial(trial: Trial, store: Path, default_epochs: int) -> Asked:
    """Reads a trial of the oracle."""
    values = trial.hyperparameters.values
    return Asked(
        searched_values(values),
        int(values.get(EPOCHS, default_epochs)),
        trial_folder(store, trial.trial_id),
        int(values.get(STAGE, values.get("tuner/round", 0) + 1)),
        trial,
    )


def search(
    oracle: StoredOracle,
    run_trials: RunTrials,
    store: Path,
    *,
    batch_size: int,
    default_epochs: int,
    watcher: Watcher,
) -> None:
    """Runs a search to its end, or goes on with one.

    Args:
        oracle: Proposes and is told.
        run_trials: Runs a batch of trials.
        store: Folder of the trials.
        batch_size: Trials to ask for at once, at most.
        default_epochs: Of trials whose oracle leaves them open.
        watcher: Told of each trial.
    """
    while asked := ask(oracle, store, batch_size, default_epochs):
        watcher.begin(asked)
        outcomes = {}
        for one, outcome in finish_each(asked, run_trials):
            outcomes[one.folder] = outcome
            watcher.end(outcome)
        with oracle.one_write():
            for one in asked:
                if one.trial is not None and one.folder in outcomes:
                    tell(oracle, one.trial, outcomes[one.folder])
        remote_directory.commit(store)
        if len(outcomes) < len(asked):
            oracle.end_search(TIME_IS_UP)
            return


def ask(
    oracle: StoredOracle, store: Path, batch_size: int, default_epochs: int
) -> list[Asked]:
    """Returns trials to run now; none when the search is over."""
    trials = []
    with oracle.one_write():
        for number in range(batch_size):
            trial = oracle.create_trial(f"tuner{number}")
            if trial.status != TrialStatus.RUNNING:
                break
            trials.append(describe_trial(trial, store, default_epochs))
    return trials


def finish_each(
    asked: Sequence[Asked], run_trials: RunTrials
) -> Iterator[tuple[Asked, TrialOutcome]]:
    """Runs trials, except those that had ended before the oracle knew.

    Yields:
        A trial and its outcome, which is on disk by then.
    """
    open_ones = []
    for one in asked:
        known = read_outcome(one.folder)
        if known is None:
            open_ones.append(one)
        else:
            yield one, known
    for one, outcome in run_trials(open_ones) if open_ones else ():
        outcome = dataclasses.replace(
            outcome,
            stage=one.stage,
            trial_id=one.trial.trial_id if one.trial else "",
        )
        write_outcome(
            one.folder, outcome, durable=outcome.seconds > SYNC_SECONDS
        )
        yield one, outcome


def finish(asked: Sequence[Asked], run_trials: RunTrials) -> list[TrialOutcome]:
    """Returns the outcomes of trials, in their order, when all have ended."""
    outcomes = {
        one.folder: outcome for one, outcome in finish_each(asked, run_trials)
    }
    return [outcomes[one.folder] for one in asked if one.folder in outcomes]


def tell(oracle: Any, trial: Trial, outcome: TrialOutcome) -> None:
    """Tells an oracle, or its client, what became of a trial.

    Divergence is told as the worst score: it says something about the place. A
    trial that was killed says nothing; keras-tuner leaves failed ones out.
    """
    trial.message = outcome.reason or None
    if outcome.status == FAILED:
        trial.status = TrialStatus.FAILED
    else:
        score = outcome.val_accuracy
        is_scored = outcome.status == COMPLETED and score is not None
        metrics = {OBJECTIVE: score if is_scored else WORST_SCORE}
        if is_scored and outcome.val_loss is not None:
            metrics["val_loss"] = outcome.val_loss
        oracle.update_trial(trial.trial_id, metrics, step=outcome.best_epoch)
        trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def wait_for_trial(
    oracle: Any, tuner_id: str, *, seconds: float = IDLE_SECONDS
) -> Trial | None:
    """Asks until there is a trial, or the search is over: then None."""
    while True:
        trial = oracle.create_trial(tuner_id)
        if trial.status == TrialStatus.RUNNING:
            return trial
        if trial.status == TrialStatus.STOPPED:
            return None
        time.sleep(seconds)

"""keras-tuner's oracle with a trial store that survives being killed."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus

from tlkeras import workdir
from tlkeras.tuning.store.keras_tuner_private import OpenOracle
from tlkeras.tuning.store.search_clock import SearchClock

OBJECTIVE = "val_accuracy"
STAGE, EPOCHS = "tuner/stage", "tuner/epochs"  # beside keras-tuner's own
# A trial that diverged says that its place is bad: the oracle is told so.
WORST_SCORE = 0.0
TIME_IS_UP = "the time is up"


class StoredOracle(OpenOracle):
    """Adds budgets, atomic files, and taking up what a kill interrupted.

    Attributes:
        deadline: `time.monotonic()` at which no trial is begun, or None.
        patience: Trials of a stage without a new best after which it ends.
        ended: Why the search ended before its trials were used up, or "".
        has_stages: Whether patience ends a stage, not the search.
        clock: Counts over restarts, and is told when the search is over.
    """

    clock: SearchClock
    deadline: float | None = None
    patience: int | None = None
    ended = ""
    has_stages = False
    _deferred: dict[str, Trial] | None = None  # to be written, in `one_write`
    _held: Mapping[str, Trial] = {}  # by whom, when the state was written

    def create_trial(self, tuner_id: str) -> Trial:
        """Returns a trial to run; one of status STOPPED if there is none."""
        if tuner_id not in self.ongoing_trials:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.ended = TIME_IS_UP
            elif self._has_no_patience_left():
                if self.ongoing_trials:  # one of them may be a new best
                    return Trial(self.get_space(), status=TrialStatus.IDLE)
                self.ended = self.out_of_patience()
        # One that runs is given to its worker, started again.
        if self.ended and tuner_id not in self.ongoing_trials:
            self.tuner_ids.discard(tuner_id)
            trial = Trial(self.get_space(), status=TrialStatus.STOPPED)
        else:
            trial = super().create_trial(tuner_id)
        if trial.status == TrialStatus.STOPPED and not self.ongoing_trials:
            # On disk before anybody hears of it: a chief that is started
            # again must not wait for workers that have left.
            self.clock.end(self.ended)
        return trial

    def _has_no_patience_left(self) -> bool:
        """Whether no new trial may begin; lost ones are still run again."""
        if self.has_stages or self.lost_trials:
            return False
        return self.is_stale(list(self.trials))

    def out_of_patience(self) -> str:
        """Returns the sentence that ends a stage, or the search."""
        return f"no new best in {self.patience} trials"

    def end_search(self, reason: str) -> None:
        """Ends the search; trials that run or wait stay as they are."""
        self.ended = reason
        self.clock.end(reason)

    def is_stale(self, trial_ids: list[str]) -> bool:
        """Says whether the last `patience` of some trials set no new best."""
        if self.patience is None:
            return False
        scores = [
            self.trials[name].score or WORST_SCORE
            for name in dict.fromkeys(self.end_order)
            if name in trial_ids
        ]
        best = scores.index(max(scores)) if scores else 0
        return len(scores) - 1 - best >= self.patience

    def stage_notes(self) -> list[str]:
        """Returns what led from stage to stage, for people."""
        return []

    @contextlib.contextmanager
    def one_write(self) -> Iterator[None]:
        """Writes files once for many trials, at the end: the state last."""
        self._deferred = {}
        try:
            yield
        finally:
            trials, self._deferred = self._deferred, None
            for trial in trials.values():
                self.write_trial(trial)
            self.save()

    def save(self) -> None:
        """Writes `oracle.json`; keras-tuner's own would tear if killed."""
        if self._deferred is None:
            workdir.write_text(self.state_file, json.dumps(self.get_state()))

    def write_trial(self, trial: Trial) -> None:
        """Writes the file of a trial; within `one_write`, at its end."""
        if self._deferred is not None:
            self._deferred[trial.trial_id] = trial
            return
        path = self.trial_file(trial.trial_id)
        text = json.dumps(trial.get_state())
        # One that a power cut takes is drawn and run again.
        workdir.write_text(path, text, durable=False)

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes over a state, and notes who held which trial."""
        super().set_state(state)
        self._held = dict(self.ongoing_trials)

    def leave_to_holders(self, may_live: Callable[[str], bool]) -> None:
        """Leaves trials that ran, after `reload`, to workers that live on.

        keras-tuner gives them to whoever asks first, beside a worker that
        outlived its chief and still runs its trial.

        Args:
            may_live: Tuner id -> whether it may be alive, or come back.
        """
        for tuner_id, trial in self._held.items():
            if trial.trial_id in self.lost_trials and may_live(tuner_id):
                self.lost_trials.remove(trial.trial_id)
                self.ongoing_trials[tuner_id] = trial
                self.tuner_ids.add(tuner_id)

    def reload(self) -> None:
        """Reads the store; trials that were running are run again first."""
        super().reload()
        # Read in the folder's order, which is any: ties go to the first.
        for name in sorted(self.trials):
            self.trials[name] = self.trials.pop(name)
        # keras-tuner writes its state before it strikes off the trial that
        # ended: the trials' own files know.
        ended = [
            name
            for name, trial in sorted(self.trials.items())
            if trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        ]
        self.lost_trials = [n for n in self.lost_trials if n not in ended]
        self.end_order += [n for n in ended if n not in self.end_order]
        lost = [
            trial
            for name, trial in sorted(self.trials.items())
            if trial.status == TrialStatus.RUNNING
            and name not in self.lost_trials
        ]
        for trial in lost:  # begun after the last write of the state
            self.lost_trials.append(trial.trial_id)
            self.take_note(trial)
            if trial.trial_id not in self.start_order:
                self.start_order.append(trial.trial_id)
        # The state's seed would draw their values a second time.
        self.skip_draws(len(lost) * len(self.hyperparameters.space))

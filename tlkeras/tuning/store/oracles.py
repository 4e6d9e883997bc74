"""keras-tuner's oracles with a trial store that survives being killed."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import oracles
from keras_tuner.engine.trial import Trial, TrialStatus

from tlkeras import workdir
from tlkeras.tables import lookup
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.space.coarse_to_fine import shrink_space, split_stages
from tlkeras.tuning.space.hyperparameters import to_hyperparameters
from tlkeras.tuning.space.space import Space
from tlkeras.tuning.store.search_clock import SearchClock

OBJECTIVE = "val_accuracy"
STAGE, EPOCHS = "tuner/stage", "tuner/epochs"  # beside keras-tuner's own
# A trial that diverged says that its place is bad: the oracle is told so.
WORST_SCORE = 0.0
TIME_IS_UP = "the time is up"


class StoredOracle(keras_tuner.Oracle):
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
    _retry_queue: list[str]  # keras-tuner's
    _held: Mapping[str, Trial] = {}  # by whom, when the state was written

    def create_trial(self, tuner_id: str) -> Trial:
        """Returns a trial to run; one of status STOPPED if there is none."""
        if tuner_id not in self.ongoing_trials:
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.ended = TIME_IS_UP
            elif self._has_no_patience_left():
                if self.ongoing_trials:  # one of them may be a new best
                    return Trial(self.get_space(), status=TrialStatus.IDLE)
                self.ended = self._out_of_patience()
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
        if self.has_stages or self._retry_queue:
            return False
        return self.is_stale(list(self.trials))

    def _out_of_patience(self) -> str:
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

    @contextlib.contextmanager
    def one_write(self) -> Iterator[None]:
        """Writes files once for many trials, at the end: the state last."""
        self._deferred = {}
        try:
            yield
        finally:
            trials, self._deferred = self._deferred, None
            for trial in trials.values():
                self._save_trial(trial)
            self.save()

    def save(self) -> None:
        """Writes `oracle.json`; keras-tuner's own would tear if killed."""
        if self._deferred is None:
            path = Path(self._get_oracle_fname())
            workdir.write_text(path, json.dumps(self.get_state()))

    def _save_trial(self, trial: Trial) -> None:
        if self._deferred is not None:
            self._deferred[trial.trial_id] = trial
            return
        path = Path(self._get_trial_dir(trial.trial_id)) / "trial.json"
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
            if trial.trial_id in self._retry_queue and may_live(tuner_id):
                self._retry_queue.remove(trial.trial_id)
                self.ongoing_trials[tuner_id] = trial
                self.tuner_ids.add(tuner_id)

    def reload(self) -> None:
        """Reads the store; trials that were running are run again first."""
        super().reload()
        # keras-tuner writes its state before it strikes off the trial that
        # ended: the trials' own files know.
        ended = [
            name
            for name, trial in sorted(self.trials.items())
            if trial.status in (TrialStatus.COMPLETED, TrialStatus.FAILED)
        ]
        self._retry_queue = [n for n in self._retry_queue if n not in ended]
        self.end_order += [n for n in ended if n not in self.end_order]
        lost = [
            trial
            for name, trial in sorted(self.trials.items())
            if trial.status == TrialStatus.RUNNING
            and name not in self._retry_queue
        ]
        for trial in lost:  # begun after the last write of the state
            self._retry_queue.append(trial.trial_id)
            self._record_values(trial)
            if trial.trial_id not in self.start_order:
                self.start_order.append(trial.trial_id)
        # The state's seed would draw their values a second time.
        self._seed_state += len(lost) * len(self.hyperparameters.space)


class RandomOracle(StoredOracle, oracles.RandomSearchOracle):
    """Random search in stages, from coarse to fine.

    A stage begins when all trials of the one before have ended. Which stage
    it is, and its ranges, follow from the trials alone.

    Args:
        space: Of the first stage.
        stage_sizes: Trials of each stage.
        stage_epochs: Epochs of each stage's trials.
        seed: Of the draws.
    """

    has_stages = True

    def __init__(
        self,
        space: Space,
        *,
        stage_sizes: tuple[int, ...],
        stage_epochs: tuple[int, ...],
        seed: int,
    ) -> None:
        super().__init__(
            objective=keras_tuner.Objective(OBJECTIVE, "max"),
            max_trials=None,
            hyperparameters=to_hyperparameters(space),
            seed=seed,
            max_consecutive_failed_trials=10**9,
        )
        self.space = space
        self.stage_sizes = stage_sizes
        self.stage_epochs = stage_epochs

    def _of_stage(self, stage: int) -> list[str]:
        return [
            name
            for name, trial in self.trials.items()
            if trial.hyperparameters.values.get(STAGE, 1) == stage
        ]

    def stage_spaces(self) -> list[tuple[Space, list[str]]]:
        """Returns each begun stage's space, and what led to it."""
        last = max(
            (t.hyperparameters.values[STAGE] for t in self.trials.values()),
            default=1,
        )
        spaces: list[tuple[Space, list[str]]] = [(self.space, [])]
        for stage in range(1, last):
            spaces.append(self._following(spaces[-1][0], stage))
        return spaces

    def _following(self, space: Space, stage: int) -> tuple[Space, list[str]]:
        members = self._of_stage(stage)
        following, notes = shrink_space(
            space,
            [
                (t.hyperparameters.values, t.score)
                for t in map(self.trials.__getitem__, members)
                if t.status == TrialStatus.COMPLETED and t.score > WORST_SCORE
            ],
        )
        size = self.stage_sizes[stage - 1]
        if len(members) < size:
            note = f"begun after {len(members)} of {size} trials before it"
            if self.is_stale(members):
                note += f": {self._out_of_patience()}"
            notes = [note, *notes]
        return following, notes

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Draws the values of a trial, or ends a stage."""
        spaces = [space for space, _ in self.stage_spaces()]
        stage, space = len(spaces), spaces[-1]
        members = self._of_stage(stage)
        is_full = len(members) >= self.stage_sizes[stage - 1]
        is_cut_short = not is_full and self.is_stale(members)
        values = None
        if not is_full and not is_cut_short:
            values = self._draw(space)
        if values is None:
            if self.ongoing_trials or self._retry_queue:
                return {"status": TrialStatus.IDLE}
            if stage == len(self.stage_sizes):
                if is_cut_short:
                    self.ended = self._out_of_patience()
                return {"status": TrialStatus.STOPPED}
            stage += 1
            values = self._draw(self._following(space, stage - 1)[0])
            if values is None:  # few options, and all of them tried
                return {"status": TrialStatus.STOPPED}
        own = {STAGE: stage, EPOCHS: self.stage_epochs[stage - 1]}
        return {"status": TrialStatus.RUNNING, "values": {**values, **own}}

    def _draw(self, space: Space) -> dict[str, Any] | None:
        """Returns values not tried before, or None if there are no others."""
        whole = self.get_space()
        self.hyperparameters = to_hyperparameters(space)
        try:
            return self._random_values()
        finally:
            self.hyperparameters = whole

    def _compute_values_hash(self, values: dict[str, Any]) -> str:
        own = {k: v for k, v in values.items() if not k.startswith("tuner/")}
        return super()._compute_values_hash(own)


class BayesianOracle(StoredOracle, oracles.BayesianOptimizationOracle):
    """keras-tuner's Gaussian process, stored safely."""


class HyperbandOracle(StoredOracle, oracles.HyperbandOracle):
    """keras-tuner's successive halving, stored safely."""


def _build_random(plan: SearchPlan) -> StoredOracle:
    sizes = split_stages(plan.num_trials, plan.config.tuning.stages)
    coarse = min(plan.config.tuning.coarse_epochs, plan.epochs)
    # A single stage is no coarse one: nothing finer comes after it.
    epochs = (
        coarse if len(sizes) > 1 else plan.epochs,
        *[plan.epochs] * (len(sizes) - 1),
    )
    return RandomOracle(
        plan.space,
        stage_sizes=sizes,
        stage_epochs=epochs,
        seed=plan.config.seed + 1,  # 0 would mean a random seed
    )


def _common(plan: SearchPlan) -> dict[str, Any]:
    return {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": to_hyperparameters(plan.space),
        "seed": plan.config.seed + 1,
        "max_consecutive_failed_trials": 10**9,
    }


def _build_bayesian(plan: SearchPlan) -> StoredOracle:
    return BayesianOracle(max_trials=plan.num_trials, **_common(plan))


def _build_hyperband(plan: SearchPlan) -> StoredOracle:
    return HyperbandOracle(max_epochs=plan.epochs, **_common(plan))


ORACLES: dict[str, Callable[[SearchPlan], StoredOracle]] = {
    "random": _build_random,
    "bayesian": _build_bayesian,
    "hyperband": _build_hyperband,
}


def build_oracle(plan: SearchPlan, directory: Path) -> StoredOracle:
    """Builds the oracle of a search, or takes it up again.

    Args:
        plan: Of the search.
        directory: Of the search; the store is its folder `tuning/`.
    """
    oracle = lookup(ORACLES, plan.config.tuning.oracle, what="oracle")(plan)
    oracle.verbose = 0
    oracle.patience = plan.config.tuning.patience
    oracle.clock = SearchClock(directory, plan.config.tuning.max_seconds)
    oracle.deadline = oracle.clock.deadline
    oracle.ended = oracle.clock.over or ""
    oracle._set_project_dir(str(directory), workdir.TRIALS)
    if Path(oracle._get_oracle_fname()).exists():
        oracle.reload()
        oracle.verbose = 0
    oracle.save()
    return oracle

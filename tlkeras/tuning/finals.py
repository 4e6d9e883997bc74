"""After the search: how much is noise, and which of the best is best."""

from collections.abc import Sequence
from pathlib import Path

from tlkeras.tuning.search import finish
from tlkeras.tuning.store.search_result import Finalist, Noise
from tlkeras.tuning.trials.asked import Asked, RunTrials
from tlkeras.tuning.trials.outcome import TrialOutcome, rank_trials


class Repeater:
    """Trains trials again with other seeds; each pair only once.

    Args:
        run_trials: Runs them.
        store: Of the trials.
        epochs: Of each training.
        seed: Of the search; repetitions take the ones after it.
    """

    def __init__(
        self, run_trials: RunTrials, store: Path, *, epochs: int, seed: int
    ) -> None:
        self.run_trials = run_trials
        self.store = store
        self.epochs = epochs
        self.seed = seed

    def repeat(
        self, trials: Sequence[TrialOutcome], num_seeds: int
    ) -> list[list[TrialOutcome]]:
        """Returns the completed trainings of each trial, over the seeds."""
        asked = [
            Asked(
                trial.values,
                self.epochs,
                self.store / f"repeat_{trial.trial_id}_{number}",
                trial.stage,
                seed=(self.seed + number) % 2**31,
            )
            for trial in trials
            for number in range(1, num_seeds + 1)
        ]
        outcomes = finish(asked, self.run_trials)
        return [
            [
                outcome
                for outcome in outcomes[start : start + num_seeds]
                if outcome.is_completed
            ]
            for start in range(0, len(outcomes), num_seeds)
        ]


def measure_noise(
    outcomes: Sequence[TrialOutcome], repeater: Repeater, num_seeds: int
) -> Noise:
    """Trains the best point again: what differs is what the seed does."""
    best = outcomes[rank_trials(outcomes)[0]]
    (repeated,) = repeater.repeat([best], num_seeds)
    accuracies = tuple(
        o.val_accuracy for o in repeated if o.val_accuracy is not None
    )
    if len(accuracies) < 2:
        return Noise(None, accuracies)
    return Noise(max(accuracies) - min(accuracies), accuracies)


def retrain_best(
    outcomes: Sequence[TrialOutcome],
    repeater: Repeater,
    *,
    num_trials: int,
    num_seeds: int,
    floor: float | None,
) -> list[Finalist]:
    """Trains the best few trials again; returns them, the winner first."""
    chosen = rank_trials(outcomes, floor)[:num_trials]
    repeated = repeater.repeat([outcomes[index] for index in chosen], num_seeds)
    finalists = [
        Finalist(
            index,
            tuple(o.val_accuracy or 0.0 for o in trainings),
            tuple(o.val_loss or 0.0 for o in trainings),
            num_seeds,
        )
        for index, trainings in zip(chosen, repeated, strict=True)
    ]
    return sorted(finalists, key=lambda f: f.rank, reverse=True)


def tied_trials(
    outcomes: Sequence[TrialOutcome], floor: float | None
) -> list[int]:
    """Returns the indices of trials that noise cannot tell from the best."""
    ranked = rank_trials(outcomes)
    best = outcomes[ranked[0]].val_accuracy or 0.0
    return [
        index
        for index in ranked
        if best - (outcomes[index].val_accuracy or 0.0) <= (floor or 0.0)
    ]

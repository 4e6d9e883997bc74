"""After the search: how much is noise, and which of the best is best."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras.ranking import rank_key
from tlkeras.tuning.search import Asked, RunTrials, finish
from tlkeras.tuning.trials.outcome import TrialOutcome, rank_trials


@dataclasses.dataclass(frozen=True)
class Finalist:
    """One of the best trials, trained again with several seeds.

    Attributes:
        trial: Its index among the outcomes.
        accuracies: Of each seed that completed.
        losses: Likewise.
        num_seeds: That it was trained with.
    """

    trial: int
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    num_seeds: int

    @property
    def mean(self) -> float:
        """Mean accuracy over all seeds; one that diverged counts as 0."""
        return sum(self.accuracies) / self.num_seeds

    @property
    def rank(self) -> tuple[float, float]:
        """Higher is better; ties are broken by the loss."""
        loss = float(np.mean(self.losses)) if self.losses else np.inf
        return rank_key(self.mean, loss)


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
) -> dict[str, Any]:
    """Trains the best point again: what differs is what the seed does.

    Returns:
        `floor`, the largest difference between two of the trainings, and the
        `accuracies`; the floor is None where fewer than two completed.
    """
    best = outcomes[rank_trials(outcomes)[0]]
    (repeated,) = repeater.repeat([best], num_seeds)
    accuracies = [
        o.val_accuracy for o in repeated if o.val_accuracy is not None
    ]
    is_known = len(accuracies) > 1
    return {
        "floor": max(accuracies) - min(accuracies) if is_known else None,
        "accuracies": accuracies,
    }


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

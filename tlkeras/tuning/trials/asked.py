"""A trial that is wanted, and what can run it."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from keras_tuner.engine.trial import Trial
from ml_collections import ConfigDict

from tlkeras.tuning.space.hyperparameters import Values
from tlkeras.tuning.trials.outcome import TrialOutcome


@dataclasses.dataclass(frozen=True)
class Asked:
    """A trial to run, or one to repeat with another seed.

    Attributes:
        values: Dotted field -> value.
        epochs: To train for.
        folder: Of the trial, in the store.
        stage: Counted from 1.
        trial: As the oracle made it; None of a repetition.
        seed: None = the config's.
    """

    values: Values
    epochs: int
    folder: Path
    stage: int = 1
    trial: Trial | None = None
    seed: int | None = None


class MakeConfig(Protocol):
    """Makes the config of a trial: `SearchPlan.trial_config`."""

    def __call__(
        self,
        values: Values,
        *,
        epochs: int | None = None,
        seed: int | None = None,
    ) -> ConfigDict:
        """Returns the config of some values."""


# Yields trials as they end; what it did not begin, since the time is up, not.
RunTrials = Callable[[Sequence[Asked]], Iterable[tuple[Asked, TrialOutcome]]]

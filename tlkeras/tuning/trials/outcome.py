"""What became of a trial, one file in its folder; which one is best."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.ranking import rank_key
from tlkeras.tuning.space.hyperparameters import Values

COMPLETED, DIVERGED, FAILED = "completed", "diverged", "failed"


@dataclasses.dataclass(frozen=True)
class TrialOutcome:
    """A finished trial.

    Attributes:
        values: Dotted field -> value.
        status: `completed`, `diverged` or `failed`.
        reason: Why it diverged or failed, or "".
        val_accuracy: The primary metric at the best epoch, or None.
        val_loss: There, or None.
        best_epoch: Counted from 1; 0 if there is none.
        epochs: That it was to train for.
        history: One row an epoch: `train/loss`, `val/loss`, `val/METRIC`.
        seconds: Wall clock; of a batch of heads, its share.
        stage: Counted from 1.
        trial_id: In the trial store.
    """

    values: Values
    status: str
    reason: str = ""
    val_accuracy: float | None = None
    val_loss: float | None = None
    best_epoch: int = 0
    epochs: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    seconds: float = 0.0
    stage: int = 1
    trial_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns what `outcome.json` holds."""
        return dataclasses.asdict(self)

    def as_row(self) -> dict[str, Any]:
        """Returns a row of `tuning.json`, which leaves out the history."""
        row = self.as_dict()
        del row["history"]
        return row

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "TrialOutcome":
        """Returns what `as_dict` or `as_row` wrote."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: stored[name] for name in known & set(stored)})

    @property
    def is_completed(self) -> bool:
        """Whether the trial has a score."""
        return (
            self.status == COMPLETED
            and self.val_accuracy is not None
            and math.isfinite(self.val_accuracy)
        )


def rank_trials(
    outcomes: Sequence[TrialOutcome], floor: float | None = 0.0
) -> list[int]:
    """Returns the indices of the completed trials, the best first.

    Trials that noise cannot tell from the best are tied: among them the lower
    validation loss comes first, unless their heads have losses of other kinds.

    Args:
        outcomes: Of all trials.
        floor: Differences in accuracy up to this are noise; None = 0.
    """
    done = [i for i, outcome in enumerate(outcomes) if outcome.is_completed]
    heads = {outcomes[index].values.get("model.head") for index in done}
    best = max((outcomes[i].val_accuracy or 0.0 for i in done), default=0.0)

    def key(index: int) -> tuple[bool, float, float]:
        loss = (outcomes[index].val_loss or 0.0) if len(heads) == 1 else 0.0
        accuracy, low_loss = rank_key(outcomes[index].val_accuracy or 0.0, loss)
        is_tied = best - accuracy <= (floor or 0.0)
        order = (low_loss, accuracy) if is_tied else (accuracy, low_loss)
        return (is_tied, *order)

    return sorted(done, key=key, reverse=True)  # of equals, the first stays so


def write_outcome(
    folder: Path, outcome: TrialOutcome, *, durable: bool = True
) -> None:
    """Writes the outcome into a trial's folder, atomically.

    Args:
        folder: Of the trial.
        outcome: To write.
        durable: Whether it must outlive a power cut: heads on codes, trained
            by the hundred, are sooner trained again than waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(outcome.as_dict())
    workdir.write_text(folder / workdir.OUTCOME, text, durable=durable)


def read_outcome(folder: Path) -> TrialOutcome | None:
    """Returns what became of a trial, or None if it has not ended."""
    path = folder / workdir.OUTCOME
    if not path.exists():
        return None
    with workdir.reading(path):
        return TrialOutcome.from_dict(workdir.read_json(path))


def read_outcomes(store: Path) -> list[TrialOutcome]:
    """Returns all finished trials of a store, in the order of their ids."""
    found = [read_outcome(folder) for folder in sorted(store.glob("trial_*"))]
    return [outcome for outcome in found if outcome is not None]


def store_of(directory: Path) -> Path:
    """Returns the trial store of a search directory."""
    return directory / workdir.TRIALS


def trial_folder(store: Path, trial_id: str) -> Path:
    """Returns the folder of a trial in a store, which keras-tuner names."""
    return store / f"trial_{trial_id}"

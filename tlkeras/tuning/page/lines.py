"""What a search prints: the lecture's lines, and what was decided."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tlkeras.tuning.trials.outcome import TrialOutcome

SHORT = {"learning_rate": "lr", "head_l2": "reg"}


def short_names(fields: Sequence[str]) -> dict[str, str]:
    """Returns field -> a short name; the lecture's, where they are unique.

    Example:
    >>> short_names(["phases.fine_tune.learning_rate", "model.head_l2"])
    {'phases.fine_tune.learning_rate': 'lr', 'model.head_l2': 'reg'}
    """
    last = [name.rsplit(".", 1)[-1] for name in fields]
    return {
        name: SHORT.get(end, end) if last.count(end) == 1 else name
        for name, end in zip(fields, last, strict=True)
    }


def format_value(value: Any) -> str:
    """Returns a value as the lecture prints it: `1.405206e-04`."""
    return f"{value:.6e}" if isinstance(value, float) else str(value)


def format_trial(
    trial: TrialOutcome, number: int, total: int, names: Mapping[str, str]
) -> str:
    """Returns a trial's line.

    Example:
    >>> format_trial(TrialOutcome({"a.b": 1.405206e-4}, "completed",
    ...              val_accuracy=0.412), 1, 100, {"a.b": "lr"})
    'val_acc: 0.412000, lr: 1.405206e-04, (1 / 100)'
    """
    accuracy = trial.val_accuracy
    score = f"{accuracy:.6f}" if accuracy is not None else trial.status
    values = "".join(
        f"{names.get(name, name)}: {format_value(value)}, "
        for name, value in trial.values.items()
    )
    return f"val_acc: {score}, {values}({number} / {total})"


def format_row(
    trials: Sequence[TrialOutcome],
    index: int,
    best: int,
    names: Mapping[str, str],
) -> str:
    """Returns a trial's line in a result, the best one marked.

    Args:
        trials: All of the search.
        index: Of the trial; one that is not the best may have a reason.
        best: Of the winner.
        names: Field -> its short name.
    """
    line = format_trial(trials[index], index + 1, len(trials), names)
    if index == best:
        return f"{line}  <-- best"
    reason = trials[index].reason
    return f"{line}  {reason}" if reason else line


def format_trials(
    trials: Sequence[TrialOutcome], best: int, fields: Iterable[str]
) -> str:
    """Returns the lecture's lines of all trials, the best one marked.

    Args:
        trials: All of the search.
        best: Of the winner.
        fields: Names of the searched fields.
    """
    names = short_names(list(fields))
    return "\n".join(
        format_row(trials, index, best, names) for index in range(len(trials))
    )

"""What a search prints: the lecture's lines, and what was decided."""

from collections.abc import Sequence
from typing import Any

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
    trial: dict[str, Any], number: int, total: int, names: dict[str, str]
) -> str:
    """Returns a trial's line.

    Example:
    >>> format_trial({"val_accuracy": 0.412, "values": {"a.b": 1.405206e-4},
    ...               "status": "completed"}, 1, 100, {"a.b": "lr"})
    'val_acc: 0.412000, lr: 1.405206e-04, (1 / 100)'
    """
    accuracy = trial["val_accuracy"]
    score = f"{accuracy:.6f}" if accuracy is not None else trial["status"]
    values = "".join(
        f"{names.get(name, name)}: {format_value(value)}, "
        for name, value in trial["values"].items()
    )
    return f"val_acc: {score}, {values}({number} / {total})"


def format_row(result: dict[str, Any], index: int) -> str:
    """Returns a trial's line in a result, the best one marked.

    Args:
        result: What `tuning.json` holds.
        index: Of the trial; one that is not the best may have a reason.
    """
    trials = result["trials"]
    names = short_names(list(result["space"]))
    line = format_trial(trials[index], index + 1, len(trials), names)
    if index == result["best"]:
        return f"{line}  <-- best"
    reason = trials[index]["reason"]
    return f"{line}  {reason}" if reason else line


def format_trials(result: dict[str, Any]) -> str:
    """Returns the lecture's lines of all trials, the best one marked."""
    return "\n".join(
        format_row(result, index) for index in range(len(result["trials"]))
    )

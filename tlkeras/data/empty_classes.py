"""A class without a usable image is an error, or said to be dropped."""

from collections.abc import Sequence

from tlkeras.data.dataset import Example, Ledger, count_labels
from tlkeras.errors import InputError

ON_EMPTY_CLASS = ("fail", "drop")


def settle_empty_classes(
    listed: Sequence[Example],
    usable: Sequence[Example],
    ledger: Ledger,
    *,
    on_empty_class: str,
) -> None:
    """Makes sure that no class of a source disappears without a word.

    Args:
        listed: As the source lists them.
        usable: Those that the scan left.
        ledger: Is given the classes that are dropped.
        on_empty_class: `fail` or `drop`.

    Raises:
        InputError: If `on_empty_class="fail"` and a class has no usable image.
    """
    empty = sorted(set(count_labels(listed)) - set(count_labels(usable)))
    if empty and on_empty_class == "fail":
        files = [e.path for e in listed if empty[0] in e.labels]
        reasons = {entry.path: entry.reason for entry in ledger.left_out}
        reasons |= {
            path: f"review: {label}" for path, _, label in ledger.relabelled
        }
        others = f" (nor have {_few(empty[1:])})" if empty[1:] else ""
        raise InputError(
            f"The class '{empty[0]}' has no usable image{others}: "
            f"'{files[0]}' is passed over, {reasons[files[0]]}; expected at "
            "least two images: mend or remove the class, or pass "
            "--config.data.on_empty_class=drop to train without it."
        )
    ledger.dropped_classes = empty


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"

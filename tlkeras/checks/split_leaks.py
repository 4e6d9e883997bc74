"""No picture in two splits, and enough images of each class."""

from collections.abc import Sequence
from itertools import combinations

from tlkeras.checks.result import FAIL, PASS, SKIP, WARN, CheckResult
from tlkeras.data.dataset import Dataset
from tlkeras.data.perceptual_hash import find_near_duplicates

SHOWN = 3  # pairs named in a message
MAX_COPIES = 0.02  # of held-out images
FEW_COPIES = 3


def check_split_leaks(dataset: Dataset) -> CheckResult:
    """Counts identical files that two splits share; must be none.

    Copies that the source had in two splits, and that the scan left out of
    one, are a warning: the source itself leaks.
    """
    shared = sum(
        len(set(a.digests) & set(b.digests))
        for a, b in combinations(dataset.splits.values(), 2)
    )
    mended = dataset.ledger.straddling
    message = f"{shared} files lie in two splits."
    if mended and not shared:
        message = (
            f"{len(mended)} files lay in two splits of the source and were "
            f"left out of one, first {mended[0]}."
        )
    verdict = WARN if mended else PASS
    return CheckResult(
        "split_leaks", FAIL if shared else verdict, shared, 0, message
    )


def check_near_duplicates(dataset: Dataset, *, seed: int = 0) -> CheckResult:
    """Looks for the same picture in two splits, re-encoded or resized."""
    name = "near_duplicates"
    if not any(
        value is not None
        for split in dataset.splits.values()
        for value in split.hashes
    ):
        message = "The pictures are too small or flat to tell copies apart."
        return CheckResult(name, SKIP, None, 0, message)
    found, notes = [], []
    for first, second in combinations(dataset.splits, 2):
        result = find_near_duplicates(
            dataset.splits[first], dataset.splits[second], seed=seed
        )
        if result.num_compared < len(dataset.splits[second]):
            notes.append(f"of {second}, {result.num_compared} were drawn")
        if result.num_unread:
            notes.append(
                f"{result.num_unread} pairs of {first} and {second} that are "
                "less alike were not compared"
            )
        found += [f"{a} ({first}) and {b} ({second})" for a, b in result.pairs]
    message = f"{len(found)} pictures lie in two splits, re-encoded or resized"
    if found:
        message += f": {'; '.join(found[:SHOWN])}"
    message = "; ".join([message, *notes])
    return CheckResult(
        name, FAIL if found else PASS, len(found), 0, f"{message}."
    )


def check_copies(
    found: Sequence[tuple[str, str]], *, num_held: int, num_left: int = 0
) -> CheckResult:
    """Judges the pictures that lie in two splits, changed.

    A few are a warning: they hardly move a measured accuracy, and among simple
    drawings some are so alike that they are taken for the same.

    Args:
        found: Pairs of files, the surest first.
        num_held: Images of the splits that a model is judged by.
        num_left: Images that were not drawn, and not compared.
    """
    limit = max(FEW_COPIES, MAX_COPIES * num_held)
    message = (
        f"{len(found)} pictures lie in two splits, cropped, shifted, mirrored "
        "or otherwise changed"
    )
    if found:
        pairs = (f"{a} and {b}" for a, b in found[:SHOWN])
        message += f": {'; '.join(pairs)}"
    if num_left:
        message += f"; {num_left} images were not compared"
    verdict = FAIL if len(found) > limit else WARN if found else PASS
    return CheckResult(
        "near_duplicates_by_codes", verdict, len(found), 0, f"{message}."
    )


def check_class_counts(dataset: Dataset) -> CheckResult:
    """Looks for classes that are absent from a split."""
    counts = dataset.class_counts()
    absent = [
        f"{label} ({split})"
        for split, of_classes in counts.items()
        for label, count in of_classes.items()
        if not count
    ]
    smallest = min(counts["train"].values())
    listed = f" Absent: {', '.join(absent[:5])}." if absent else ""
    return CheckResult(
        "class_counts",
        WARN if absent else PASS,
        {split: sum(c.values()) for split, c in counts.items()},
        "at least 1 of each class in each split",
        f"The smallest class has {smallest} training images.{listed}",
    )

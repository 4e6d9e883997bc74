"""No file's bytes in two splits, and enough images of each class."""

from itertools import combinations

from tlkeras.checks.result import FAIL, PASS, WARN, CheckResult
from tlkeras.data.dataset import Dataset


def check_split_leaks(dataset: Dataset) -> CheckResult:
    """Counts identical files that two splits share; must be none."""
    shared = sum(
        len(set(a.digests) & set(b.digests))
        for a, b in combinations(dataset.splits.values(), 2)
    )
    return CheckResult(
        "split_leaks",
        FAIL if shared else PASS,
        shared,
        0,
        f"{shared} files lie in two splits.",
    )


def check_class_counts(dataset: Dataset) -> CheckResult:
    """Looks for classes that are absent from a split."""
    absent = [
        f"{label} ({split})"
        for split, counts in dataset.class_counts().items()
        for label, count in counts.items()
        if not count
    ]
    smallest = min(dataset.class_counts()["train"].values())
    listed = f" Absent: {', '.join(absent[:5])}." if absent else ""
    return CheckResult(
        "class_counts",
        WARN if absent else PASS,
        smallest,
        "at least 1 in each split",
        f"The smallest class has {smallest} training images.{listed}",
    )

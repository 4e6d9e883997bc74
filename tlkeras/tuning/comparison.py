"""The winner against the config as given, image by image."""

from pathlib import Path

import numpy as np

from tlkeras.evaluation.evaluate import read_scores
from tlkeras.evaluation.metrics import compare_paired, format_change
from tlkeras.tuning.store.search_result import Comparison, SplitComparison


def compare_runs(
    given: Path, tuned: Path, *, num_samples: int, significant: float
) -> Comparison:
    """Compares two finished runs on the images that both answered.

    Args:
        given: Directory of the run of the config as given.
        tuned: Directory of the winner's run.
        num_samples: Of the bootstrap.
        significant: One-sided p at which the winner counts as better.
    """
    splits = {}
    for split in ("validation", "test"):
        old, new = read_scores(given, split), read_scores(tuned, split)
        shared = sorted(old.keys() & new.keys())
        if not shared:
            continue
        before = np.array([old[path] for path in shared])
        after = np.array([new[path] for path in shared])
        paired = compare_paired(before, after, num_samples=num_samples)
        splits[split] = SplitComparison(
            float(before.mean()), float(after.mean()), paired
        )
    p_value = 1.0
    if "validation" in splits:
        p_value = splits["validation"].paired.p_value
    return Comparison(splits, p_value <= significant)


def format_comparison(compared: Comparison) -> list[str]:
    """Returns lines for people."""
    lines = []
    for split, row in compared.splits.items():
        change = format_change(row.paired.difference, row.paired.interval)
        lines.append(
            f"{split}: tuned {row.tuned:.4f}, given {row.given:.4f}, "
            f"{change}, p {row.paired.p_value:.3f}"
        )
    verdict = (
        "the tuned config is better on validation"
        if compared.is_better
        else "the tuned config is not better on validation beyond chance"
    )
    return [*lines, verdict]

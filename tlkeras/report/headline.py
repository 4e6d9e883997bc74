"""The numbers that come first, with their intervals."""

from collections.abc import Sequence

import numpy as np

from tlkeras.evaluation.metrics import bootstrap_interval
from tlkeras.report.run_files import Content, RunFiles


def build_headline(files: RunFiles) -> Content:
    """Returns one card a split, and smaller figures beside them."""
    cards = [
        _describe_split(split, files)
        for split in ("test", "validation")
        if split in files.evaluations
    ]
    return {"cards": cards, "figures": _figures(files)}


def _describe_split(split: str, files: RunFiles) -> Content:
    metrics = files.evaluations[split]
    interval = metrics.get(f"{files.metric}_interval")
    card = {
        "split": split,
        "value": metrics[files.metric],
        "interval": interval,
        "note": files.metric_name,
        "num_examples": metrics["num_examples"],
        "loss": metrics["loss"],
    }
    if interval is None and files.predictions[split]:
        # mAP is no mean over images; the mean that is has an interval.
        scores = np.array([float(r["score"]) for r in files.predictions[split]])
        low, high = bootstrap_interval(scores, num_samples=1000)
        card["image_score"] = (float(scores.mean()), low, high)
    return card


def _figures(files: RunFiles) -> list[tuple[str, str, str]]:
    """Returns (value, name, meaning) of the smaller figures."""
    shown, split = files.shown, files.shown_split
    figures = [
        (f"{shown['loss']:.3f}", "loss", f"on {split}"),
        (f"{shown['macro_f1']:.3f}", "macro F1", "mean over its classes"),
    ]
    if "top_5_accuracy" in shown and len(files.class_names) > 5:
        value = f"{100 * shown['top_5_accuracy']:.1f} %"
        figures.append((value, "top-5 accuracy", f"on {split}"))
    if "expected_calibration_error" in shown:
        error = f"{100 * shown['expected_calibration_error']:.1f} points"
        meaning = "mean gap between confidence and accuracy"
        figures.append((error, "calibration error", meaning))
    counts = [row["num_examples"] for row in shown["per_class"].values()]
    if not files.multi_label and sum(counts):
        share = f"{100 * max(counts) / sum(counts):.1f} %"
        figures.append((share, "largest class", "what always naming it gives"))
    figures.append(
        (
            _duration(files.result.seconds["total"]),
            "training time",
            f"{files.result.num_parameters:,} parameters",
        )
    )
    if "test" in files.evaluations or files.num_test_looks:
        looks = str(files.num_test_looks)
        meaning = "each one more makes it a little less of a test"
        figures.append((looks, "looks at the test split", meaning))
    return figures


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def wilson_interval(hits: float, count: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share.

    Unlike the bootstrap's it stays honest for a handful of images.

    Args:
        hits: In 0..count; a whole number but for rounding.
        count: Images; (0, 1) for none.

    Reference:
        Wilson, Probable Inference, the Law of Succession, and Statistical
        Inference, 1927.

    Example:
    >>> low, high = wilson_interval(5, 5)
    >>> round(low, 2), high
    (0.57, 1.0)
    """
    from scipy.stats import binomtest  # takes longer than the whole page

    if not count:
        return 0.0, 1.0
    interval = binomtest(round(hits), count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def quantile_words(counts: Sequence[int]) -> str:
    """Returns `smallest 3, median 10, largest 80` for counts."""
    if not counts:
        return "none"
    ordered = sorted(counts)
    median = ordered[len(ordered) // 2]
    return f"smallest {ordered[0]}, median {median}, largest {ordered[-1]}"

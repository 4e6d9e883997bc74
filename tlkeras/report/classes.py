"""Each class's figures, and which classes are taken for which."""

import dataclasses
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.charts import chart_settings, new_chart, shorten
from tlkeras.report.headline import wilson_interval
from tlkeras.report.run_files import MAX_CLASS_ROWS, Content, RunFiles

NUM_WORST = 30
MAX_MATRIX_CLASSES = 40
NUM_PAIRS = 8


@dataclasses.dataclass(frozen=True)
class ConfusedPair:
    """A class that was taken for another.

    Attributes:
        truth: The class.
        taken_for: The answer.
        count: Images that it happened to.
        share: They are of the class, 0..1.
    """

    truth: str
    taken_for: str
    count: int
    share: float


def build_classes(files: RunFiles) -> Content:
    """Returns a row a class; of many classes those that are found least."""
    rows = [
        {"name": name, **values}
        for name, values in files.shown["per_class"].items()
    ]
    num_classes = len(rows)
    is_cut = num_classes > MAX_CLASS_ROWS
    if is_cut:
        seen = [row for row in rows if row["num_examples"]]
        rows = sorted(seen, key=lambda row: (row["recall"], row["f1"]))
        rows = rows[:NUM_WORST]
    return {
        "split": files.shown_split,
        "rows": [{**row, **_recall_interval(row)} for row in rows],
        "num_classes": num_classes,
        "is_cut": is_cut,
        "has_precision_average": any("average_precision" in r for r in rows),
        "file": workdir.evaluation_name(files.shown_split),
    }


def _recall_interval(values: dict[str, Any]) -> dict[str, float]:
    count = values["num_examples"]
    if not count:
        return {}
    low, high = wilson_interval(values["recall"] * count, count)
    return {"low": low, "high": high}


def build_confusion(files: RunFiles) -> Content | None:
    """Returns the confusion matrix, or only its pairs where it is large.

    None where images may carry several labels: there is no such matrix.
    """
    counts = files.shown.get("confusion_matrix")
    if not counts:
        return None
    return {
        "split": files.shown_split,
        "names": files.class_names,
        "rows": _matrix_rows(counts, files.class_names),
        "pairs": find_pairs(np.array(counts), files.class_names),
        "num_classes": len(files.class_names),
        "file": workdir.evaluation_name(files.shown_split),
    }


def _matrix_rows(
    counts: list[list[int]], class_names: list[str]
) -> list[Content]:
    """Returns the matrix with a shade for each cell; [] if it is large.

    The shade is the share of the row; of wrong answers its root, since a few
    of them would not be seen.
    """
    if len(class_names) > MAX_MATRIX_CLASSES:
        return []
    return [
        {
            "name": name,
            "cells": [
                {
                    "count": count,
                    "shade": (count / max(sum(row), 1))
                    ** (1.0 if column == truth else 0.5),
                }
                for column, count in enumerate(row)
            ],
        }
        for truth, (name, row) in enumerate(
            zip(class_names, counts, strict=True)
        )
    ]


def find_pairs(
    matrix: np.ndarray, class_names: list[str], limit: int = NUM_PAIRS
) -> list[ConfusedPair]:
    """Returns the pairs of classes that are confused most often.

    Args:
        matrix: [C, C] counts, rows true, columns predicted.
        class_names: [C].
        limit: Pairs at most.

    Returns:
        The most frequent first; none with a count of 0.
    """
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    totals = np.maximum(matrix.sum(1), 1)
    flat = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = []
    for truth, guess in zip(*np.unravel_index(flat, wrong.shape), strict=True):
        if wrong[truth, guess]:
            pairs.append(
                ConfusedPair(
                    class_names[truth],
                    class_names[guess],
                    int(wrong[truth, guess]),
                    float(wrong[truth, guess] / totals[truth]),
                )
            )
    return pairs


def plot_confusion(files: RunFiles) -> Any:
    """Draws the confusion matrix as shares of its rows, for TensorBoard.

    Returns:
        A figure; None where there is no matrix.
    """
    counts = files.shown.get("confusion_matrix")
    if not counts:
        return None
    matrix = np.array(counts, float)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    side = min(4.0 + 0.25 * len(shares), 9.0)
    with chart_settings():
        figure, axes = new_chart(side, side)
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(image, ax=axes, shrink=0.7)
        if len(shares) <= MAX_MATRIX_CLASSES:
            places = range(len(shares))
            names = [shorten(name) for name in files.class_names]
            axes.set_xticks(places, names, rotation=90)
            axes.set_yticks(places, names)
        axes.grid(False)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
    return figure

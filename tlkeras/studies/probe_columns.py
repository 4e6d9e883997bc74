"""The columns of a probe's table: linear classifiers on one depth's codes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkeras.optim.losses import LOSSES, Loss
from tlkeras.studies.copy_scores import cross_validate_copies
from tlkeras.studies.cross_validation import CrossValidated, cross_validate
from tlkeras.studies.papers_protocol import (
    measure_copies_over_splits,
    measure_over_splits,
)

# Column -> (loss, whether the codes get dropout).
PROBE_COLUMNS = {
    "softmax": (LOSSES["softmax"], False),
    "softmax+dropout": (LOSSES["softmax"], True),
    "svm": (LOSSES["squared_hinge"], False),
    "svm+dropout": (LOSSES["squared_hinge"], True),
}
MULTI_LABEL_COLUMNS = {
    "logistic": (LOSSES["binary"], False),
    "logistic+dropout": (LOSSES["binary"], True),
}
COPIES = "+copies"  # ends the column of a classifier on augmented copies
Columns = dict[str, CrossValidated]


def cross_validate_columns(
    copies: np.ndarray,
    targets: np.ndarray,
    table: Mapping[str, tuple[Loss, bool]],
    num_folds: int,
    seed: int,
    groups: Sequence[str] = (),
) -> tuple[Columns, Columns]:
    """Measures each classifier on whole images, and on all of their copies.

    Both have the same folds and, classifier by classifier, the same strength,
    so that nothing but the copies differs.

    Args:
        copies: float [K, N, d], those of the whole images first.
        targets: [N, C] multi-hot.
        table: `PROBE_COLUMNS` or `MULTI_LABEL_COLUMNS`.
        num_folds: Of the images, at least 2.
        seed: Of folds and dropout.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold.

    Returns:
        The columns on whole images, and those of classifiers without dropout
        on all copies, none where there is one.
    """
    columns = {
        name: cross_validate(
            copies[0],
            targets,
            loss=loss,
            dropout=dropout,
            num_folds=num_folds,
            seed=seed,
            groups=groups,
        )
        for name, (loss, dropout) in table.items()
    }
    if len(copies) == 1:
        return columns, {}
    return columns, {
        name + COPIES: cross_validate_copies(
            copies,
            targets,
            loss=loss,
            l2=columns[name].l2,
            num_folds=num_folds,
            seed=seed,
            groups=groups,
        )
        for name, (loss, dropout) in table.items()
        if not dropout
    }


def measure_columns_over_splits(
    copies: np.ndarray,
    targets: np.ndarray,
    table: Mapping[str, tuple[Loss, bool]],
    *,
    train_per_class: int,
    num_splits: int,
    seed: int,
    groups: Sequence[str] = (),
) -> dict[str, dict[str, Any]]:
    """Measures each classifier without dropout by the papers' protocol.

    Args:
        copies: float [K, N, d], those of the whole images first.
        targets: [N, C] one-hot.
        table: Of the columns.
        train_per_class: Training images of each class, at least 2.
        num_splits: At least 2.
        seed: Of the first split.
        groups: [N] of images that belong together, or empty.

    Returns:
        Column -> `OverSplits`, also on all copies where there are several.
    """
    cells = {}
    for name, (loss, dropout) in table.items():
        if dropout:
            continue
        found = measure_over_splits(
            copies[0],
            targets,
            loss=loss,
            train_per_class=train_per_class,
            num_splits=num_splits,
            seed=seed,
            groups=groups,
        )
        cells[name] = dataclasses.asdict(found)
        if len(copies) > 1:
            on_copies = measure_copies_over_splits(
                copies,
                targets,
                loss=loss,
                train_per_class=train_per_class,
                l2s=found.l2s,
                seed=seed,
                groups=groups,
            )
            cells[name + COPIES] = dataclasses.asdict(on_copies)
    return cells

"""Classes that a split lacks count nowhere, and are shown as absent."""

import numpy as np
import pytest
from sklearn import metrics as reference

from tlkeras.evaluation.metrics import compute_metrics
from tlkeras.optim.losses import LOSSES
from tlkeras.report.text import format_evaluation


def measure(targets, logits, loss="softmax"):
    names = [f"class {number}" for number in range(targets.shape[1])]
    return compute_metrics(
        targets, logits, loss=LOSSES[loss], class_names=names
    )


@pytest.mark.parametrize("absent", [1, 2, 5])
@pytest.mark.parametrize("loss", ["softmax", "binary"])
def test_all_right_is_one_whatever_is_absent(absent, loss):
    targets = np.eye(2 + absent, dtype=np.float32)[[0, 1] * 4]
    result = measure(targets, 20 * targets - 10, loss)
    assert result["macro_f1"] == 1.0
    for number in range(2 + absent):
        row = result["per_class"][f"class {number}"]
        shown = [row[name] for name in ("precision", "recall", "f1")]
        assert shown == ([1.0] * 3 if number < 2 else [None] * 3)


def test_a_class_that_is_only_guessed_is_no_class_of_the_mean():
    targets = np.eye(3, dtype=np.float32)[[0, 0, 1, 1]]
    logits = np.eye(3, dtype=np.float32)[[0, 2, 1, 1]]
    expected = reference.f1_score(
        [0, 0, 1, 1], [0, 2, 1, 1], labels=[0, 1], average="macro"
    )
    assert measure(targets, logits)["macro_f1"] == pytest.approx(expected)


def test_the_table_says_absent():
    targets = np.eye(3, dtype=np.float32)[[0, 1] * 4]
    text = format_evaluation("test", measure(targets, targets))
    (line,) = [row for row in text.splitlines() if row.startswith("class 2")]
    assert line.split() == ["class", "2", "absent", "0"]

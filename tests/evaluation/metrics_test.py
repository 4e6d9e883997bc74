import numpy as np
import pytest
from sklearn import metrics as reference

from tlkeras.evaluation.calibration_error import expected_calibration_error
from tlkeras.evaluation.metrics import (
    average_precisions,
    bootstrap_interval,
    compare_paired,
    compute_metrics,
    compute_summary,
    per_image_scores,
    top_k_accuracy,
)
from tlkeras.optim.losses import LOSSES

NAMES = tuple("abcdefg")


@pytest.fixture
def single():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 200)
    logits = rng.normal(0, 1, (200, 7)) + 2 * np.eye(7)[labels]
    return np.eye(7, dtype=np.float32)[labels], logits, labels


@pytest.fixture
def several():
    rng = np.random.default_rng(1)
    targets = (rng.random((100, 7)) < 0.3).astype(np.float32)
    targets[targets.sum(1) == 0, 0] = 1
    return targets, rng.normal(0, 1, (100, 7)) + targets


def measure(targets, logits, **changes):
    settings = {"loss": LOSSES["softmax"], "class_names": NAMES}
    return compute_metrics(targets, logits, **{**settings, **changes})


def test_metrics_are_scikit_learns(single):
    targets, logits, labels = single
    predicted = logits.argmax(1)
    result = measure(targets, logits)
    assert result["top_1_accuracy"] == reference.accuracy_score(
        labels, predicted
    )
    assert result["macro_f1"] == pytest.approx(
        reference.f1_score(labels, predicted, average="macro")
    )
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert result["loss"] == pytest.approx(
        reference.log_loss(labels, probabilities)
    )
    assert result["top_5_accuracy"] == pytest.approx(
        reference.top_k_accuracy_score(labels, logits, k=5)
    )
    np.testing.assert_array_equal(
        result["confusion_matrix"],
        reference.confusion_matrix(labels, predicted),
    )
    low, high = result["top_1_accuracy_interval"]
    assert low < result["top_1_accuracy"] < high


def test_multi_label_metrics_are_scikit_learns(several):
    targets, logits = several
    result = measure(targets, logits, loss=LOSSES["binary"])
    assert result["mean_average_precision"] == pytest.approx(
        reference.average_precision_score(targets, logits, average="macro")
    )
    np.testing.assert_allclose(
        per_image_scores(targets, logits, multi_label=True).mean(),
        reference.label_ranking_average_precision_score(targets, logits),
    )
    assert "confusion_matrix" not in result


def test_a_class_without_images_does_not_break_anything(single, several):
    targets, logits = several
    targets[:, 3] = 0
    assert np.isnan(average_precisions(targets, logits)[3])
    result = measure(targets, logits, loss=LOSSES["binary"])
    assert result["per_class"]["d"]["average_precision"] is None
    assert np.isfinite(result["mean_average_precision"])


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = []
    for trial in range(200):
        values = (rng.random(100) < 0.7).astype(float)
        low, high = bootstrap_interval(values, num_samples=200, seed=trial)
        covered.append(low <= 0.7 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_a_paired_comparison_sees_what_is_better():
    old = np.array([1.0] * 60 + [0.0] * 40)
    better, same = old.copy(), old.copy()
    better[60:75] = 1.0
    same[[0, 99]] = [0.0, 1.0]
    gain = compare_paired(old, better, num_samples=500)
    assert gain.difference == pytest.approx(0.15)
    assert gain.p_value < 0.01
    assert (gain.num_better, gain.num_worse) == (15, 0)
    assert gain.interval[0] > 0
    assert compare_paired(old, same, num_samples=500).p_value > 0.3
    assert compare_paired(old, old, num_samples=500).p_value == 1.0


def test_calibration():
    confidence = np.full(1000, 0.8)
    correct = np.array([1.0] * 800 + [0.0] * 200)
    assert expected_calibration_error(
        confidence, correct, num_bins=15
    ) == pytest.approx(0.0)
    assert expected_calibration_error(
        confidence, correct * 0, num_bins=15
    ) == pytest.approx(0.8)


def test_top_k_of_few_classes_is_one():
    targets = np.eye(3)
    assert top_k_accuracy(targets, np.zeros((3, 3)), 5) == 1.0


def test_the_summary_is_part_of_the_metrics(single):
    targets, logits, _ = single
    result = measure(targets, logits)
    summary = compute_summary(targets, logits, loss=LOSSES["softmax"])
    assert summary == {name: result[name] for name in summary}

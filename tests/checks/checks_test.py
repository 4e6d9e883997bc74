import numpy as np
import pytest

from tlkeras.checks.initial_loss import check_initial_loss
from tlkeras.checks.label_signal import (
    check_label_signal,
    check_shuffled_labels,
)
from tlkeras.checks.split_leaks import check_class_counts, check_split_leaks
from tlkeras.checks.suite import require_passed
from tlkeras.data.dataset import Dataset, Ledger, Split
from tlkeras.errors import GateError
from tlkeras.optim.losses import LOSSES

TARGETS = np.eye(10, dtype=np.float32)


def make_dataset(train, test, targets=None):
    def split(digests):
        rows = np.eye(2, dtype=np.float32)[[i % 2 for i in range(len(digests))]]
        return Split(digests, rows if targets is None else targets, digests)

    return Dataset(
        "x",
        ("a", "b"),
        False,
        {"train": split(train), "test": split(test)},
        Ledger(),
    )


@pytest.mark.parametrize(
    ("scale", "verdict"), [(0.0, "pass"), (3.0, "warn"), (100.0, "fail")]
)
def test_the_initial_loss_is_that_of_knowing_nothing(scale, verdict):
    logits = np.random.default_rng(0).normal(0, 1, (10, 10)) * scale
    result = check_initial_loss(TARGETS, logits, loss=LOSSES["softmax"])
    assert result.verdict == verdict
    assert result.expected == pytest.approx(np.log(10), abs=1e-3)


@pytest.mark.parametrize(
    ("loss", "settings", "expected"),
    [
        ("softmax", {"label_smoothing": 0.1}, np.log(10)),
        ("binary", {"label_smoothing": 0.1}, np.log(2)),
        ("squared_hinge", {}, 1.0),
        ("softmax", {"class_weights": np.arange(10.0)}, 4.5 * np.log(10)),
    ],
)
def test_the_expected_loss_is_that_of_the_phase(loss, settings, expected):
    result = check_initial_loss(
        TARGETS, np.zeros((10, 10)), loss=LOSSES[loss], **settings
    )
    assert result.verdict == "pass"
    assert result.expected == pytest.approx(expected, abs=1e-3)


def test_a_shared_file_is_a_leak():
    assert (
        check_split_leaks(make_dataset(("1", "2"), ("3", "4"))).verdict
        == "pass"
    )
    leak = check_split_leaks(make_dataset(("1", "2"), ("2", "3")))
    assert leak.verdict == "fail"
    assert leak.value == 1


def test_an_absent_class_is_a_warning():
    assert (
        check_class_counts(make_dataset(("1", "2"), ("3", "4"))).verdict
        == "pass"
    )
    result = check_class_counts(make_dataset(("1", "2"), ("3",)))
    assert result.verdict == "warn"
    assert "b (test)" in result.message


def test_a_failed_check_stops_a_strict_run_only():
    logits = np.random.default_rng(0).normal(0, 1000, (10, 10))
    results = [check_initial_loss(TARGETS, logits, loss=LOSSES["softmax"])]
    require_passed(results, strict=False)
    with pytest.raises(GateError, match="check 'initial_loss' failed"):
        require_passed(results, strict=True)


@pytest.mark.parametrize(
    ("per_class", "hits", "verdict"),
    [
        ((50, 50), (0.9, 0.9), "pass"),
        ((50, 50), (0.5, 0.5), "fail"),
        ((980, 20), (1.0, 0.5), "pass"),  # better than always the largest
        ((980, 20), (1.0, 0.0), "fail"),
        ((5, 5), (0.4, 0.6), "warn"),
    ],
)
def test_the_label_signal_counts_classes_alike(per_class, hits, verdict):
    targets = np.repeat(np.eye(2, dtype=np.float32), per_class, axis=0)
    scores = np.concatenate(
        [
            np.arange(count) < share * count
            for count, share in zip(per_class, hits, strict=True)
        ]
    ).astype(float)
    result = check_label_signal(scores, targets, 0.5)
    assert result.verdict == verdict, result


def test_shuffled_labels_that_are_known_are_a_leak():
    targets = np.repeat(np.eye(2, dtype=np.float32), (50, 50), axis=0)
    rng = np.random.default_rng(0)
    at_chance = (rng.random(100) < 0.5).astype(float)
    assert check_shuffled_labels(at_chance, targets, 0.5).verdict == "pass"
    known = (rng.random(100) < 0.8).astype(float)
    assert check_shuffled_labels(known, targets, 0.5).verdict == "fail"

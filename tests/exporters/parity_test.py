import json

import numpy as np
import pytest
from scipy.stats import binom

from tlkeras.data.dataset import Split
from tlkeras.exporters.gate import judge, warn
from tlkeras.exporters.parity import (
    Reference,
    class_drops,
    mcnemar_p,
    measure,
)
from tlkeras.exporters.runners import Runner


class Recorded(Runner):
    """Plays scores back, image after image, as a loaded file would."""

    def __init__(self, scores):
        self.scores = scores
        self.note = ""

    def run(self, contents, images):
        assert len(contents) == len(images)
        return self.scores[images[:, 0, 0, 0]]

    def operators(self):
        return ["CONV_2D"]


@pytest.fixture
def gate(tmp_path):
    """Returns (make reference, file) for 40 images of two classes."""
    paths = [tmp_path / f"{row}.jpg" for row in range(40)]
    for path in paths:
        path.write_bytes(b"image")
    targets = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
    split = Split(tuple(map(str, paths)), targets, ("",) * 40)

    def read(rows):
        return np.broadcast_to(
            rows.astype(np.uint8)[:, None, None, None], (len(rows), 2, 2, 3)
        )

    def make(scores):
        return Reference(split, read, scores, ("even", "odd"), False)

    return make, paths[0], targets


def test_an_equal_file_differs_in_nothing(gate):
    make, path, targets = gate
    scores = np.abs(targets - 0.1)
    row = measure(Recorded(scores), path, make(scores), num_samples=50)
    assert row.accuracy == 1.0
    assert row.drop == row.largest_probability_shift == 0.0
    assert row.num_disagreements == 0
    assert row.mcnemar_p == 1.0
    assert row.num_bytes == len(b"image")
    assert row.latency_p50_ms <= row.latency_p99_ms
    assert row.operators == ["CONV_2D"]
    assert judge(row, 0.0) == warn(row, 0.01) == ""


def test_a_worse_file_is_refused_with_its_figures(gate):
    make, path, targets = gate
    right = np.abs(targets - 0.1)
    worse = right.copy()
    worse[:20:2] = 1 - worse[:20:2]  # ten of the twenty even ones
    row = measure(Recorded(worse), path, make(right), num_samples=200)
    assert row.drop == pytest.approx(0.25)
    low, high = row.drop_interval
    assert 0 < low < 0.25 < high
    assert row.num_disagreements == 10
    assert (row.worst_class, row.worst_class_drop) == ("even", 0.5)
    assert row.largest_probability_shift == pytest.approx(0.8)
    assert "drops by 0.2500" in judge(row, 0.2)
    assert judge(row, 0.25) == ""
    assert "needs more images" in warn(row, 0.01)


def test_a_better_file_passes(gate):
    make, path, targets = gate
    right = np.abs(targets - 0.1)
    row = measure(Recorded(right), path, make(1 - right), num_samples=50)
    assert row.drop == -1.0
    assert judge(row, 0.0) == ""


def test_scores_that_are_no_numbers_are_refused(gate):
    make, path, targets = gate
    scores = np.full_like(targets, np.nan)
    row = measure(Recorded(scores), path, make(targets), num_samples=50)
    assert "not finite" in judge(row, 1.0)
    json.dumps(row.as_dict(), allow_nan=False)


def test_mcnemar_is_the_exact_binomial_test():
    assert mcnemar_p(0, 0) == 1.0
    assert mcnemar_p(1, 9) == pytest.approx(2 * binom.cdf(1, 10, 0.5))
    assert mcnemar_p(9, 1) == mcnemar_p(1, 9)


def test_a_class_without_images_has_no_drop():
    targets = np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0]])
    drops = class_drops(np.array([1.0, 0.0, -1.0]), targets)
    np.testing.assert_array_equal(drops, [0.5, -1.0, np.nan])

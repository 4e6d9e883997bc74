"""Classifiers on copies of images: folds by image, scores summed."""

import numpy as np
import pytest

from tlkeras.linear.solvers import SOLVERS, standardize
from tlkeras.optim.losses import LOSSES
from tlkeras.studies.copy_scores import cross_validate_copies, score_held_out
from tlkeras.studies.cross_validation import cross_validate
from tlkeras.studies.papers_protocol import (
    draw_per_class,
    measure_copies_over_splits,
    measure_over_splits,
)

BOTH = pytest.mark.parametrize("loss", ["softmax", "squared_hinge"])


@pytest.fixture
def problem():
    """Codes [4, 150, 20] of four noisy copies of 150 images, three classes."""
    rng = np.random.default_rng(0)
    targets = np.eye(3, dtype=np.float32)[rng.permutation(np.arange(150) % 3)]
    means = targets @ rng.normal(size=(3, 20))
    copies = means + 2 * rng.normal(size=(4, 150, 20))
    return copies.astype(np.float32), targets


@BOTH
def test_scores_are_the_sum_over_copies(problem, loss):
    copies, targets = problem
    fit = np.arange(150) < 100
    found = score_held_out(copies, targets, fit, loss=LOSSES[loss], l2=10.0)
    train, mean, scale = standardize(np.concatenate(list(copies[:, fit])))
    ((kernel, bias),) = SOLVERS["batched"](
        train,
        np.concatenate([targets[fit]] * 4),
        [10.0],
        loss=LOSSES[loss],
        weights=np.full(400, 0.25, np.float32),
    )
    each = [(copy[~fit] - mean) / scale @ kernel + bias for copy in copies]
    np.testing.assert_allclose(4 * found, sum(each), rtol=1e-4, atol=1e-4)


@BOTH
def test_the_same_copy_again_changes_nothing(problem, loss):
    """An image counts once, so that a strength keeps its meaning."""
    copies, targets = problem
    fit = np.arange(150) < 100
    one, four = (
        score_held_out(
            np.repeat(copies[:1], times, axis=0),
            targets,
            fit,
            loss=LOSSES[loss],
            l2=10.0,
        )
        for times in (1, 4)
    )
    np.testing.assert_allclose(one, four, rtol=1e-3, atol=1e-3)


@BOTH
def test_one_copy_is_the_plain_probe(problem, loss):
    copies, targets = problem
    plain = cross_validate(copies[0], targets, loss=LOSSES[loss], seed=3)
    again = cross_validate_copies(
        copies[:1],
        targets,
        loss=LOSSES[loss],
        l2=plain.l2,
        num_folds=3,
        seed=3,
    )
    # Both stop at a tolerance: an image on the border may change sides.
    assert np.abs(plain.scores - again.scores).sum() <= 1
    assert again.l2 == plain.l2


def test_several_copies_know_more_than_one(problem):
    copies, targets = problem
    settings = {"loss": LOSSES["softmax"], "num_folds": 3, "seed": 0}
    one, four = (
        cross_validate_copies(copies[:n], targets, l2=100.0, **settings)
        for n in (1, 4)
    )
    assert four.accuracy > one.accuracy + 0.1
    low, high = four.interval
    assert low <= four.accuracy <= high


def test_no_copy_of_a_held_out_image_is_fitted_on():
    """Copies that are alike, and labels of chance: a leak would know all."""
    rng = np.random.default_rng(0)
    targets = np.eye(2, dtype=np.float32)[rng.permutation(np.arange(120) % 2)]
    image = rng.normal(size=(120, 300))
    copies = image + 0.01 * rng.normal(size=(6, 120, 300))
    settings = {"loss": LOSSES["softmax"], "num_folds": 3, "seed": 0}
    found = cross_validate_copies(copies, targets, l2=1.0, **settings)
    assert found.accuracy == pytest.approx(0.5, abs=0.15)
    # As if the copies were images: the test would see a leak.
    leaking = cross_validate(
        copies.reshape(-1, 300), np.tile(targets, (6, 1)), **settings
    )
    assert leaking.accuracy > 0.95
    over_splits = measure_copies_over_splits(
        copies,
        targets,
        loss=LOSSES["softmax"],
        train_per_class=40,
        l2s=(1.0,) * 6,
        seed=0,
    )
    assert over_splits.accuracy == pytest.approx(0.5, abs=0.15)


def test_splits_of_copies_are_those_of_the_images(problem):
    """One copy, with the strengths that were found, is the plain table."""
    copies, targets = problem
    settings = {"loss": LOSSES["softmax"], "train_per_class": 12, "seed": 5}
    plain = measure_over_splits(copies[0], targets, num_splits=3, **settings)
    assert len(plain.l2s) == 3
    again = measure_copies_over_splits(
        copies[:1], targets, l2s=plain.l2s, **settings
    )
    assert again == plain
    first = draw_per_class(targets, 12, 5)
    wrong = copies.copy()
    wrong[1:, ~first] = 1e3  # the copies of held-out images count too
    spoilt = measure_copies_over_splits(
        wrong, targets, l2s=plain.l2s[:1] * 2, **settings
    )
    assert spoilt.accuracies[0] < 0.5


def test_several_labels_are_scored_too(problem):
    copies, targets = problem
    both = np.maximum(targets, np.roll(targets, 1, axis=0))
    found = cross_validate_copies(
        copies, both, loss=LOSSES["binary"], l2=10.0, num_folds=3, seed=0
    )
    assert found.accuracy > 0.8
    # A ranking precision with several labels is never 0.
    assert found.scores.min() > 0

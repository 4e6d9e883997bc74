"""Profiles by depth, their correction, and learning curves."""

import numpy as np
import pytest

from tlkeras.optim.losses import LOSSES
from tlkeras.studies.cross_validation import cross_validate, take_share
from tlkeras.studies.depth_profile import (
    NUM_LINEAR,
    Depth,
    Profile,
    answer_by_neighbours,
    choose_depths,
    measure_profile,
)
from tlkeras.studies.learning_curve import measure_learning_curve


@pytest.fixture
def problem():
    """Codes of 8 depths that know more and more of three classes."""
    rng = np.random.default_rng(0)
    targets = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 240)]
    centres = rng.normal(size=(3, 20))
    codes = [
        rng.normal(size=(240, 20)) + 0.15 * depth * targets @ centres
        for depth in range(8)
    ]
    return codes, targets


def measure(codes, targets):
    return measure_profile(
        [f"layer_{i}" for i in range(len(codes))],
        codes,
        np.random.default_rng(1).integers(0, 255, (len(targets), 4, 4, 3)),
        targets,
        loss=LOSSES["softmax"],
        num_folds=3,
        seed=0,
    )


def test_a_profile_finds_what_depths_know(problem):
    profile = measure(*problem)
    assert len(profile.fitted) == NUM_LINEAR
    assert profile.depths[-1].linear is not None
    accuracies = [depth.k_nn for depth in profile.depths]
    assert accuracies[-1] > accuracies[0] + 0.2
    assert profile.best.linear.accuracy > 0.6
    assert profile.raw_pixels.accuracy == pytest.approx(1 / 3, abs=0.12)
    share = problem[1].mean(0).max()
    assert profile.chance.mean() == pytest.approx(share)


def test_the_best_of_many_depths_of_noise_is_corrected():
    """The best of equal depths looks better than it is; picked, it does not."""
    rng = np.random.default_rng(0)
    gaps, picked = [], []
    for seed in range(200):
        fold = np.arange(90) % 3
        rows = rng.integers(0, 2, (6, 90)).astype(float)
        depths = tuple(
            Depth(str(i), 0.5, (0, 1), fake_answers(row))
            for i, row in enumerate(rows)
        )
        profile = Profile(depths, depths[0].linear, rows[0], fold)
        gaps.append(profile.best.linear.accuracy - 0.5)
        picked.append(profile.pick_any().mean() - 0.5)
        del seed
    assert np.mean(gaps) > 0.05
    assert abs(np.mean(picked)) < 0.015


def fake_answers(scores):
    from tlkeras.studies.cross_validation import CrossValidated

    return CrossValidated(float(scores.mean()), (0, 1), 1.0, scores)


def test_neighbours_of_the_same_fold_have_no_say():
    targets = np.eye(2, dtype=np.float32)[np.arange(60) % 2]
    codes = np.random.default_rng(0).normal(size=(30, 8)).repeat(2, axis=0)
    # Twins with opposite labels, always in one fold.
    fold = (np.arange(60) // 2) % 3
    accuracy = answer_by_neighbours(codes, targets, fold).mean()
    assert accuracy == pytest.approx(0.5, abs=0.2)
    # In different folds each twin gives the other the wrong answer.
    apart = np.arange(60) % 3
    assert answer_by_neighbours(codes, targets, apart).mean() < 0.35


def test_depths_are_the_top_the_best_and_a_spread():
    accuracies = [0.1] * 20
    accuracies[7] = 0.9
    chosen = choose_depths(accuracies)
    assert {7, 19} <= chosen
    assert len(chosen) == NUM_LINEAR
    assert choose_depths([0.5] * 4) == {0, 1, 2, 3}


def test_shares_are_nested_and_even():
    targets = np.eye(4)[np.arange(80) % 4]
    chosen = np.arange(80) < 60
    masks = [take_share(chosen, targets, s, 0) for s in (0.25, 0.5, 1.0)]
    assert (masks[0] <= masks[1]).all()
    assert (masks[1] <= masks[2]).all()
    assert (masks[2] == chosen).all()
    for mask, share in zip(masks, (0.25, 0.5, 1), strict=True):
        counts = targets[mask].sum(0)
        assert (abs(counts - 15 * share) <= 1).all()


def test_a_curve_rises_where_images_help(problem):
    codes, targets = problem
    loss = LOSSES["softmax"]
    rng = np.random.default_rng(3)
    wide = np.concatenate([codes[-1], rng.normal(size=(240, 60))], 1)
    settings = {"loss": loss, "num_folds": 3, "seed": 0}
    whole = cross_validate(
        wide, targets, log10_l2=(1, 3), num_strengths=3, **settings
    )
    curve = measure_learning_curve(wide, targets, whole, **settings)
    assert curve.accuracies[0] < curve.accuracies[-1]
    assert curve.accuracies[-1] == whole.accuracy
    assert curve.slope == pytest.approx(
        curve.accuracies[2] - curve.accuracies[1]
    )
    trivial = np.repeat(targets, 5, 1)
    whole = cross_validate(
        trivial, targets, log10_l2=(1, 3), num_strengths=3, **settings
    )
    flat = measure_learning_curve(trivial, targets, whole, **settings)
    assert not flat.still_rises

"""A temperature makes scores probabilities, and changes nothing else."""

import json

import numpy as np
import pytest
from scipy.special import expit, softmax

from tlkeras.evaluation.calibration import (
    NUM_FOLDS,
    Calibration,
    calibrate_held_out,
    fit_calibration,
    fit_temperature,
)
from tlkeras.evaluation.calibration_error import (
    calibration_bins,
    expected_calibration_error,
)
from tlkeras.evaluation.calibration_gain import measure_gain
from tlkeras.evaluation.folds import stratified_folds
from tlkeras.evaluation.records import RunResult, SplitScore
from tlkeras.optim.losses import LOSSES, compute_log_losses

SOFTMAX, BINARY = LOSSES["softmax"], LOSSES["binary"]


def draw(temperature, num_images=4000, num_classes=6, seed=0, std=2.0):
    """Returns labels drawn from softmax(z), and z times the temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, std, (num_images, num_classes))
    edges = softmax(logits, -1).cumsum(-1)
    labels = (rng.random((num_images, 1)) > edges).sum(-1)
    labels = np.minimum(labels, num_classes - 1)
    targets = np.eye(num_classes, dtype=np.float32)[labels]
    return targets, (temperature * logits).astype(np.float32)


def draw_labels(temperatures, shifts=0.0, num_images=4000, seed=0):
    """Returns labels of sigmoid(z), and the logits that T and b move to z."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(-1, 2, (num_images, len(temperatures)))
    targets = rng.random(logits.shape) < expit(logits)
    scaled = (logits - np.array(shifts)) * np.array(temperatures)
    return targets.astype(np.float32), scaled.astype(np.float32)


def mean_log_loss(targets, logits, loss=SOFTMAX):
    return compute_log_losses(targets, logits, loss).mean()


def measure(targets, before, after, loss=SOFTMAX):
    return measure_gain(
        targets, before, after, loss=loss, num_bins=15, num_samples=200
    )


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_the_temperature_that_the_labels_were_drawn_with_is_found(temperature):
    targets, logits = draw(temperature)
    found = fit_calibration(targets, logits, SOFTMAX)
    assert found.temperature == pytest.approx((temperature,), rel=0.05)
    assert found.num_images == len(targets)
    assert bool(found.reason) == found.is_identity


@pytest.mark.parametrize("name", ["softmax", "squared_hinge"])
def test_it_is_no_worse_than_any_of_a_grid(name):
    targets, logits = draw(1.7, 200)
    loss = LOSSES[name]
    grid = np.exp(np.linspace(-2, 2, 81))
    of_grid = [mean_log_loss(targets, logits / t, loss) for t in grid]
    found = fit_temperature(targets, logits, loss, prior_std=1e3)
    assert mean_log_loss(targets, logits / found, loss) <= min(of_grid) + 1e-9


def test_each_label_has_its_own_temperature_and_shift():
    temperatures, shifts = (0.4, 1.0, 3.0), (0.0, 0.8, -0.5)
    targets, logits = draw_labels(temperatures, shifts)
    found = fit_calibration(targets, logits, BINARY)
    assert found.temperature == pytest.approx(temperatures, rel=0.1)
    assert found.shift == pytest.approx(shifts, abs=0.15)
    alone = fit_calibration(targets[:, [2]], logits[:, [2]], BINARY)
    assert alone.temperature == found.temperature[2:]
    assert alone.shift == found.shift[2:]


def test_a_label_is_fitted_as_by_scikit_learn():
    """Platt's sigmoid is a logistic regression on one logit."""
    from sklearn.linear_model import LogisticRegression

    targets, logits = draw_labels((2.0,), (0.7,))
    (temperature,), (shift,) = (
        (found := fit_calibration(targets, logits, BINARY)).temperature,
        found.shift,
    )
    theirs = LogisticRegression(C=1e6).fit(logits, targets[:, 0])
    assert 1 / temperature == pytest.approx(theirs.coef_[0, 0], rel=0.02)
    assert shift == pytest.approx(theirs.intercept_[0], abs=0.02)


def test_what_was_fitted_is_calibrated_and_no_class_changes_its_place():
    targets, logits = draw(2.5)
    found = fit_calibration(targets, logits, SOFTMAX)
    served = found.apply(logits)
    gain = measure(targets, logits, served)
    assert gain.expected_calibration_error.before > 0.08
    assert gain.expected_calibration_error.after < 0.03
    assert gain.log_loss.difference < -0.1
    assert gain.num_changed == 0
    np.testing.assert_array_equal(
        np.argsort(logits, -1), np.argsort(served, -1)
    )


@pytest.mark.parametrize("loss", [SOFTMAX, BINARY], ids=lambda row: row.name)
def test_undoing_gives_the_logits_as_trained(loss):
    targets, logits = draw(2.0, 300)
    found = fit_calibration(targets, logits, loss)
    assert not found.is_identity
    served = found.apply(logits)
    assert served.dtype == logits.dtype
    np.testing.assert_allclose(found.undo(served), logits, rtol=1e-5, atol=1e-5)


def test_an_identity_leaves_every_bit():
    _, logits = draw(1.0, 10)
    assert Calibration().apply(logits) is logits
    assert Calibration((1.0, 1.0), (0.0, 0.0)).undo(logits) is logits
    assert Calibration((1.0,), (0.1,)).undo(logits) is not logits


def test_few_images_are_believed_less_than_many():
    """The same share of mistakes, seen on 4, 40 and 4000 images."""
    sure = np.array([[6.0, 0.0]] * 4, np.float32)
    labels = np.eye(2, dtype=np.float32)[[0, 0, 0, 1]]
    fits = [
        fit_temperature(np.tile(labels, (n, 1)), np.tile(sure, (n, 1)), SOFTMAX)
        for n in (1, 10, 1000)
    ]
    assert 1 < fits[0] < fits[1] < fits[2]
    # 3 of 4 are right: 6 / T = ln 3.
    assert fits[2] == pytest.approx(6 / np.log(3), rel=0.01)


def test_images_without_a_mistake_leave_it_finite():
    targets = np.tile(np.eye(3, dtype=np.float32), (5, 1))
    found = fit_calibration(targets, 8 * targets, SOFTMAX)
    assert 0.1 < found.temperature[0] <= 1


def test_too_few_images_are_said_and_left():
    targets, logits = draw(3.0, 11)
    found = fit_calibration(targets, logits, SOFTMAX)
    assert found.is_identity
    assert found.reason == (
        "11 validation images for 6 classes; expected at least 2 a class"
    )
    np.testing.assert_array_equal(
        calibrate_held_out(targets, logits, SOFTMAX), logits
    )
    enough = draw(3.0, 12)
    assert not fit_calibration(*enough, SOFTMAX).is_identity


def test_rare_labels_are_said_and_left_alone():
    targets, logits = draw_labels((2.0, 2.0, 2.0))
    targets[:, 0] = 0
    targets[0, 0] = 1
    targets[:, 1] = 1
    found = fit_calibration(targets, logits, BINARY)
    assert found.temperature[:2] == (1.0, 1.0)
    assert found.shift[:2] == (0.0, 0.0)
    assert found.temperature[2] > 1.5
    assert "2 of 3 labels" in found.reason


def test_what_one_image_alone_would_spoil_is_left():
    """Sure and right but once: without that image, T would make it worse."""
    targets = np.tile(np.eye(3, dtype=np.float32), (20, 1))
    logits = 6 * targets
    logits[0] = (0, 7, 0)
    found = fit_calibration(targets, logits, SOFTMAX)
    assert found.is_identity
    assert "held-out images better" in found.reason
    np.testing.assert_array_equal(
        calibrate_held_out(targets, logits, SOFTMAX), logits
    )


def test_no_split_is_reported_with_a_higher_loss_than_before():
    for seed in range(30):
        targets, logits = draw(1.0, 30, seed=seed)
        apart = calibrate_held_out(targets, logits, SOFTMAX)
        assert mean_log_loss(targets, apart) <= mean_log_loss(targets, logits)
        is_left = fit_calibration(targets, logits, SOFTMAX).is_identity
        assert is_left == bool((apart == logits).all())


def test_logits_that_are_not_finite_are_left():
    targets, logits = draw(2.0, 50)
    logits[3, 1] = np.nan
    found = fit_calibration(targets, logits, SOFTMAX)
    assert found.is_identity
    assert "not finite" in found.reason


def test_an_image_is_held_out_of_its_own_calibration():
    """What it is answered changes the temperatures of other folds alone."""
    targets, logits = draw(2.0, 60)
    changed = logits.copy()
    changed[0] *= 3
    used = [
        (z / calibrate_held_out(targets, z, SOFTMAX))[:, 0]
        for z in (logits, changed)
    ]
    assert used[0][0] == pytest.approx(used[1][0], rel=1e-6)
    moved = ~np.isclose(*used, rtol=1e-6)
    folds = stratified_folds(targets, NUM_FOLDS, seed=0)
    np.testing.assert_array_equal(moved, folds != folds[0])


def test_a_fitted_image_flatters():
    """Held out, log loss is as on new images; fitted to, it is below."""
    fitted, held, new = [], [], []
    for seed in range(40):
        targets, logits = draw(2.0, 24, seed=seed)
        others = draw(2.0, 24, seed=1000 + seed)
        found = fit_calibration(targets, logits, SOFTMAX)
        fitted.append(mean_log_loss(targets, found.apply(logits)))
        apart = calibrate_held_out(targets, logits, SOFTMAX)
        held.append(mean_log_loss(targets, apart))
        new.append(mean_log_loss(others[0], found.apply(others[1])))
    assert np.mean(fitted) < np.mean(held)
    assert np.mean(held) == pytest.approx(np.mean(new), abs=0.1)


def test_many_logits_are_fitted_on_some_of_the_images(monkeypatch):
    targets, logits = draw(2.0, 3000)
    everything = fit_calibration(targets, logits, SOFTMAX)
    monkeypatch.setattr(
        "tlkeras.evaluation.calibration.MAX_LOGITS", logits.size // 3
    )
    third = fit_calibration(targets, logits, SOFTMAX)
    assert third.temperature != everything.temperature
    assert third.temperature == pytest.approx(everything.temperature, rel=0.1)
    assert third.num_images == 3000


def test_the_error_is_what_the_bins_say():
    targets, logits = draw(2.0, 300)
    confidence = softmax(logits, -1).max(-1)
    correct = (logits.argmax(-1) == targets.argmax(-1)).astype(float)
    bins = calibration_bins(confidence, correct, num_bins=15)
    assert expected_calibration_error(
        confidence, correct, num_bins=15
    ) == pytest.approx(
        sum(b["share"] * abs(b["accuracy"] - b["confidence"]) for b in bins)
    )


def test_the_error_of_labels_is_that_of_all_their_answers():
    targets, logits = draw_labels((2.0, 0.5), num_images=200)
    confidence = expit(logits)
    assert expected_calibration_error(
        confidence, targets, num_bins=10
    ) == pytest.approx(
        expected_calibration_error(
            confidence.ravel(), targets.ravel(), num_bins=10
        )
    )


def test_labels_that_pass_the_threshold_are_counted():
    targets, logits = draw_labels((1.0, 1.0), num_images=50)
    moved = logits.copy()
    moved[:7, 1] *= -1
    assert measure(targets, logits, moved, BINARY).num_changed == 7
    assert measure(targets, logits, 3 * logits, BINARY).num_changed == 0


def test_intervals_hold_what_they_are_of():
    targets, logits = draw(2.5, 400)
    gain = measure(targets, logits, logits / 2.5)
    for figure in (gain.log_loss, gain.expected_calibration_error):
        for value, (low, high) in (
            (figure.before, figure.before_interval),
            (figure.after, figure.after_interval),
            (figure.difference, figure.difference_interval),
        ):
            assert low <= high
            assert low - 0.02 <= value <= high + 0.02
        assert figure.difference_interval[1] < 0
    same = measure(targets, logits, logits)
    assert same.log_loss.difference_interval == (0, 0)


def test_noise_alone_is_taken_off_the_interval_of_the_error():
    """Of a model that is right about itself, it comes near 0."""
    reached = 0
    for seed in range(20):
        targets, logits = draw(1.0, 200, seed=seed)
        gain = measure(targets, logits, logits).expected_calibration_error
        assert gain.before > 0.03
        reached += gain.before_interval[0] < 0.02
    assert reached >= 15


def test_a_result_brings_its_calibration_back():
    targets, logits = draw(2.0, 100)
    found = fit_calibration(targets, logits, SOFTMAX)
    gain = measure(targets, logits, found.apply(logits))
    result = RunResult(
        ("a", "b"),
        scores={"val": SplitScore(0.5, 1.0, 100, gain)},
        calibration=found,
    )
    stored = json.loads(json.dumps(result.as_dict()))
    assert stored == result.as_dict()
    assert RunResult.from_dict(stored) == result
    assert stored["val/calibration"]["log_loss"]["before"] > 0
    assert stored["calibration"]["temperature"] == list(found.temperature)

import keras
import numpy as np
import pytest

from tlkeras.optim.losses import LOSSES, compute_losses, compute_probabilities

EACH = pytest.mark.parametrize(
    "loss", LOSSES.values(), ids=lambda row: row.name
)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    targets = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 20)]
    return targets, rng.normal(0, 3, (20, 5)).astype(np.float32)


@EACH
def test_numpy_and_keras_agree(loss, case):
    targets, logits = case
    value = float(loss.build(0.0)(targets, logits))
    assert compute_losses(targets, logits, loss).mean() == pytest.approx(
        value, rel=1e-5
    )


@EACH
def test_zero_logits_give_the_loss_of_knowing_nothing(loss, case):
    targets, logits = case
    losses = compute_losses(targets, np.zeros_like(logits), loss)
    np.testing.assert_allclose(losses, loss.expected_at_zero(5))


def test_hinge_is_one_vs_rest_with_soft_targets(case):
    loss = LOSSES["squared_hinge"].build(0.0)
    logits = np.array([[2.0, -2.0]], np.float32)
    assert float(loss(np.array([[1.0, 0.0]]), logits)) == 0.0
    assert float(loss(np.array([[0.0, 1.0]]), logits)) == 9.0
    assert float(loss(np.array([[0.5, 0.5]]), logits)) == 1.0


@EACH
def test_the_slope_is_the_derivative_of_the_value(loss, case):
    targets, logits = case[0].astype(np.float64), case[1].astype(np.float64)
    slopes = loss.value_and_slope(logits, targets)[1]
    for column in range(5):
        step = 1e-6 * (np.arange(5) == column)
        rise = loss.value(logits + step, targets) - loss.value(
            logits - step, targets
        )
        np.testing.assert_allclose(rise / 2e-6, slopes[:, column], atol=1e-6)


@EACH
def test_the_value_beside_the_slope_is_the_value(loss, case):
    """For heads side by side, [N, heads, C], whose targets are shared."""
    targets, logits = case
    heads = np.stack([logits, 2 * logits, logits[::-1]], axis=1)
    values, slopes = loss.value_and_slope(heads, targets[:, None])
    np.testing.assert_allclose(
        values, loss.value(heads, targets[:, None]), rtol=1e-4, atol=1e-6
    )
    summed = loss.slope(heads, targets[:, None])
    share = 5 if loss.is_class_mean else 1
    np.testing.assert_allclose(slopes, summed / share, rtol=1e-5, atol=1e-7)


@EACH
def test_no_slope_changes_faster_than_the_curvature(loss, case):
    targets, logits = case[0].astype(np.float64), case[1].astype(np.float64)
    for column in range(5):
        step = 1e-4 * (np.arange(5) == column)
        change = loss.slope(logits + step, targets) - loss.slope(
            logits - step, targets
        )
        assert np.abs(change).max() <= 2e-4 * loss.curvature * (1 + 1e-6)


@EACH
def test_what_is_served_is_what_is_evaluated(loss, case):
    served = keras.activations.get(loss.activation)(case[1])
    np.testing.assert_allclose(
        compute_probabilities(case[1], loss), served, atol=1e-6
    )


@EACH
def test_smoothing_draws_targets_to_the_rows_own(loss, case):
    targets, logits = case
    smoothed = float(loss.build(0.2)(targets, logits))
    if loss.smooth_target is None:
        assert smoothed == float(loss.build(0.0)(targets, logits))
        return
    soft = 0.8 * targets + 0.2 * loss.smooth_target(5)
    assert compute_losses(soft, logits, loss).mean() == pytest.approx(
        smoothed, rel=1e-5
    )


def test_label_smoothing_reaches_keras():
    assert LOSSES["softmax"].build(0.1).label_smoothing == 0.1


def test_probabilities(case):
    _, logits = case
    softmax = compute_probabilities(logits, LOSSES["softmax"])
    np.testing.assert_allclose(softmax.sum(-1), 1.0)
    np.testing.assert_allclose(softmax, keras.ops.softmax(logits), atol=1e-6)
    sigmoid = compute_probabilities(
        np.array([[0.0, 800.0, -800.0]]), LOSSES["binary"]
    )
    np.testing.assert_allclose(sigmoid, [[0.5, 1.0, 0.0]])

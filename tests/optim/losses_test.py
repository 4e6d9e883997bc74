import keras
import numpy as np
import pytest

from tlkeras.optim.losses import (
    LOSSES,
    compute_losses,
    compute_probabilities,
    expected_initial_loss,
)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    targets = np.eye(5, dtype=np.float32)[rng.integers(0, 5, 20)]
    return targets, rng.normal(0, 3, (20, 5)).astype(np.float32)


@pytest.mark.parametrize("name", LOSSES)
def test_numpy_and_keras_agree(name, case):
    targets, logits = case
    value = float(LOSSES[name](0.0)(targets, logits))
    assert compute_losses(targets, logits, name).mean() == pytest.approx(
        value, rel=1e-5
    )


@pytest.mark.parametrize("name", LOSSES)
def test_zero_logits_give_the_loss_of_knowing_nothing(name, case):
    targets, logits = case
    losses = compute_losses(targets, np.zeros_like(logits), name)
    np.testing.assert_allclose(losses, expected_initial_loss(name, 5))


def test_hinge_is_one_vs_rest_with_soft_targets(case):
    loss = LOSSES["squared_hinge"](0.0)
    logits = np.array([[2.0, -2.0]], np.float32)
    assert float(loss(np.array([[1.0, 0.0]]), logits)) == 0.0
    assert float(loss(np.array([[0.0, 1.0]]), logits)) == 9.0
    assert float(loss(np.array([[0.5, 0.5]]), logits)) == 1.0


def test_label_smoothing_reaches_keras():
    assert LOSSES["softmax"](0.1).label_smoothing == 0.1


def test_probabilities(case):
    _, logits = case
    softmax = compute_probabilities(logits, "softmax")
    np.testing.assert_allclose(softmax.sum(-1), 1.0)
    np.testing.assert_allclose(softmax, keras.ops.softmax(logits), atol=1e-6)
    sigmoid = compute_probabilities(np.array([[0.0, 800.0, -800.0]]), "binary")
    np.testing.assert_allclose(sigmoid, [[0.5, 1.0, 0.0]])

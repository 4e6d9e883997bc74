import dataclasses

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.linear.solvers import (
    SKLEARN,
    SOLVERS,
    fit_linear_classifier,
    standardize,
)
from tlkeras.optim.losses import LOSSES, compute_losses


@pytest.fixture
def problem():
    """Tiny codes of different scales, three classes apart on some of them."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    codes = rng.normal(0, 1, (300, 20))
    codes[:, :3] += 3 * np.eye(3)[labels]
    codes = (codes + np.arange(20)) * np.logspace(-12, -10.5, 20)
    return codes.astype(np.float64), np.eye(3, dtype=np.float32)[labels]


def fit(problem, loss="softmax", **changes):
    codes, targets = problem
    train, val = slice(0, 200), slice(200, 300)

    def score(kernel, bias):
        predicted = (codes[val] @ kernel + bias).argmax(1)
        return float((predicted == targets[val].argmax(1)).mean())

    settings = {"log10_l2": (-2.0, 4.0), "num_strengths": 5}
    return fit_linear_classifier(
        codes[train],
        targets[train],
        score,
        loss=LOSSES[loss],
        **{**settings, **changes},
    )


def test_scikit_learn_solves_every_loss_or_says_that_it_does_not(problem):
    assert set(SKLEARN) == set(LOSSES)
    own = dataclasses.replace(LOSSES["softmax"], name="own")
    with pytest.raises(InputError, match="no solver for the loss 'own'"):
        SOLVERS["sklearn"](*problem, [1.0], loss=own, weights=np.ones(300))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", SKLEARN)
def test_a_separable_problem_is_solved_at_any_scale(problem, loss, solver):
    result = fit(problem, loss, solver=solver)
    assert result.score > 0.9
    assert result.kernel.shape == (20, 3)
    assert result.kernel.dtype == np.float32
    assert len(result.tried) == 5


def test_the_coefficients_are_on_raw_codes(problem):
    codes, targets = problem
    result = fit(problem)
    logits = codes[200:] @ result.kernel.astype(np.float64) + result.bias
    accuracy = (logits.argmax(1) == targets[200:].argmax(1)).mean()
    assert accuracy == pytest.approx(result.score)


@pytest.mark.parametrize("loss", ["softmax", "squared_hinge"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_two_classes_get_two_columns(problem, loss, solver):
    codes, targets = problem
    keep = targets[:, 2] == 0
    codes, targets = codes[keep], targets[keep][:, :2]

    def score(kernel, bias):
        return float(
            ((codes @ kernel + bias).argmax(1) == targets.argmax(1)).mean()
        )

    result = fit_linear_classifier(
        codes,
        targets,
        score,
        loss=LOSSES[loss],
        log10_l2=(0.0, 0.0),
        num_strengths=1,
        solver=solver,
    )
    assert result.kernel.shape[1] == 2
    assert result.score > 0.9
    if loss == "squared_hinge":  # each column is a margin of its own
        logits = codes @ result.kernel + result.bias
        own = compute_losses(targets, logits, LOSSES[loss]).mean()
        halved = compute_losses(targets, logits / 2, LOSSES[loss]).mean()
        assert own < halved


@pytest.mark.parametrize("solver", SOLVERS)
def test_constant_labels_get_a_constant_answer(solver):
    codes = np.random.default_rng(0).normal(size=(20, 4))
    targets = np.zeros((20, 2), np.float32)
    targets[:, 0] = 1
    kernel, bias = next(
        SOLVERS[solver](
            codes, targets, [1.0], loss=LOSSES["binary"], weights=np.ones(20)
        )
    )
    assert bias[0] > 3
    assert bias[1] < -3
    assert np.abs(kernel).max() < 0.1


def objective(problem, kernel, bias, l2, loss, weights):
    codes, targets = problem
    losses = compute_losses(targets, codes @ kernel + bias, LOSSES[loss])
    return (weights * losses).sum() + l2 / 2 * np.square(kernel).sum()


@pytest.mark.parametrize("shift", [0.0, 3.0], ids=["centred", "shifted"])
@pytest.mark.parametrize("shape", [(300, 40), (60, 200)], ids=["tall", "wide"])
@pytest.mark.parametrize("loss", ["softmax", "squared_hinge", "binary"])
def test_all_strengths_at_once_are_as_good_as_scikit_learn(loss, shape, shift):
    rng = np.random.default_rng(0)
    targets = np.eye(4, dtype=np.float32)[rng.integers(0, 4, shape[0])]
    codes = rng.normal(size=shape) + targets @ rng.normal(size=(4, shape[1]))
    codes = codes - codes.mean(0) + shift
    weights = rng.uniform(0.5, 2.0, shape[0])
    strengths = [1e3, 1e1, 1e-1]
    found = {
        solver: list(
            solve(codes, targets, strengths, loss=LOSSES[loss], weights=weights)
        )
        for solver, solve in SOLVERS.items()
    }
    for number, l2 in enumerate(strengths):
        best, reference = (
            objective(
                (codes, targets), *found[solver][number], l2, loss, weights
            )
            for solver in ("batched", "sklearn")
        )
        start = objective(
            (codes, targets),
            np.zeros((shape[1], 4)),
            np.zeros(4),
            l2,
            loss,
            weights,
        )
        assert best <= reference + 2e-3 * start


def test_class_weights_move_the_boundary(problem):
    codes, _ = problem
    weights = np.array([1.0, 1.0, 50.0])
    plain, weighted = fit(problem), fit(problem, class_weights=weights)

    def share(result):
        return ((codes @ result.kernel + result.bias).argmax(1) == 2).mean()

    assert share(weighted) >= share(plain)


@pytest.mark.parametrize("shape", [(20, 64), (20, 4)], ids=["wide", "tall"])
def test_codes_that_do_not_vary_give_the_shares_of_the_classes(shape):
    targets = np.eye(2, dtype=np.float32)[np.arange(20) % 4 // 3]
    codes = np.full(shape, 2.0, np.float32)
    ((kernel, bias),) = SOLVERS["batched"](
        codes, targets, [1.0], loss=LOSSES["softmax"], weights=np.ones(20)
    )
    logits = codes @ kernel + bias
    assert np.isfinite(logits).all()
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    np.testing.assert_allclose(shares, [0.75, 0.25], atol=1e-3)


def test_faint_components_get_no_giant_coefficients():
    """8-bit weights hold what lies within a factor of about a hundred."""
    rng = np.random.default_rng(0)
    targets = np.eye(2, dtype=np.float32)[np.arange(200) % 2]
    codes = rng.normal(size=(200, 50)) + targets @ rng.normal(size=(2, 50))
    codes[:, 0] = 0
    codes[::40, 0] = 1e-3  # of one class, in a few images
    standard, mean, scale = standardize(codes)
    np.testing.assert_allclose(standard * scale + mean, codes, atol=1e-9)
    assert scale[0] > 0.05 * np.median(scale)
    ((kernel, _),) = SOLVERS["batched"](
        standard, targets, [1.0], loss=LOSSES["softmax"], weights=np.ones(200)
    )
    raw = np.abs(kernel / scale[:, None])
    assert raw.max() < 100 * np.median(raw)

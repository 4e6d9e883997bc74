"""Exact linear classifiers on CNN codes.

Codes are standardised (mean 0, deviation 1 over the training images) so that
one range of strengths suits every backbone; the scaling is folded into the
coefficients afterwards.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from tlkeras.errors import InputError
from tlkeras.linear.batched_solvers import solve_path
from tlkeras.optim.losses import Loss
from tlkeras.tables import lookup

MAX_ITERATIONS = 200

# Kernel [d, C] and bias [C] for each strength, in order.
Solutions = Iterator[tuple[np.ndarray, np.ndarray]]
# What a fit is chosen by: larger is better.
Score = TypeVar("Score", float, tuple[float, float])

# Of the root mean square deviation over components; see docs/measurements.md.
MIN_RELATIVE_SCALE = 0.1


@dataclasses.dataclass(frozen=True)
class LinearFit(Generic[Score]):
    """A linear classifier on raw codes: logits = codes @ kernel + bias.

    Attributes:
        kernel: float32 [d, C].
        bias: float32 [C].
        l2: Strength lambda of lambda / 2 ||W||^2 on standardised codes,
            against the sum of the losses.
        score: Of the validation images.
        tried: (strength, score) of all.
    """

    kernel: np.ndarray
    bias: np.ndarray
    l2: float
    score: Score
    tried: tuple[tuple[float, Score], ...]


def solve_softmax(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    weights: np.ndarray,
) -> Solutions:
    """Multinomial logistic regression with lambda / 2 ||W||^2.

    Each strength starts from the solution of the one before.

    Args:
        codes: float64 [N, d], standardised.
        targets: [N, C] one-hot.
        strengths: Values of lambda > 0.
        weights: [N] of the images' losses.

    Yields:
        Kernel [d, C] and bias [C] for each strength.
    """
    for model in _logistic_path(codes, targets.argmax(-1), strengths, weights):
        yield _columns(model, targets.shape[1], 0.5)


def solve_squared_hinge(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    weights: np.ndarray,
) -> Solutions:
    """One-vs-rest linear SVM with squared hinge loss.

    Args and yields as of `solve_softmax`: kernels [d, C] and biases [C].
    """
    from sklearn.svm import LinearSVC

    for l2 in strengths:
        model = LinearSVC(C=1 / l2, dual="auto", max_iter=5000, random_state=0)
        _fit(model, codes, targets.argmax(-1), weights)
        yield _columns(model, targets.shape[1], 1.0)


def solve_binary(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    weights: np.ndarray,
) -> Solutions:
    """Independent logistic regressions, one for each class.

    Args and yields as of `solve_softmax`; targets [N, C] are multi-hot.
    """
    paths = [
        None
        if target.all() or not target.any()
        else _logistic_path(codes, target, strengths, weights)
        for target in targets.T > 0
    ]
    for _ in strengths:
        kernel = np.zeros((codes.shape[1], targets.shape[1]))
        # A class that is everywhere or nowhere: a constant answer.
        bias = np.where(targets.any(0), 5.0, -5.0)
        for column, path in enumerate(paths):
            if path is not None:
                model = next(path)
                kernel[:, column] = model.coef_[0]
                bias[column] = model.intercept_[0]
        yield kernel, bias


def _logistic_path(
    codes: np.ndarray,
    labels: np.ndarray,
    strengths: Sequence[float],
    weights: np.ndarray,
) -> Iterator[Any]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        max_iter=MAX_ITERATIONS, tol=1e-3, warm_start=True
    )
    for l2 in strengths:
        model.C = 1 / l2
        _fit(model, codes, labels, weights)
        yield model


# (standardised codes, targets, strengths, weights) -> what a solver yields, by
# the name of the loss; one that scikit-learn does not know has no row.
SKLEARN: dict[str, Callable[..., Solutions]] = {
    "softmax": solve_softmax,
    "squared_hinge": solve_squared_hinge,
    "binary": solve_binary,
}


def _solve_with_sklearn(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    *,
    loss: Loss,
    weights: np.ndarray,
) -> Solutions:
    if loss.name not in SKLEARN:
        raise InputError(
            f"scikit-learn has no solver for the loss '{loss.name}'; expected "
            f"one of {', '.join(SKLEARN)}: set solver=batched in the phase."
        )
    solve = SKLEARN[loss.name]
    return solve(codes.astype(np.float64), targets, strengths, weights)


def _solve_batched(
    codes: np.ndarray,
    targets: np.ndarray,
    strengths: Sequence[float],
    *,
    loss: Loss,
    weights: np.ndarray,
) -> Solutions:
    return zip(
        *solve_path(codes, targets, strengths, loss=loss, weights=weights),
        strict=True,
    )


# (standardised codes, targets, strengths, loss=, weights=) -> (kernel [d, C],
# bias [C]) for each strength.
SOLVERS: dict[str, Callable[..., Solutions]] = {
    "batched": _solve_batched,
    "sklearn": _solve_with_sklearn,
}


def _fit(model, codes, labels, weights) -> None:  # type: ignore[no-untyped-def]
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Stopping early regularises; the strength is chosen on validation.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(codes, labels, sample_weight=weights)


def _columns(model, num_classes: int, share: float):  # type: ignore[no-untyped-def]
    """Returns [d, C] and [C]; scikit-learn keeps one column f for two classes.

    They become (-share f, share f): 1/2 for a softmax, whose difference counts,
    1 for one class against the rest.
    """
    kernel, bias = model.coef_.T, model.intercept_
    if kernel.shape[1] == 1 and num_classes == 2:
        kernel = share * kernel[:, 0]
        bias = share * bias[0]
        return np.stack([-kernel, kernel], 1), np.array([-bias, bias])
    return kernel, bias


def standardize(
    codes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns codes [N, d] with mean 0 and about deviation 1, and both [d]."""
    mean = codes.mean(0, dtype=np.float64)
    scale = choose_scale(mean, codes.std(0, dtype=np.float64))
    return (codes - mean) / scale, mean, scale


def choose_scale(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Returns by what components of codes are divided, float64 [d].

    A component that varies much less than the others is not blown up to their
    deviation (`MIN_RELATIVE_SCALE`): one that fires faintly in a few images
    would get a coefficient of thousands of times the others', on which its
    noise rides and which no 8-bit weight holds. One that does not vary at all
    keeps its scale.

    Args:
        mean: float64 [d], over the training images.
        deviation: float64 [d], standard deviation over them.
    """
    # Relative: the codes of a random network may be as small as 1e-12.
    varies = deviation > 1e-6 * np.abs(mean)
    floor = MIN_RELATIVE_SCALE * np.sqrt(np.square(deviation).mean())
    return np.where(varies, np.maximum(deviation, floor), 1.0)


def fit_linear_classifier(
    train_codes: np.ndarray,
    train_targets: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray], Score],
    *,
    loss: Loss,
    log10_l2: tuple[float, float],
    num_strengths: int,
    class_weights: np.ndarray | None = None,
    solver: str = "batched",
) -> LinearFit[Score]:
    """Fits a classifier for several strengths and keeps the best.

    Args:
        train_codes: float [N, d].
        train_targets: [N, C] multi-hot.
        score: (kernel [d, C], bias [C]) -> validation score, higher is better:
            a number, or a key of `tlkeras.ranking`.
        loss: Row of `optim.losses.LOSSES`.
        log10_l2: Range of strengths, in powers of ten.
        num_strengths: How many, evenly spaced in log space.
        class_weights: [C], or None.
        solver: Key of `SOLVERS`.

    Returns:
        The best fit; of equals, the most strongly regularised one.
    """
    solve = lookup(SOLVERS, solver, what="solver")
    standardized, mean, scale = standardize(train_codes)
    weights = np.ones(len(train_targets))
    if class_weights is not None:
        weights = train_targets @ class_weights
    strengths = spread_strengths(log10_l2, num_strengths)
    solutions = solve(
        standardized, train_targets, strengths, loss=loss, weights=weights
    )
    return choose_strength(strengths, solutions, mean, scale, score)


def spread_strengths(
    log10_l2: tuple[float, float], num_strengths: int
) -> list[float]:
    """Returns strengths evenly spaced in log space, the strongest first."""
    return np.logspace(log10_l2[1], log10_l2[0], num_strengths).tolist()


def choose_strength(
    strengths: Sequence[float],
    solutions: Solutions,
    mean: np.ndarray,
    scale: np.ndarray,
    score: Callable[[np.ndarray, np.ndarray], Score],
) -> LinearFit[Score]:
    """Returns the best of some fits, on raw codes.

    Args:
        strengths: K values of lambda, the strongest first.
        solutions: Kernel [d, C] and bias [C] of each, on standardised codes.
        mean: [d] of the raw codes.
        scale: [d] by which they were divided.
        score: As of `fit_linear_classifier`.
    """
    best: LinearFit[Score] | None = None
    tried: list[tuple[float, Score]] = []
    for l2, (kernel, bias) in zip(strengths, solutions, strict=True):
        kernel = kernel / scale[:, None]
        bias = bias - mean @ kernel
        value = score(kernel, bias)
        tried.append((l2, value))
        if best is None or value > best.score:
            best = LinearFit(
                kernel.astype(np.float32),
                bias.astype(np.float32),
                l2,
                value,
                (),
            )
    assert best is not None
    return dataclasses.replace(best, tried=tuple(tried))

"""Probabilities that mean something: one temperature for a model's logits.

softmax(z / T): T > 1 for a model that is too sure of itself. It is fitted on
validation and divided into the last layer, so that every file and client that
answers by that layer has it. The order of the classes, and with it accuracy,
stays. Where an image may carry several labels, each label has its own, and a
shift: sigmoid(z / T + b).

References:
    Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.
    Platt, Probabilistic Outputs for Support Vector Machines, 1999.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkeras.evaluation.folds import stratified_folds
from tlkeras.evaluation.record_values import read_known
from tlkeras.optim.losses import Loss, compute_log_losses

NUM_FOLDS = 5
LEAST_A_CLASS = 2  # images
# Standard deviation of log T and b about 0, before any image is seen: a normal
# prior, whose weight falls as 1 / N. docs/measurements.md has why this one.
PRIOR_STD = 0.5
LIMIT = 5.0  # of |log T|
MAX_LOGITS = 2**22  # numbers that are fitted on: of more, rows evenly spaced


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a model's logits are divided by, and shifted by then.

    Attributes:
        temperature: [1], or [C] where each label has its own; above 0.
        shift: Likewise; 0 where classes exclude each other.
        num_images: Of validation, that it was fitted on.
        reason: Why all of it, or that of some labels, was left at 1; or "".
    """

    temperature: tuple[float, ...] = (1.0,)
    shift: tuple[float, ...] = (0.0,)
    num_images: int = 0
    reason: str = ""

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return set(self.temperature) == {1.0} and set(self.shift) == {0.0}

    @property
    def inverse(self) -> "Calibration":
        """What makes logits as trained of those as served: z = (y - b) T."""
        factors = np.array(self.temperature)
        return dataclasses.replace(
            self,
            temperature=tuple((1 / factors).tolist()),
            shift=tuple((-np.array(self.shift) * factors).tolist()),
        )

    def require_classes(self, num_classes: int) -> None:
        """Makes sure that it is of a model with so many classes.

        Raises:
            TypeError: If it is not.
        """
        lengths = {len(self.temperature), len(self.shift)}
        if not lengths <= {1, num_classes}:
            raise TypeError(
                f"calibration is of {max(lengths)} classes, not {num_classes}"
            )

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Returns the logits as served, of those as trained.

        Args:
            logits: float [N, C].

        Returns:
            The same type and shape.
        """
        if self.is_identity:
            return logits
        moved = logits / np.array(self.temperature) + np.array(self.shift)
        return moved.astype(logits.dtype)

    def undo(self, logits: np.ndarray) -> np.ndarray:
        """Returns the logits as trained, of those as served.

        Args:
            logits: float [N, C].

        Returns:
            The same type and shape.
        """
        return self.inverse.apply(logits)

    def describe(self) -> str:
        """Returns a sentence for people, without a full stop."""
        if self.is_identity:
            return f"temperature left at 1: {self.reason}"
        low, high = min(self.temperature), max(self.temperature)
        span = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
        shifted = " and a shift a label" if any(self.shift) else ""
        sentence = (
            f"temperature {span}{shifted}, fitted on {self.num_images} "
            "validation images"
        )
        return f"{sentence}; {self.reason}" if self.reason else sentence

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            **vars(self),
            "temperature": list(self.temperature),
            "shift": list(self.shift),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Calibration":
        """Reads what `as_dict` gave.

        Raises:
            TypeError: If a temperature is no number above 0.
        """
        pairs = {
            name: tuple(float(value) for value in values[name])
            for name in ("temperature", "shift")
        }
        if not all(0 < value < math.inf for value in pairs["temperature"]):
            raise TypeError(f"temperature is {pairs['temperature']!r}")
        return read_known(cls, {**values, **pairs})


NO_CALIBRATION = Calibration()


def fit_calibration(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: Loss,
    groups: Sequence[str] = (),
) -> Calibration:
    """Fits the temperature to images that the model was not trained on.

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C], as trained.
        loss: Row of `optim.losses.LOSSES`.
        groups: [N] of images that belong together, or empty.

    Returns:
        At 1, with the reason, where there are too few images, or images that
        are held out would be answered with a higher log loss.
    """
    if not np.isfinite(logits).all():
        return Calibration(reason="the logits are not finite")
    helps, _, reason = _try_held_out(targets, logits, loss, groups)
    temperature, shift = _fit(targets, logits, loss, helps)
    return Calibration(
        tuple(temperature.tolist()),
        tuple(shift.tolist()),
        num_images=len(targets),
        reason=reason,
    )


def calibrate_held_out(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: Loss,
    groups: Sequence[str] = (),
) -> np.ndarray:
    """Returns logits calibrated by images of other folds alone.

    What is measured on them is not flattered by having been fitted to them.

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C], as trained, finite.
        loss: Row of `optim.losses.LOSSES`.
        groups: [N] of images that belong together, or empty.

    Returns:
        [N, C], of the same type.
    """
    helps, calibrated, _ = _try_held_out(targets, logits, loss, groups)
    return np.where(helps, calibrated, logits)


def _try_held_out(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: Loss,
    groups: Sequence[str],
) -> tuple[np.ndarray, np.ndarray, str]:
    """Finds what lowers the log loss of images that are held out.

    Returns:
        Whether it does, bool [1] or, with several labels, [C]; the logits
        [N, C] as calibrated by other folds; and why the rest is left at 1.
    """
    enough, reason = _find_enough(targets, loss)
    folds = stratified_folds(targets, NUM_FOLDS, 0, groups)
    calibrated = logits.copy()
    for fold in range(NUM_FOLDS):
        held = folds == fold
        temperature, shift = _fit(targets[~held], logits[~held], loss, enough)
        calibrated[held] = logits[held] / temperature + shift
    places = range(len(enough)) if loss.multi_label else [slice(None)]
    before, after = (
        np.array([_mean_loss(targets, z, loss, place) for place in places])
        for z in (logits, calibrated)
    )
    helps = after < before
    if (worse := enough & ~helps).any():
        which = f"{worse.sum()} labels" if loss.multi_label else "the logits"
        more = f"{which} answer held-out images better as they are"
        reason = f"{reason}; {more}" if reason else more
    return helps, calibrated, reason


def _mean_loss(
    targets: np.ndarray, logits: np.ndarray, loss: Loss, place: int | slice
) -> float:
    """Returns the mean log loss of one label, or of all classes."""
    columns = [place] if isinstance(place, int) else place
    losses = compute_log_losses(targets[:, columns], logits[:, columns], loss)
    return float(losses.mean())


def _find_enough(targets: np.ndarray, loss: Loss) -> tuple[np.ndarray, str]:
    """Returns what can be fitted, bool [1] or [C], and why the rest cannot."""
    num_images, num_classes = targets.shape
    if not loss.multi_label:
        enough = np.array([num_images >= LEAST_A_CLASS * num_classes])
        reason = (
            f"{num_images} validation images for {num_classes} classes; "
            f"expected at least {LEAST_A_CLASS} a class"
        )
        return enough, "" if enough[0] else reason
    enough = np.minimum(targets.sum(0), (1 - targets).sum(0)) >= LEAST_A_CLASS
    reason = (
        f"{np.count_nonzero(~enough)} of {num_classes} labels are on, or on "
        f"all but, fewer than {LEAST_A_CLASS} validation images"
    )
    return enough, "" if enough.all() else reason


def _fit(
    targets: np.ndarray, logits: np.ndarray, loss: Loss, enough: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns temperatures and shifts, [1] or [C]; 1, 0 for not enough."""
    step = math.ceil(logits.size / MAX_LOGITS)
    targets, logits = targets[::step], logits[::step]
    temperature, shift = np.ones(len(enough)), np.zeros(len(enough))
    for place in np.flatnonzero(enough):
        if loss.multi_label:
            temperature[place], shift[place] = fit_label(
                targets[:, [place]], logits[:, [place]], loss
            )
        else:
            temperature[place] = fit_temperature(targets, logits, loss)
    return temperature, shift


def fit_temperature(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: Loss,
    *,
    prior_std: float = PRIOR_STD,
) -> float:
    """Returns the T > 0 that is most probable, given images.

    It minimises sum of log losses of logits / T + (log T)^2 / (2 std^2): with
    few images it stays near 1, also where all of them are answered rightly and
    the likelihood alone would have no maximum.

    Args:
        targets: [N, C] multi-hot.
        logits: float [N, C].
        loss: Row of `optim.losses.LOSSES`.
        prior_std: Standard deviation of log T before any image is seen.

    Example:
    >>> from tlkeras.optim.losses import LOSSES
    >>> sure, labels = np.array([[9.0, 0.0]] * 4), np.eye(2)[[0, 0, 0, 1]]
    >>> fit_temperature(labels, sure, LOSSES["softmax"]) > 1
    True
    """
    from scipy.optimize import minimize_scalar

    logits = np.asarray(logits, np.float64)

    def objective(log_temperature: float) -> float:
        scaled = logits * math.exp(-log_temperature)
        losses = compute_log_losses(targets, scaled, loss)
        return float(losses.sum() + (log_temperature / prior_std) ** 2 / 2)

    found = minimize_scalar(
        objective, bounds=(-LIMIT, LIMIT), options={"xatol": 1e-6}
    )
    return math.exp(found.x)


def fit_label(
    targets: np.ndarray, logits: np.ndarray, loss: Loss
) -> tuple[float, float]:
    """Returns the T > 0 and b that are most probable for one label.

    As `fit_temperature`, for logits / T + b, with the same prior of b.

    Args:
        targets: [N, 1], 1 where an image carries the label.
        logits: float [N, 1].
        loss: Row of `optim.losses.LOSSES`, one for several labels.
    """
    from scipy.optimize import minimize

    logits = np.asarray(logits, np.float64)

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = logits * np.exp(-values[0])
        moved = scaled + values[1]
        losses = compute_log_losses(targets, moved, loss)
        slopes = loss.slope(moved, targets)
        prior = values / PRIOR_STD
        gradient = np.array([-(slopes * scaled).sum(), slopes.sum()])
        return (
            float(losses.sum() + (prior**2).sum() / 2),
            gradient + prior / PRIOR_STD,
        )

    found = minimize(objective, np.zeros(2), jac=True, method="BFGS").x
    return math.exp(found[0]), float(found[1])

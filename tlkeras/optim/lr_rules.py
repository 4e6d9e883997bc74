"""From a range test to a learning rate: pure functions on rates and losses.

A range test raises the rate exponentially, one step each, and notes the loss
(Smith, Cyclical Learning Rates for Training Neural Networks, 2017, section
3.3). Every rule takes rates [n], increasing, and smoothed losses [n], positive,
and returns one rate.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

SMOOTHING = 5  # steps; 0.4 decades of the default test
SLIDE_WIDTH = 15  # points between the two ends of the sliding interval
SLIDE_TOLERANCE = 5e-3  # difference of two slopes, loss a point
STEP = 0.02  # of the whole drop; what the valley does not see
CHANGED = 0.1  # share of the whole drop that counts as learning
COST = 0.3  # of the loss that the edge may cost
FAR = 0.25  # of the loss; a smaller drop is that of weights that are good
MIN_DROP = 5e-3  # of the initial loss; less is noise


def smooth(losses: np.ndarray, *, width: int = SMOOTHING) -> np.ndarray:
    """Returns running means of running medians, [n].

    Both windows are centred: an average of the past would show a divergence
    most of a decade too late.

    Args:
        losses: [n], one a step.
        width: Of the windows, odd; 1 changes nothing.

    Example:
    >>> smooth(np.array([2.0, 2.0, 9.0, 2.0, 2.0]), width=3).tolist()
    [2.0, 2.0, 2.0, 2.0, 2.0]
    """
    medians = _windowed(np.median, np.asarray(losses, np.float64), width)
    return _windowed(np.mean, medians, width)


def _windowed(
    reduce: Callable[..., np.floating], values: np.ndarray, width: int
) -> np.ndarray:
    half = width // 2
    return np.array(
        [
            reduce(values[max(i - half, 0) : i + half + 1])
            for i in range(len(values))
        ]
    )


def valley(rates: np.ndarray, losses: np.ndarray) -> float:
    """The middle of the longest decreasing subsequence.

    Follows the long way down whatever bumps lie on it. What is less than a
    fiftieth of the whole drop counts as level, so that the way begins where
    the loss begins to fall.

    Args:
        rates: Increasing, [n].
        losses: At each rate, smoothed, [n].
    """
    drop = float(losses[0] - np.min(losses))
    losses = np.round(losses / max(STEP * drop, 1e-12))
    best = np.ones(len(losses), int)  # length of the longest that ends here
    first = np.arange(len(losses))  # where that one starts
    for end in range(1, len(losses)):
        longer = np.flatnonzero(losses[:end] > losses[end])
        if len(longer):
            # Of equals the last: a level stretch is no part of the way.
            before = longer[::-1][best[longer[::-1]].argmax()]
            best[end], first[end] = best[before] + 1, first[before]
    last = int(best.argmax())
    return float(rates[(int(first[last]) + last) // 2])


def steepest(rates: np.ndarray, losses: np.ndarray) -> float:
    """Where the loss falls fastest over the logarithm of the rate.

    Args:
        rates: Increasing, [n].
        losses: At each rate, smoothed, [n].
    """
    lowest = max(int(np.argmin(losses)), 1)
    slopes = np.gradient(losses, np.log10(rates))
    return float(rates[int(np.argmin(slopes[: lowest + 1]))])


def minimum(rates: np.ndarray, losses: np.ndarray) -> float:
    """A tenth of the rate at which the loss is lowest.

    Args:
        rates: Increasing, [n].
        losses: At each rate, smoothed, [n].
    """
    return float(rates[int(np.argmin(losses))] / 10)


def slide(rates: np.ndarray, losses: np.ndarray) -> float:
    """The left end of an interval that slides down from the divergence.

    It stops where the slopes at both ends agree: there the loss is no longer
    about to explode.

    Args:
        rates: Increasing, [n].
        losses: At each rate, smoothed, [n].
    """
    slopes = np.gradient(losses)
    right = len(rates) - 1
    left = max(right - SLIDE_WIDTH, 0)
    while left > 0 and abs(slopes[right] - slopes[left]) > SLIDE_TOLERANCE:
        right, left = right - 1, left - 1
    return float(rates[left])


def edge(rates: np.ndarray, losses: np.ndarray) -> float:
    """The highest rate that costs less than 30 % of the loss.

    For weights that are good already: the first steps can gain little, and a
    rate is right if it does not destroy what is there. A tenth of the last
    rate where none was harmful.

    Args:
        rates: Increasing, [n].
        losses: At each rate, smoothed, [n].
    """
    harmful = _first_harmful(losses)
    if harmful == len(losses):
        return float(rates[-1] / 10)
    return float(rates[max(harmful - 1, 0)])


def _first_harmful(losses: np.ndarray) -> int:
    """Returns where the loss is 30 % above its minimum, and past it."""
    past = np.arange(len(losses)) > int(np.argmin(losses))
    harmful = np.flatnonzero(past & (losses > (1 + COST) * np.min(losses)))
    return int(harmful[0]) if len(harmful) else len(losses)


def choose_rule(losses: np.ndarray) -> str:
    """Returns `minimum` where the loss has far to fall, else `edge`.

    A fresh head falls by half and more in a range test; after a fitted probe
    there is little to fall, and the rules that look for the fall find noise
    (docs/measurements.md has both, against a grid of rates).

    Args:
        losses: [n], smoothed.
    """
    drop = float(losses[0] - np.min(losses))
    return "minimum" if drop > FAR * float(losses[0]) else "edge"


Rule = Callable[[np.ndarray, np.ndarray], float]
RULES: dict[str, Rule] = {
    "valley": valley,
    "steepest": steepest,
    "minimum": minimum,
    "slide": slide,
    "edge": edge,
}


@dataclasses.dataclass(frozen=True)
class Region:
    """A range of rates that act alike.

    Attributes:
        name: `barely changes`, `learns` or `diverges`.
        low: Smallest rate.
        high: Largest rate.
    """

    name: str
    low: float
    high: float


def suggest(rates: np.ndarray, losses: np.ndarray) -> dict[str, float]:
    """Returns what each rule says, never beyond what does no harm.

    Args:
        rates: [n], increasing.
        losses: [n], smoothed.
    """
    bound = edge(rates, losses)
    return {
        name: min(apply(rates, losses), bound) for name, apply in RULES.items()
    }


def find_regions(rates: np.ndarray, losses: np.ndarray) -> list[Region]:
    """Names what rates do: barely change the loss, learn, diverge.

    Learning begins where a tenth of the whole drop is made. Rates diverge
    where the loss, past its minimum, is 30 % above that. Without a drop
    worth the name none learns.

    Args:
        rates: [n], increasing.
        losses: [n], smoothed.
    """
    start = float(losses[0])
    drop = start - float(np.min(losses))
    begins = ends = _first_harmful(losses)
    if drop >= MIN_DROP * start:
        begins = int(np.argmax(losses <= start - CHANGED * drop))
    parts = {
        "barely changes": (0, begins),
        "learns": (begins, ends),
        "diverges": (ends, len(rates)),
    }
    return [
        Region(name, float(rates[low]), float(rates[high - 1]))
        for name, (low, high) in parts.items()
        if high > low
    ]

"""Whether an expected recipe is right, by paired comparisons."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from tlkeras.evaluation.metrics import PairedComparison, compare_paired
from tlkeras.studies.quadrants import RECIPES

HOLDS, DOES_NOT_HOLD = "holds", "does_not_hold"
CANNOT_TELL, NOT_MEASURED = "cannot_tell", "not_measured"
SIGNIFICANCE = 0.025  # one-sided, shared by the comparisons of one verdict
MARGIN = 0.02  # of accuracy: less is not worth another recipe
CEILING = 0.98  # of accuracy: no recipe can be seen to be better
NUM_SAMPLES = 4000


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A verdict on one recipe against others on the same images.

    Attributes:
        verdict: holds | does_not_hold | cannot_tell.
        reason: For people.
        recommended: Key of `RECIPES`.
        comparisons: Other recipe -> what it has over the expected one.
    """

    verdict: str
    reason: str
    recommended: str
    comparisons: dict[str, PairedComparison]


def judge(expected: str, scores: Mapping[str, np.ndarray]) -> Judgement:
    """Judges an expected recipe.

    It does not hold if another one is better beyond chance, or one that
    changes less of the network is as good (worse by less than `MARGIN`). It
    holds if none of this can be, and `cannot_tell` is what is left.

    Args:
        expected: Key of `scores`.
        scores: Recipe, key of `RECIPES`, -> [N] scores of the same images.
    """
    means = {name: float(values.mean()) for name, values in scores.items()}
    order = list(RECIPES)
    compared = {
        name: compare_paired(
            scores[expected], scores[name], num_samples=NUM_SAMPLES
        )
        for name in sorted(scores, key=order.index)
        if name != expected
    }
    if max(means.values()) >= CEILING:
        simplest = next(
            name
            for name in order
            if name in means and means[name] > max(means.values()) - MARGIN
        )
        return Judgement(
            CANNOT_TELL, "the ceiling is reached", simplest, compared
        )
    limit = SIGNIFICANCE / max(len(compared), 1)
    better = [n for n, c in compared.items() if c.p_value <= limit]
    if better:
        best = max(better, key=lambda name: means[name])
        return Judgement(
            DOES_NOT_HOLD,
            f"{RECIPES[best]} is better: {format_difference(compared[best])}",
            best,
            compared,
        )
    simpler = order[: order.index(expected)]
    for name in simpler:
        if name in compared and compared[name].interval[0] > -MARGIN:
            return Judgement(
                DOES_NOT_HOLD,
                f"{RECIPES[name]} is as good: "
                f"{format_difference(compared[name])}",
                name,
                compared,
            )
    open_ = [
        name
        for name, c in compared.items()
        if c.interval[1] >= (0 if name in simpler else MARGIN)
    ]
    if open_:
        name = open_[-1]
        return Judgement(
            CANNOT_TELL,
            f"{RECIPES[name]} may be better or not: "
            f"{format_difference(compared[name])}",
            expected,
            compared,
        )
    return Judgement(HOLDS, "no other recipe is better", expected, compared)


def format_difference(comparison: PairedComparison) -> str:
    """Returns a difference in accuracy with its interval."""
    low, high = comparison.interval
    return f"{comparison.difference:+.3f} [{low:+.3f}, {high:+.3f}]"

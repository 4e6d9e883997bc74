"""From the accuracies of a study's networks to curves and sentences.

Networks are compared in pairs, with the same target, seed and images: the luck
of a seed is larger than what is looked for, and falls out of a difference.
Bands are t-intervals over pairs, never over pooled images.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tlkeras.studies.class_halves import Half
from tlkeras.studies.transfer_networks import CURVES, Network

MIN_PAIRS = 4  # before anything is claimed
CONVERGED_WITHIN = 0.01  # accuracy that as many steps again may add
# Name -> (kind, the one that it is compared with at the same cut).
CONTRASTS = {
    "specificity": ("AnB", "BnB"),
    "transfer_gain": ("AnB+", "BnB+"),
}
Accuracies = Mapping[Network, float]


@dataclasses.dataclass(frozen=True)
class PairedMean:
    """Mean difference over pairs.

    Attributes:
        mean: Of accuracies.
        interval: 95 %, by Student's t over pairs; None for a single one.
        pairs: Each difference, in the order of the targets.
    """

    mean: float
    interval: tuple[float, float] | None
    pairs: list[float]

    @property
    def is_below_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.interval is not None and self.interval[1] < 0

    @property
    def is_above_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.interval is not None and self.interval[0] > 0


def average_pairs(differences: Sequence[float]) -> PairedMean:
    """Returns the mean of paired differences with its t-interval.

    Args:
        differences: [n], one a pair; at least one.

    Example:
    >>> low, high = average_pairs([0.01, 0.02, 0.03, 0.02]).interval
    >>> round(low, 3), round(high, 3)
    (0.007, 0.033)
    """
    from scipy.stats import t

    values = np.asarray(differences, np.float64)
    mean, count = float(values.mean()), len(values)
    interval = None
    if count > 1:
        error = float(values.std(ddof=1)) / count**0.5
        reach = float(t.ppf(0.975, count - 1)) * error
        interval = (mean - reach, mean + reach)
    return PairedMean(mean, interval, values.tolist())


def summarize(
    accuracies: Accuracies,
    halves: Sequence[Half],
    cuts: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    """Returns the curves, what they show, and sentences about it.

    Args:
        accuracies: Of every network of the study.
        halves: Its targets; each is one pair.
        cuts: From `transfer_networks.describe_cuts`.
    """
    layers = [str(cut["layer"]) for cut in cuts]
    kinds = [
        k for k in CURVES if Network(halves[0], k, layers[0]) in accuracies
    ]
    curves = {
        kind: [
            _compare(accuracies, halves, (kind, cut), ("base", ""))
            for cut in layers
        ]
        for kind in kinds
    }
    contrasts = {
        name: [
            _compare(accuracies, halves, (kind, cut), (other, cut))
            for cut in layers
        ]
        for name, (kind, other) in CONTRASTS.items()
        if kind in kinds
    }
    base = _accuracy(accuracies, halves, "base")
    longer = _compare(accuracies, halves, ("base_long", ""), ("base", ""))
    is_claimed = len(halves) >= MIN_PAIRS
    fragile = [
        cut
        for cut, point in zip(layers, curves["BnB"], strict=True)
        if point.is_below_zero
    ]
    found = {
        "num_pairs": len(halves),
        "base": base,
        "base_long": _accuracy(accuracies, halves, "base_long"),
        "base_long_gain": dataclasses.asdict(longer),
        "converged": _is_converged(base, longer.mean, halves),
        "fragile_cuts": fragile if is_claimed else None,
        "specific_from": (
            _specific_from(layers, contrasts["specificity"])
            if is_claimed
            else None
        ),
    }
    points = {"curves": curves, "contrasts": contrasts}
    return {
        **found,
        **{
            group: {
                name: [
                    {"cut": cut, **dataclasses.asdict(point)}
                    for cut, point in zip(layers, curve, strict=True)
                ]
                for name, curve in members.items()
            }
            for group, members in points.items()
        },
        "sentences": _sentences(found, layers, contrasts, longer),
    }


def _is_converged(base: float, gain: float, halves: Sequence[Half]) -> bool:
    """Says whether more steps add nothing to bases that do know something."""
    chance = 1 / min(len(half.classes) for half in halves)
    return base >= 2 * chance and gain <= CONVERGED_WITHIN


def _compare(
    accuracies: Accuracies,
    halves: Sequence[Half],
    new: tuple[str, str],
    old: tuple[str, str],
) -> PairedMean:
    """Compares two (kind, cut) over all targets."""
    return average_pairs(
        [
            accuracies[Network(half, *new)] - accuracies[Network(half, *old)]
            for half in halves
        ]
    )


def _accuracy(
    accuracies: Accuracies, halves: Sequence[Half], kind: str
) -> float:
    return float(np.mean([accuracies[Network(half, kind)] for half in halves]))


def _specific_from(
    layers: Sequence[str], points: Sequence[PairedMean]
) -> str | None:
    """Returns the first cut from which on all deeper ones lose."""
    found = None
    for layer, point in zip(reversed(layers), reversed(points), strict=True):
        if not point.is_below_zero:
            break
        found = layer
    return found


def _sentences(
    found: dict[str, Any],
    layers: Sequence[str],
    contrasts: dict[str, list[PairedMean]],
    longer: PairedMean,
) -> list[str]:
    lines = [_about_bases(found, longer)]
    if found["fragile_cuts"] is None:
        lines.append(
            f"{found['num_pairs']} pairs are too few to claim anything about "
            f"cuts; at least {MIN_PAIRS} are needed: raise --splits."
        )
        return lines
    if found["fragile_cuts"]:
        lines.append(
            "Layers that trained together are hard to part at "
            f"{', '.join(found['fragile_cuts'])}: what lies above, trained "
            "again on the frozen rest of its own network, does not come back "
            "to the base. Cut elsewhere, or fine-tune across the cut."
        )
    else:
        lines.append(
            "At no cut is there a measurable loss from parting layers that "
            "trained together."
        )
    specific = found["specific_from"]
    if specific:
        point = contrasts["specificity"][layers.index(specific)]
        lines.append(
            f"From {specific} on, features are specific to their own classes: "
            f"those of the source give {_text(point)} against the target's "
            "own. Freeze what lies below; train from there on."
        )
    else:
        lines.append(
            "Up to the top no cut is shown to be specific: frozen features of "
            "the source cost nothing measurable here."
        )
    for point in contrasts.get("transfer_gain", [])[-1:]:
        lines.append(
            f"Fine-tuned, what was transferred at the top cut is worth "
            f"{_text(point)} over the same training from the target's own "
            "layers" + _verdict(point)
        )
    return lines


def _about_bases(found: dict[str, Any], longer: PairedMean) -> str:
    start = (
        f"As many steps again give the base {_text(longer)} "
        f"({found['base']:.3f} -> {found['base_long']:.3f})"
    )
    if found["converged"]:
        return f"{start}: it has converged."
    return (
        f"{start}: the base has not converged, so compare the + curves with "
        "base_long, which has their steps, or raise --epochs."
    )


def _verdict(point: PairedMean) -> str:
    if point.is_above_zero:
        return ": transfer helps even then."
    if point.is_below_zero:
        return ": transfer hurts."
    return ": no measurable difference."


def _text(point: PairedMean) -> str:
    if point.interval is None:
        return f"{point.mean:+.3f}"
    low, high = point.interval
    return f"{point.mean:+.3f} [{low:+.3f}, {high:+.3f}]"

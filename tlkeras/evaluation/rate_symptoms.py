"""What curves say about learning rates and steps."""

import math

import numpy as np

from tlkeras.evaluation.phase_history import (
    BARELY,
    LEARNT_LOSS,
    Finding,
    PhaseHistory,
    finite,
)
from tlkeras.models.layer_groups import HEAD
from tlkeras.optim.update_ratio import HEALTHY_RATIO, RATIO_BOUNDS

NOT_LEARNT = 1e-3  # joint length of all updates, of the norm of the weights
STRAIGHT = 0.8  # slope of the last half over that of the first
RISEN = 1.2  # of the lowest loss so far
HIGH_PLATEAU = 0.7  # of the loss of knowing nothing


def _moved(history: PhaseHistory, group: str) -> float:
    """Returns the joint length of a group's updates, of its weights."""
    ratios = history.ratios[group]
    return float(np.nansum(ratios * history.steps[: len(ratios)]))


def rate_too_high(history: PhaseHistory) -> Finding | None:
    """The loss rises, explodes, or stays where knowing nothing is."""
    losses = history.train_loss
    change = {
        "change": "Let a range test find the rate.",
        "flag": history.flag("learning_rate", "auto"),
    }
    if history.stopped:
        return history.finding(
            "rate_too_high",
            f"The phase was quit: {history.stopped}.",
            reason=history.stopped,
            **change,
        )
    if len(losses) < 2 or not np.isfinite(losses).all():
        return None
    learnt = LEARNT_LOSS * history.knowing_nothing
    if losses[-1] > max(RISEN * losses.min(), learnt):
        return history.finding(
            "rate_too_high",
            f"The training loss rose from {losses.min():.3g} to "
            f"{losses[-1]:.3g}.",
            lowest_loss=losses.min(),
            last_loss=losses[-1],
            **change,
        )
    later = losses[len(losses) // 3 :]
    is_flat = len(later) > 2 and np.ptp(later) < BARELY * later.mean()
    is_high = later.mean() > HIGH_PLATEAU * history.knowing_nothing
    fell = losses[0] > (1 + 2 * BARELY) * later.mean()
    if is_flat and is_high and fell:
        return history.finding(
            "rate_too_high",
            f"The training loss fell at first and then stayed at "
            f"{later.mean():.3g}; knowing nothing costs "
            f"{history.knowing_nothing:.3g}.",
            plateau=later.mean(),
            knowing_nothing=history.knowing_nothing,
            **change,
        )
    return None


def rate_too_low(history: PhaseHistory) -> Finding | None:
    """The loss barely moves, or falls in a straight line."""
    losses = history.train_loss
    if history.stopped or not np.isfinite(losses).all() or not len(losses):
        return None
    change = {
        "change": "Let a range test find the rate.",
        "flag": history.flag("learning_rate", "auto"),
    }
    medians = [
        float(np.median(finite(ratios)))
        for ratios in history.ratios.values()
        if len(finite(ratios))
    ]
    if medians and max(medians) < RATIO_BOUNDS[0]:
        return history.finding(
            "rate_too_low",
            "A step changes no group's weights by more than "
            f"{max(medians):.1e} of their norm; {HEALTHY_RATIO:g} is usual.",
            largest_update_ratio=max(medians),
            first_loss=losses[0],
            last_loss=losses[-1],
            **change,
        )
    if len(losses) < 4 or losses[-1] < 0.5 * history.knowing_nothing:
        return None
    drop = (losses[0] - losses[-1]) / losses[0]
    half = len(losses) // 2
    first, last = losses[0] - losses[half], losses[half] - losses[-1]
    is_straight = first > 0 and last / first > STRAIGHT * (
        (len(losses) - 1 - half) / half
    )
    if 0 <= drop < BARELY or (is_straight and drop < 0.5):
        return history.finding(
            "rate_too_low",
            f"In {len(losses)} epochs the training loss fell from "
            f"{losses[0]:.3g} to {losses[-1]:.3g}, in a straight line.",
            first_loss=losses[0],
            last_loss=losses[-1],
            **change,
        )
    return None


def update_ratios_off(history: PhaseHistory) -> Finding | None:
    """A group's weights change too much, or too little, in a step."""
    low, high = RATIO_BOUNDS
    for group, ratios in history.ratios.items():
        if not len(finite(ratios)):
            continue
        ratio = float(np.median(finite(ratios)))
        # A fresh head is all but zero: any update is large beside that.
        if low <= ratio <= (math.inf if group == HEAD else high):
            continue
        return history.finding(
            "update_ratio_off",
            f"A step changes the weights of '{group}' by {ratio:.1e} of their "
            f"norm; {HEALTHY_RATIO:g} is usual.",
            group=group,
            update_ratio=ratio,
            change=f"Bring the rate of '{group}' to where it learns.",
            flag=_scaled(history, group, HEALTHY_RATIO / max(ratio, 1e-12)),
        )
    return None


def group_not_learning(history: PhaseHistory) -> Finding | None:
    """A group of layers that trains has not moved over the whole phase."""
    for group in history.ratios:
        moved = _moved(history, group)
        if not len(finite(history.ratios[group])) or moved > NOT_LEARNT:
            continue
        return history.finding(
            "group_not_learning",
            f"All steps together moved the weights of '{group}' by {moved:.1e} "
            "of their norm.",
            group=group,
            moved=moved,
            change=f"Raise the rate of '{group}' tenfold, or freeze it.",
            flag=_scaled(history, group, 10.0),
        )
    return None


def _scaled(history: PhaseHistory, group: str, factor: float) -> str:
    """Returns the flag that multiplies a group's rate, wherever it is set."""
    own = history.settings["groups"].get(group)
    if history.settings["layer_decay"] is not None or own is None:
        rate = float(np.nanmax(history.rates[HEAD])) * factor
        return history.flag("learning_rate", f"{rate:.2g}")
    field = (
        "learning_rate"
        if own["learning_rate"] is not None
        else "learning_rate_multiplier"
    )
    return history.flag(f"groups.{group}.{field}", f"{own[field] * factor:.2g}")

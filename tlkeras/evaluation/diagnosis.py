"""What the curves of a run say, and the one change to try.

The lecture's reading of curves (CS231n notes, Neural Networks Part 3; CS5670,
Training CNNs): each symptom is one function of a phase's history, in the table
at the end; it gives the numbers that show it, or nothing.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tlkeras.models.layer_groups import HEAD

NOT_LEARNT = 1e-3  # joint length of all updates, of the norm of the weights
RATIO_BOUNDS = (1e-5, 1e-1)  # per step; 1e-3 is right
HEALTHY_RATIO = 1e-3
BARELY = 0.02  # relative drop of the loss over a phase
STRAIGHT = 0.8  # slope of the last half over that of the first
RISEN = 1.2  # of the lowest loss so far
HIGH_PLATEAU = 0.7  # of the loss of knowing nothing
GAP = 0.15  # of the metric, train over validation
NO_GAP = 0.05
LOW_TRAIN = 0.6  # of the way from chance to perfect
WIDE = 0.2  # of the loss, from batch to batch
SMALL_BATCH = 8
LEARNT_LOSS = 0.1  # of knowing nothing; below, noise is in a few images
STILL_FALLING = 0.05  # relative, validation loss over the last quarter
DEAD = 0.5  # share of the codes


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that the history shows.

    Attributes:
        name: Of the symptom.
        phase: Where it shows.
        severity: `warn`, or `info` where nothing is wrong.
        message: One sentence with the numbers.
        evidence: Label -> number.
        change: The one change to try.
        flag: The same, to paste.
    """

    name: str
    phase: str
    severity: str
    message: str
    evidence: dict[str, float | str]
    change: str
    flag: str


@dataclasses.dataclass(frozen=True)
class PhaseHistory:
    """The curves of one phase that was fitted, and how it was set up.

    Attributes:
        name: Of the phase.
        settings: Its section of the config.
        model: The `model` section.
        train_loss: [epochs], NaN where nothing was written.
        train_metric: [epochs].
        val_loss: [epochs].
        val_metric: [epochs].
        noise: [epochs] of the loss, from batch to batch.
        steps: [epochs] optimizer steps in each.
        ratios: Group -> [epochs] update over weight norm.
        rates: Group -> [epochs] learning rate.
        knowing_nothing: Loss of a head that knows nothing.
        chance: Metric of knowing nothing.
        num_validation: Images of the validation split.
        stopped: Why the phase ended early, or "".
        dead_codes: Share of the codes that are the same for every image; None
            where the phase's weights were given up.
    """

    name: str
    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    train_loss: np.ndarray
    train_metric: np.ndarray
    val_loss: np.ndarray
    val_metric: np.ndarray
    noise: np.ndarray
    steps: np.ndarray
    ratios: Mapping[str, np.ndarray]
    rates: Mapping[str, np.ndarray]
    knowing_nothing: float
    chance: float
    num_validation: int
    stopped: str
    dead_codes: float | None

    def flag(self, field: str, value: Any) -> str:
        """Returns a flag for a field of the phase."""
        return f"--config.phases.{self.name}.{field}={value}"

    def finding(
        self,
        name: str,
        message: str,
        *,
        change: str,
        flag: str,
        **evidence: Any,
    ) -> Finding:
        """Returns a finding in this phase."""
        shown = {
            key.replace("_", " "): float(f"{value:.4g}")
            if isinstance(value, (int, float))
            else value
            for key, value in evidence.items()
        }
        return Finding(name, self.name, "warn", message, shown, change, flag)


def _moved(history: PhaseHistory, group: str) -> float:
    """Returns the joint length of a group's updates, of its weights."""
    ratios = history.ratios[group]
    return float(np.nansum(ratios * history.steps[: len(ratios)]))


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


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
    if losses[-1] > RISEN * losses.min():
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
        float(np.median(_finite(ratios)))
        for ratios in history.ratios.values()
        if len(_finite(ratios))
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


def overfitting(history: PhaseHistory) -> Finding | None:
    """Training is far better than validation."""
    train, val = history.train_metric[-1], history.val_metric[-1]
    noise = 3 * math.sqrt(max(val * (1 - val), 0.0) / history.num_validation)
    if not train - val > max(GAP, noise):
        return None
    settings = history.settings
    if not settings["augment"]:
        change = "Show augmented images.", history.flag("augment", True)
    elif not settings["weight_decay"]:
        change = "Decay the weights.", history.flag("weight_decay", 0.05)
    elif history.model["dropout"] < 0.5:
        change = "Drop half of the codes.", "--config.model.dropout=0.5"
    else:
        change = (
            "Train fewer layers.",
            history.flag("trainable_from", "stage5"),
        )
    return history.finding(
        "overfitting",
        f"Training reaches {train:.1%}, validation {val:.1%}: a gap of "
        f"{100 * (train - val):.0f} points.",
        train=train,
        validation=val,
        change=change[0],
        flag=change[1],
    )


def underfitting(history: PhaseHistory) -> Finding | None:
    """Training itself is poor, no gap, and it no longer gets better."""
    train, val = history.train_metric, history.val_metric[-1]
    level = (train[-1] - history.chance) / max(1 - history.chance, 1e-9)
    losses = history.train_loss
    recent = losses[-max(len(losses) // 3, 2) :]
    improves = recent[0] - recent[-1] > 2 * BARELY * recent[0]
    if (
        len(losses) < 3
        or level > LOW_TRAIN
        or abs(train[-1] - val) > 3 * NO_GAP
        or improves
    ):
        return None
    settings, model = history.settings, history.model
    if model["head"] == "mlp" and min(model["hidden_units"]) < 64:
        change = (
            "Widen the adaptation layer.",
            "--config.model.hidden_units=(256,)",
        )
    elif settings["trainable_from"] == "none":
        change = (
            "Train the upper layers too.",
            history.flag("trainable_from", "stage4"),
        )
    elif model["dropout"] > 0:
        change = "Drop nothing.", "--config.model.dropout=0.0"
    else:
        change = "Train everything.", history.flag("trainable_from", "all")
    return history.finding(
        "underfitting",
        f"Training stays at {train[-1]:.1%}, validation at {val:.1%}: the "
        "model is too small for the task, or too little of it trains.",
        train=train[-1],
        validation=val,
        change=change[0],
        flag=change[1],
    )


def noisy_curve(history: PhaseHistory) -> Finding | None:
    """The loss jumps from batch to batch: the batch is too small."""
    batch_size = history.settings["batch_size"]
    is_learning = (history.train_loss > LEARNT_LOSS * history.knowing_nothing)[
        : len(history.noise)
    ]
    noise = _finite(history.noise[is_learning])
    if not len(noise) or batch_size > SMALL_BATCH:
        return None
    width = float(np.median(noise))
    if width < WIDE:
        return None
    return history.finding(
        "noisy_curve",
        f"From batch to batch the loss differs by {width:.0%} of itself, with "
        f"{batch_size} images a batch.",
        loss_noise=width,
        batch_size=batch_size,
        change="Take larger batches.",
        flag=history.flag("batch_size", max(32, 4 * batch_size)),
    )


def still_improving(history: PhaseHistory) -> Finding | None:
    """The validation loss is still falling where the phase ends."""
    losses = history.val_loss
    epochs = len(losses)
    if not np.isfinite(losses).all():
        return None
    change = {
        "change": "Train longer.",
        "flag": history.flag("epochs", max(2 * epochs, 5)),
    }
    if epochs == 1:
        return history.finding(
            "still_improving",
            "One epoch shows no trend: nobody can say whether it was enough.",
            epochs=1,
            **change,
        )
    earlier = losses[-1 - max(1, epochs // 4)]
    drop = (earlier - losses[-1]) / max(earlier, 1e-12)
    if losses[-1] > losses.min() or drop < STILL_FALLING:
        return None
    return history.finding(
        "still_improving",
        f"The validation loss fell by {drop:.0%} over the last "
        f"{max(1, epochs // 4)} of {epochs} epochs, to {losses[-1]:.3g}.",
        relative_drop=drop,
        epochs=epochs,
        **change,
    )


def dead_units(history: PhaseHistory) -> Finding | None:
    """Many codes are the same for every image."""
    share = history.dead_codes
    if share is None or share < DEAD:
        return None
    if history.model["head"] == "mlp":
        change = "Lower the rate: units die of large steps."
        rate = float(np.nanmax(history.rates[HEAD])) / 3
        flag = history.flag("learning_rate", f"{rate:.2g}")
    else:
        change = "Take the features from an earlier layer."
        flag = "--config.model.features_from=stage4"
    return history.finding(
        "dead_units",
        f"{share:.0%} of the codes are the same for every validation image.",
        share=share,
        change=change,
        flag=flag,
    )


def update_ratios_off(history: PhaseHistory) -> Finding | None:
    """A group's weights change too much, or too little, in a step."""
    low, high = RATIO_BOUNDS
    for group, ratios in history.ratios.items():
        if not len(_finite(ratios)):
            continue
        ratio = float(np.median(_finite(ratios)))
        # A fresh head is all but zero: any update is large beside that.
        if low <= ratio <= (math.inf if group == HEAD else high):
            continue
        multiplier = _multiplier(history, group) * HEALTHY_RATIO / ratio
        return history.finding(
            "update_ratio_off",
            f"A step changes the weights of '{group}' by {ratio:.1e} of their "
            f"norm; {HEALTHY_RATIO:g} is usual.",
            group=group,
            update_ratio=ratio,
            change=f"Bring the rate of '{group}' to where it learns.",
            flag=history.flag(
                f"groups.{group}.learning_rate_multiplier", f"{multiplier:.2g}"
            ),
        )
    return None


def group_not_learning(history: PhaseHistory) -> Finding | None:
    """A group of layers that trains has not moved over the whole phase."""
    for group in history.ratios:
        moved = _moved(history, group)
        if not len(_finite(history.ratios[group])) or moved > NOT_LEARNT:
            continue
        return history.finding(
            "group_not_learning",
            f"All steps together moved the weights of '{group}' by {moved:.1e} "
            "of their norm.",
            group=group,
            moved=moved,
            change=f"Raise the rate of '{group}' tenfold, or freeze it.",
            flag=history.flag(
                f"groups.{group}.learning_rate_multiplier",
                f"{10 * _multiplier(history, group):.2g}",
            ),
        )
    return None


def _multiplier(history: PhaseHistory, group: str) -> float:
    groups = history.settings["groups"]
    if group not in groups:  # layer-wise decay makes groups of its own
        return 1.0
    return float(groups[group]["learning_rate_multiplier"])


# In the order in which they are looked for; a symptom on the left explains
# those on its right, which are then not reported for the phase.
SYMPTOMS: dict[Callable[[PhaseHistory], Finding | None], Sequence[str]] = {
    rate_too_high: (
        "rate_too_low",
        "overfitting",
        "underfitting",
        "noisy_curve",
        "still_improving",
        "dead_units",
        "update_ratio_off",
        "group_not_learning",
    ),
    rate_too_low: (
        "underfitting",
        "still_improving",
        "update_ratio_off",
        "group_not_learning",
    ),
    overfitting: ("still_improving",),
    underfitting: (),
    noisy_curve: (),
    still_improving: (),
    dead_units: (),
    update_ratios_off: ("group_not_learning",),
    group_not_learning: (),
}


def diagnose(history: PhaseHistory) -> list[Finding]:
    """Returns what a phase's history shows; [] for a good one.

    Args:
        history: Of one fitted phase.
    """
    findings: list[Finding] = []
    explained: set[str] = set()
    for look, explains in SYMPTOMS.items():
        if not len(history.train_loss) and look is not rate_too_high:
            break
        finding = look(history)
        if finding and finding.name not in explained:
            findings.append(finding)
            explained |= set(explains)
    return findings

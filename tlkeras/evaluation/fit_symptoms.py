"""What curves say about capacity, regularisation, batches and time."""

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

GAP = 0.15  # of the metric, train over validation
NO_GAP = 0.05
LOW_TRAIN = 0.6  # of the way from chance to perfect
WIDE = 0.2  # of the loss, from batch to batch
SMALL_BATCH = 8
STILL_FALLING = 0.05  # relative, validation loss over the last quarter
DEAD = 0.5  # share of the codes
MIN_IMAGES = 20  # fewer say nothing about units


def overfitting(history: PhaseHistory) -> Finding | None:
    """Training is far better than validation."""
    train, val = history.train_metric[-1], history.val_metric[-1]
    # For a mean average precision this is a bound, not the error itself.
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
    elif settings["trainable_from"] not in ("none", "stage5"):
        change = (
            "Train fewer layers.",
            history.flag("trainable_from", "stage5"),
        )
    else:
        change = "Penalise large weights.", "--config.model.head_l2=0.01"
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
    noise = finite(history.noise[is_learning])
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
        "flag": history.flag("epochs", max(2 * history.settings["epochs"], 5)),
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
    is_learnt = losses[-1] < LEARNT_LOSS * history.knowing_nothing
    if losses[-1] > losses.min() or drop < STILL_FALLING or is_learnt:
        return None
    if epochs < history.settings["epochs"]:
        patience = 2 * (history.settings["early_stopping_patience"] or 1)
        change["flag"] = history.flag("early_stopping_patience", patience)
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
    if share is None or share < DEAD or history.num_validation < MIN_IMAGES:
        return None
    if history.model["head"] == "mlp":
        change = "Lower the rate: units die of large steps."
        rate = float(np.nanmax(history.rates[HEAD])) / 3
        flag = history.flag("learning_rate", f"{rate:.2g}")
    else:
        change = "Average over positions, so that fewer codes are always zero."
        flag = "--config.model.pooling=average"
        if history.model["pooling"] == "average":
            change = "Take the features from an earlier layer."
            stage = history.model["features_from"]
            number = int(stage[5:]) - 1 if stage.startswith("stage") else 4
            flag = f"--config.model.features_from=stage{max(number, 1)}"
    return history.finding(
        "dead_units",
        f"{share:.0%} of the codes are the same for every validation image.",
        share=share,
        change=change,
        flag=flag,
    )

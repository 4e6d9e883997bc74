"""The last step on the weights: the last layer is calibrated."""

import dataclasses

import numpy as np

from tlkeras.evaluation.calibration import Calibration, fit_calibration
from tlkeras.models.heads import move_logits
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.keepsakes import write_codes


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """What one pass over the validation split gave.

    Attributes:
        calibration: That the model has now; None where none is asked for.
        logits: float32 [N, C] of the validation images, as served.
    """

    calibration: Calibration | None
    logits: np.ndarray


def calibrate_weights(run: RunContext, frozen: FrozenPart | None) -> Calibrated:
    """Calibrates the model in place, and keeps the validation codes.

    Args:
        run: With the chosen weights in the model, as they were trained: what
            is calibrated already would be so twice.
        frozen: Of the phase that they come from, or None.
    """
    codes, logits = run.compute_codes_and_logits("validation", frozen)
    write_codes(run, codes)
    if not run.config.evaluation.calibrate:
        return Calibrated(None, logits)
    classifier = run.classifier
    split = run.dataset.splits["validation"]
    found = fit_calibration(
        split.targets, logits, classifier.head.loss, split.groups
    )
    run.console.line(found.describe())
    if not found.is_identity:
        move_logits(classifier.logits_layer, found.temperature, found.shift)
    return Calibrated(found, found.apply(logits))

"""The models of trained members, put over what they share."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.errors import GateError
from tlkeras.evaluation.metrics import largest_error
from tlkeras.evaluation.records import RunResult
from tlkeras.models.cells import find_backbone
from tlkeras.models.ensemble import build_ensemble, compute_cost
from tlkeras.models.heads import LOGITS, move_logits
from tlkeras.models.inference import run_batches
from tlkeras.models.weights import read_model
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import STITCH_TOLERANCE


def join_members(
    run: RunContext, places: Sequence[Path], results: Sequence[RunResult]
) -> tuple[RunContext, float]:
    """Returns the run with the ensemble as its classifier, and its cost.

    Args:
        run: Of the ensemble.
        places: Directories of finished members.
        results: Theirs.

    Raises:
        GateError: As `prove_joined`.
    """
    models = [
        _read_trained(place, result)
        for place, result in zip(places, results, strict=True)
    ]
    model = build_ensemble(models)
    prove_joined(model, models, next(iter(run.images("validation"))))
    classifier = dataclasses.replace(
        run.classifier, model=model, backbone=find_backbone(model)
    )
    cost = compute_cost(model, models[0])
    return dataclasses.replace(run, classifier=classifier), cost


def prove_joined(
    joined: keras.Model, members: Sequence[keras.Model], images: np.ndarray
) -> None:
    """Makes sure that an ensemble's logits are the mean of its members'.

    Args:
        joined: The ensemble.
        members: Its networks.
        images: [N, S, S, 3] in 0..255.

    Raises:
        GateError: If they differ by more than `STITCH_TOLERANCE`, relative to
            the largest.
    """
    mean = np.mean([run_batches(m, [images]) for m in members], axis=0)
    error = largest_error(run_batches(joined, [images]), mean)
    tolerance = STITCH_TOLERANCE[find_backbone(joined).outputs[0].dtype]
    if not error <= tolerance:
        raise GateError(
            f"The ensemble cannot be trusted: its logits differ from the mean "
            f"of its {len(members)} networks by {error:.2e} of the largest "
            f"(limit {tolerance:g}); use the runs in '{workdir.MEMBERS}' and "
            "report this."
        )


def _read_trained(place: Path, result: RunResult) -> keras.Model:
    """Returns a member's model, as it was before it was calibrated."""
    model = read_model(place / workdir.MODEL)
    if result.calibration:
        back = result.calibration.inverse
        move_logits(model.get_layer(LOGITS), back.temperature, back.shift)
    return model

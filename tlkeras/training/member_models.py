"""The models of trained members, put over what they share."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import keras

from tlkeras import workdir
from tlkeras.evaluation.records import RunResult
from tlkeras.models.dense import find_backbone
from tlkeras.models.ensemble import build_ensemble, compute_cost
from tlkeras.models.heads import LOGITS, move_logits
from tlkeras.models.weights import read_model
from tlkeras.training.context import RunContext


def join_members(
    run: RunContext, places: Sequence[Path], results: Sequence[RunResult]
) -> tuple[RunContext, float]:
    """Returns the run with the ensemble as its classifier, and its cost.

    Args:
        run: Of the ensemble.
        places: Directories of finished members.
        results: Theirs.
    """
    models = [
        _read_trained(place, result)
        for place, result in zip(places, results, strict=True)
    ]
    model = build_ensemble(models)
    classifier = dataclasses.replace(
        run.classifier, model=model, backbone=find_backbone(model)
    )
    cost = compute_cost(model, models[0])
    return dataclasses.replace(run, classifier=classifier), cost


def _read_trained(place: Path, result: RunResult) -> keras.Model:
    """Returns a member's model, as it was before it was calibrated."""
    model = read_model(place / workdir.MODEL)
    if result.calibration:
        back = result.calibration.inverse
        move_logits(model.get_layer(LOGITS), back.temperature, back.shift)
    return model

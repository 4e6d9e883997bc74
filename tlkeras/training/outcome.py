"""`result.json`: the final numbers of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tlkeras import workdir
from tlkeras.devices import installed_versions
from tlkeras.evaluation.diagnose_run import write_diagnosis
from tlkeras.evaluation.evaluate import evaluate_split
from tlkeras.evaluation.mistakes import write_mistake_maps
from tlkeras.evaluation.records import (
    TEST,
    VALIDATION,
    PhaseRecord,
    RunResult,
    SplitScore,
    read_result,
)
from tlkeras.training.calibrate import Calibrated, calibrate_weights
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.keepsakes import write_filters
from tlkeras.training.progress import PhaseOutcome, RunProgress


def calibrate_and_evaluate(
    run: RunContext, frozen: FrozenPart | None
) -> tuple[dict[str, SplitScore], Calibrated]:
    """Calibrates and evaluates the model, and keeps codes and filters.

    Args:
        run: With the chosen weights in the model, as they were trained.
        frozen: Of the phase that they come from, or None.

    Returns:
        `val`, and `test` where the config says so -> its figures; and what the
        model is divided by.
    """
    calibrated = calibrate_weights(run, frozen)
    splits = {VALIDATION: "validation"}
    if run.config.evaluation.test_at_end and "test" in run.dataset.splits:
        splits[TEST] = "test"
    compute_logits = {
        "validation": lambda: calibrated.logits,
        "test": lambda: run.compute_logits("test", frozen),
    }
    scores = {}
    for prefix, split in splits.items():
        metrics = evaluate_split(
            run.directory,
            split,
            run.dataset.splits[split],
            compute_logits[split],
            loss=run.classifier.head.loss,
            class_names=run.dataset.class_names,
            bootstrap_samples=run.config.evaluation.bootstrap_samples,
            calibration_bins=run.config.evaluation.calibration_bins,
            command="train",
            calibration=calibrated.calibration,
        )
        write_mistake_maps(
            run.directory,
            split,
            run.dataset.splits[split],
            model=run.classifier.model,
            loss=run.classifier.head.loss,
            class_names=run.dataset.class_names,
        )
        scores[prefix] = SplitScore.from_dict(metrics, run.metric)
    write_filters(run)
    return scores, calibrated


def read_finished(directory: Path) -> dict[str, Any]:
    """Returns what `result.json` of a finished run holds, as it was written.

    Raises:
        InputError: If it is damaged.
    """
    read_result(directory)
    return workdir.read_json(directory / workdir.RESULT)


def write_result(
    run: RunContext,
    progress: RunProgress,
    scores: Mapping[str, SplitScore],
    calibrated: Calibrated,
) -> RunResult:
    """Writes the diagnosis, and `result.json`, the last file.

    Args:
        run: That is over.
        progress: After its last phase.
        scores: From `calibrate_and_evaluate`.
        calibrated: Likewise.
    """
    kept = progress.kept
    assert kept is not None
    seconds = {
        name.removeprefix("seconds/"): value
        for name, value in progress.timings.items()
    }
    result = RunResult(
        class_names=tuple(run.dataset.class_names),
        multi_label=run.multi_label,
        image_size=run.classifier.image_size,
        image_definition=run.dataset.definition.as_dict(),
        loss=run.classifier.head.loss.name,
        num_parameters=run.classifier.model.count_params(),
        trainable_parameters=kept.trainable_parameters,
        scores=scores,
        seconds={
            "features": 0.0,
            **seconds,
            "total": round(progress.total_seconds, 3),
        },
        best_phase=kept.phase,
        best_epoch=kept.best.epoch,
        calibration=calibrated.calibration,
        phases=tuple(
            _record(outcome, is_kept=outcome is kept)
            for outcome in progress.outcomes
        ),
        versions=installed_versions(),
    )
    write_diagnosis(run.directory, run.config, result)
    workdir.write_json(run.directory / workdir.RESULT, result.as_dict())
    return result


def _record(outcome: PhaseOutcome, *, is_kept: bool) -> PhaseRecord:
    return PhaseRecord(
        phase=outcome.phase,
        kept=is_kept,
        best_epoch=outcome.best.epoch,
        metrics=outcome.best.metrics,
        stopped=outcome.stopped,
        seconds=round(outcome.seconds, 3),
        comparison=outcome.comparison,
        details=outcome.details,
    )


def save_model(run: RunContext) -> None:
    """Writes `model.keras`."""
    model = run.classifier.model
    # Without the compiled state: the file is for inference and transfer.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with workdir.replacing(run.directory / workdir.MODEL) as temporary:
        bare.save(temporary)

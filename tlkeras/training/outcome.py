"""`result.json`: the final numbers of a run."""

import functools
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.definition import configured_definition
from tlkeras.devices import installed_versions
from tlkeras.evaluation.diagnose_run import write_diagnosis
from tlkeras.evaluation.evaluate import evaluate_split
from tlkeras.training.context import RunContext
from tlkeras.training.keepsakes import write_codes, write_filters


def write_result(run: RunContext) -> dict[str, Any]:
    """Evaluates the chosen weights and writes `result.json`, the last file.

    Args:
        run: With the chosen weights in the model.
    """
    kept = run.progress.kept
    assert kept is not None
    result: dict[str, Any] = {
        "class_names": list(run.dataset.class_names),
        "multi_label": run.multi_label,
        "image_size": run.classifier.image_size,
        "image_definition": configured_definition(run.config).as_dict(),
        "loss": run.classifier.head.loss,
        "num_parameters": run.classifier.model.count_params(),
        "trainable_parameters": kept.trainable_parameters,
    }
    splits = ["validation"]
    if run.config.evaluation.test_at_end and "test" in run.dataset.splits:
        splits.append("test")
    for split in splits:
        metrics = evaluate_split(
            run.directory,
            split,
            run.dataset.splits[split],
            functools.partial(compute_logits, run, split),
            loss=run.classifier.head.loss,
            class_names=run.dataset.class_names,
            bootstrap_samples=run.config.evaluation.bootstrap_samples,
            calibration_bins=run.config.evaluation.calibration_bins,
            command="train",
        )
        prefix = "val" if split == "validation" else split
        result[f"{prefix}/{run.metric}"] = metrics[run.metric]
        result[f"{prefix}/loss"] = metrics["loss"]
        result[f"{prefix}/num_examples"] = metrics["num_examples"]
    write_filters(run)
    run.commit()  # counts the time up to here
    result |= {
        "seconds/features": run.progress.timings.get("seconds/features", 0.0),
        **run.progress.timings,
        "seconds/total": round(run.progress.total_seconds, 3),
        "best_phase": kept.phase,
        "best_epoch": kept.best.epoch,
        "phases": [
            {
                "phase": outcome.phase,
                "kept": outcome is kept,
                "best_epoch": outcome.best.epoch,
                **{f"val/{k}": v for k, v in outcome.best.metrics.items()},
                "stopped": outcome.stopped,
                "seconds": round(outcome.seconds, 3),
                "comparison": outcome.comparison,
                **outcome.details,
            }
            for outcome in run.progress.outcomes
        ],
        "versions": installed_versions(),
    }
    write_diagnosis(run.directory, run.config, result)
    workdir.write_json(run.directory / workdir.RESULT, result)
    return result


def compute_logits(run: RunContext, split: str) -> np.ndarray:
    """Returns a split's logits; the validation codes of the pass are kept."""
    if split != "validation":
        return run.compute_logits(split)
    codes, logits = run.compute_codes_and_logits(split)
    write_codes(run, codes)
    return logits

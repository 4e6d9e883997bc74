"""Evaluating a split, and counting every look at the test split."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.dataset import Split
from tlkeras.evaluation.calibration import Calibration, calibrate_held_out
from tlkeras.evaluation.calibration_gain import measure_gain
from tlkeras.evaluation.metrics import compute_metrics, per_image_scores
from tlkeras.optim.losses import Loss, compute_losses, compute_probabilities

PREDICTION_COLUMNS = ["path", "label", "predicted", "probability", "score"]


def evaluate_split(
    directory: Path,
    split: str,
    examples: Split,
    compute_logits: Callable[[], np.ndarray],
    *,
    loss: Loss,
    class_names: Sequence[str],
    bootstrap_samples: int,
    calibration_bins: int,
    command: str,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Evaluates one split and writes what was found.

    `evaluation_SPLIT.json` holds the metrics, `predictions_SPLIT.csv` one row
    an image. A look at the test split is counted before it is made.

    Args:
        directory: The run directory.
        split: train | validation | test.
        examples: The split's.
        compute_logits: Gives [N, C]; called once, after the look is counted.
        loss: Row of `optim.losses.LOSSES`.
        class_names: [C].
        bootstrap_samples: For the interval.
        calibration_bins: For the calibration error.
        command: Who looks, for `test_looks.json`.
        calibration: That the model has already, if any.

    Returns:
        The metrics; see `metrics.compute_metrics`. Of a calibrated model also
        `calibration`, a `CalibrationGain`; loss and calibration error of the
        validation images are then as calibrated by others of them.
    """
    if split == "test":
        count_test_look(directory, command)
    targets = examples.targets
    logits = compute_logits()
    metrics = compute_metrics(
        targets,
        logits,
        loss=loss,
        class_names=class_names,
        bootstrap_samples=bootstrap_samples,
        calibration_bins=calibration_bins,
    )
    if calibration and not calibration.is_identity:
        trained = calibration.undo(logits)
        metrics |= _describe_calibration(
            targets,
            trained,
            calibrate_held_out(targets, trained, loss, examples.groups)
            if split == "validation"
            else logits,
            loss=loss,
            num_bins=calibration_bins,
            num_samples=bootstrap_samples,
        )
    workdir.write_json(directory / workdir.evaluation_name(split), metrics)
    workdir.write_table(
        directory / workdir.predictions_name(split),
        PREDICTION_COLUMNS,
        _prediction_rows(examples, logits, loss, class_names),
    )
    return metrics


def _describe_calibration(
    targets: np.ndarray,
    trained: np.ndarray,
    calibrated: np.ndarray,
    *,
    loss: Loss,
    num_bins: int,
    num_samples: int,
) -> dict[str, Any]:
    """Returns the metrics of a calibrated model that say how sure it may be.

    A loss that is none of probabilities is that of the logits as trained.
    """
    gain = measure_gain(
        targets,
        trained,
        calibrated,
        loss=loss,
        num_bins=num_bins,
        num_samples=num_samples,
    )
    described: dict[str, Any] = {"calibration": gain.as_dict()}
    if loss.is_log_loss:
        described["loss"] = gain.log_loss.after
    else:
        described["loss"] = float(compute_losses(targets, trained, loss).mean())
    if not loss.multi_label:
        error = gain.expected_calibration_error.after
        described["expected_calibration_error"] = error
    return described


def _prediction_rows(
    split: Split, logits: np.ndarray, loss: Loss, class_names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yields one row an image: its labels, the answer, its score."""
    probabilities = compute_probabilities(logits, loss)
    scores = per_image_scores(
        split.targets, logits, multi_label=loss.multi_label
    )
    truth = split.label_names(class_names)
    for row, path in enumerate(split.paths):
        best = int(logits[row].argmax())
        yield {
            "path": path,
            "label": truth[row],
            "predicted": class_names[best],
            "probability": f"{probabilities[row, best]:.6f}",
            "score": f"{scores[row]:.6g}",
        }


def count_test_look(directory: Path, command: str) -> int:
    """Notes one more look at the test split; returns how many there were."""
    looks = read_test_looks(directory)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    looks.append({"time": now, "command": command})
    workdir.write_json(
        directory / workdir.TEST_LOOKS, {"count": len(looks), "looks": looks}
    )
    return len(looks)


def read_test_looks(directory: Path) -> list[dict[str, str]]:
    """Returns all looks at the test split so far."""
    path = directory / workdir.TEST_LOOKS
    if not path.exists():
        return []
    with workdir.reading(path):
        return [dict(look) for look in workdir.read_json(path)["looks"]]


def read_scores(run: Path, split: str) -> dict[str, float]:
    """Returns path -> score of a run's predictions; empty without them."""
    path = run / workdir.predictions_name(split)
    with workdir.reading(path):
        rows = workdir.read_table(path)
        return {row["path"]: float(row["score"]) for row in rows}

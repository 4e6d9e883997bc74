"""Which labels of a data set are probably wrong: `suspect_labels.csv`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.checks.result import PASS, SKIP, WARN, CheckResult
from tlkeras.data.dataset import Split
from tlkeras.evaluation.calibration import fit_temperature
from tlkeras.evaluation.suspect_labels import find_suspects
from tlkeras.optim.losses import (
    LOSSES,
    compute_log_losses,
    compute_probabilities,
)
from tlkeras.studies.cross_validation import answer_held_out

NUM_FOLDS = 5
MIN_OF_A_CLASS = 5  # images; one a fold
L2_STRENGTHS = (1e4, 1e3, 1e2)  # of L2
MAX_SHARE = 0.15  # of labels; where classes are hard, some always are in doubt
SHOWN = 3  # files named in a message
MAX_LOGITS = 2**24  # of a strength; of more images, so many are drawn
COLUMNS = ["path", "given", "likely", "confidence"]


def predict_held_out(
    codes: np.ndarray,
    targets: np.ndarray,
    *,
    seed: int = 0,
    groups: Sequence[str] = (),
) -> np.ndarray:
    """Returns each image's probabilities by a probe that was fitted without it.

    Args:
        codes: float [N, d].
        targets: [N, C] one-hot.
        seed: Of the folds.
        groups: [N] of images that belong together, or empty; a group lies in
            one fold.

    Returns:
        float64 [N, C], calibrated.
    """
    loss = LOSSES["softmax"]
    logits = np.zeros((len(L2_STRENGTHS), *targets.shape), np.float32)
    for out, row, answers in answer_held_out(
        codes.astype(np.float32),
        targets,
        L2_STRENGTHS,
        loss=loss,
        num_folds=NUM_FOLDS,
        seed=seed,
        groups=groups,
    ):
        logits[row, out] = answers
    best, least = logits[0], np.inf
    for one in logits:
        scaled = one / fit_temperature(targets, one, loss)
        value = compute_log_losses(targets, scaled, loss).mean()
        if value < least:
            best, least = scaled, value
    return compute_probabilities(best, loss)


def write_suspect_labels(
    path: Path,
    images: Split,
    codes: np.ndarray,
    class_names: Sequence[str],
    *,
    seed: int = 0,
) -> CheckResult:
    """Writes the labels that are in doubt, the most doubtful first.

    Args:
        path: Of the table, with a row an image: path, given and likely label,
            probability of the likely one.
        images: N of them, of training and validation: what is mended after a
            look at the test split would flatter it.
        codes: float [N, d].
        class_names: [C].
        seed: Of the folds.
    """
    name = "suspect_labels"
    path.unlink(missing_ok=True)  # of an earlier look
    targets = images.targets
    if (targets.sum(1) != 1).any():
        message = "Images may carry several labels."
        return CheckResult(name, SKIP, None, None, message)
    present = targets.sum(0)[targets.any(0)]
    if len(present) < 2 or present.min() < MIN_OF_A_CLASS:
        message = (
            f"A class has fewer than {MIN_OF_A_CLASS} images of training and "
            "validation."
        )
        return CheckResult(name, SKIP, None, None, message)
    num_given = len(images)
    drawn = np.random.default_rng(seed).permutation(num_given)
    drawn = np.sort(drawn[: MAX_LOGITS // len(class_names)])
    images, codes, targets = images.take(drawn), codes[drawn], targets[drawn]
    labels = targets.argmax(1)
    suspects = find_suspects(
        labels,
        predict_held_out(codes, targets, seed=seed, groups=images.groups),
    )
    rows = [
        {
            "path": images.paths[row],
            "given": class_names[labels[row]],
            "likely": class_names[likely],
            "confidence": round(float(confidence), 4),
        }
        for row, likely, confidence in zip(
            suspects.rows, suspects.likely, suspects.confidence, strict=True
        )
    ]
    workdir.write_table(path, COLUMNS, rows)
    message = f"{len(rows)} of {len(images)} labels are in doubt"
    if rows:
        listed = "; ".join(
            f"{row['path']} ({row['given']}, likely {row['likely']})"
            for row in rows[:SHOWN]
        )
        message += f", first {listed}; all are in {path.name}"
    if num_left := num_given - len(images):
        message += f"; {num_left} were not looked at"
    share = len(rows) / len(images)
    return CheckResult(
        name,
        WARN if share > MAX_SHARE else PASS,
        len(rows),
        f"at most {MAX_SHARE:.0%}",
        f"{message}.",
    )

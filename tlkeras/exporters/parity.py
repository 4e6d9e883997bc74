"""The gate: what a written file costs in accuracy, on the same images."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras.data.dataset import Split
from tlkeras.evaluation.metrics import (
    bootstrap_interval,
    compare_paired,
    per_image_scores,
)
from tlkeras.exporters.runners import Runner
from tlkeras.exporters.signatures import THRESHOLD

BATCH = 32
LATENCY_RUNS = 200
LATENCY_SECONDS = 5.0  # of slow networks fewer runs


@dataclasses.dataclass(frozen=True)
class Reference:
    """The images of the gate and what the Keras model says of them.

    Attributes:
        split: The image files and their targets [N, C].
        read: Rows -> uint8 [n, S, S, 3], decoded.
        scores: [N, C] in 0..1, of the Keras model.
        class_names: [C].
        multi_label: Whether images may carry several labels.
    """

    split: Split
    read: Callable[[np.ndarray], np.ndarray]
    scores: np.ndarray
    class_names: Sequence[str]
    multi_label: bool

    def batch(self, rows: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        """Returns the encoded and the decoded images of some rows."""
        paths = [self.split.files[row] for row in rows]
        return [Path(path).read_bytes() for path in paths], self.read(rows)

    def per_image(self, scores: np.ndarray) -> np.ndarray:
        """Returns what accuracy averages, [N], of scores [N, C]."""
        return per_image_scores(
            self.split.targets, scores, multi_label=self.multi_label
        )


def measure(
    runner: Runner, path: Path, reference: Reference, *, num_samples: int
) -> dict[str, Any]:
    """Compares a written file with the Keras model.

    Args:
        runner: Of the file.
        path: Of the file or directory.
        reference: Images and what Keras says.
        num_samples: Bootstrap resamples of the intervals.

    Returns:
        `num_bytes`; `is_finite`; `accuracy` and its 95 %
        `accuracy_interval` (top-1, or the ranking average precision of an
        image where it may carry several labels); `drop` against Keras and its
        paired `drop_interval`; `num_disagreements` in labels with
        `mcnemar_p`, None with several labels; `largest_probability_shift`;
        `worst_class` with `worst_class_drop`;
        `latency_p50_ms` and `latency_p99_ms` at batch 1; `note`; `operators`.
    """
    scores = run_all(runner, reference)
    is_finite = bool(np.isfinite(scores).all())
    scores = np.nan_to_num(scores, nan=0.0, posinf=0.0, neginf=0.0)
    old = reference.per_image(reference.scores)
    new = reference.per_image(scores)
    paired = compare_paired(old, new, num_samples=num_samples)
    low, high = paired.interval
    drops = class_drops(old - new, reference.split.targets)
    worst = int(np.nanargmax(drops))
    p50, p99 = measure_latency(runner, reference)
    return {
        "num_bytes": size_on_disk(path),
        "is_finite": is_finite,
        "accuracy": float(new.mean()),
        "accuracy_interval": bootstrap_interval(new, num_samples=num_samples),
        "drop": 0.0 - paired.difference,
        "drop_interval": (0.0 - high, 0.0 - low),
        "num_disagreements": int(
            (
                _answers(scores, reference.multi_label)
                != _answers(reference.scores, reference.multi_label)
            )
            .any(-1)
            .sum()
        ),
        "mcnemar_p": (
            None
            if reference.multi_label
            else mcnemar_p(paired.num_better, paired.num_worse)
        ),
        "largest_probability_shift": float(
            np.abs(scores - reference.scores).max()
        ),
        "worst_class": reference.class_names[worst],
        "worst_class_drop": float(drops[worst]),
        "latency_p50_ms": p50,
        "latency_p99_ms": p99,
        "note": runner.note,
        "operators": runner.operators(),
    }


def run_all(runner: Runner, reference: Reference) -> np.ndarray:
    """Returns a file's scores [N, C] for all images."""
    rows = np.arange(len(reference.split))
    return np.concatenate(
        [
            runner.run(*reference.batch(rows[start : start + BATCH]))
            for start in range(0, len(rows), BATCH)
        ]
    )


def measure_latency(
    runner: Runner, reference: Reference
) -> tuple[float, float]:
    """Returns p50 and p99 of one image, milliseconds."""
    seconds = []
    begun = time.perf_counter()
    for run in range(LATENCY_RUNS):
        if run > 20 and time.perf_counter() - begun > LATENCY_SECONDS:
            break
        one_image = reference.batch(np.array([run % len(reference.split)]))
        started = time.perf_counter()
        runner.run(*one_image)
        seconds.append(time.perf_counter() - started)
    # The first ones fill caches and compile.
    p50, p99 = np.percentile(seconds[len(seconds) // 10 :], [50, 99])
    return round(1e3 * float(p50), 3), round(1e3 * float(p99), 3)


def class_drops(drops: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the mean drop over each class' images, [C]; NaN where none.

    Args:
        drops: [N] per-image score of Keras minus that of the file.
        targets: [N, C] multi-hot.
    """
    counts = targets.sum(0)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, drops @ targets / counts, np.nan)


def mcnemar_p(num_better: int, num_worse: int) -> float:
    """Returns the exact two-sided p of McNemar's test (1947).

    Args:
        num_better: Images that only the file has right.
        num_worse: Images that only Keras has right.
    """
    from scipy.stats import binomtest

    total = num_better + num_worse
    return float(binomtest(num_worse, total).pvalue) if total else 1.0


def size_on_disk(path: Path) -> int:
    """Returns the bytes of a file with its parts, or of a whole directory.

    The parts of a file have its stem: OpenVINO's .xml has its weights in .bin.
    """
    parts = path.parent.glob(f"{path.stem}.*")
    files = path.rglob("*") if path.is_dir() else parts
    return sum(file.stat().st_size for file in files if file.is_file())


def _answers(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the labels that are given: [N, C] bool, or [N, 1] classes."""
    return scores >= THRESHOLD if multi_label else scores.argmax(-1)[:, None]

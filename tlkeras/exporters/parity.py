"""The gate: what a written file costs in accuracy, on the same images."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from tlkeras.data.contents import read_content
from tlkeras.data.dataset import Split
from tlkeras.evaluation.metrics import (
    LABEL_THRESHOLD,
    bootstrap_interval,
    compare_paired,
    per_image_scores,
)
from tlkeras.exporters.records import Measurement
from tlkeras.exporters.runners import Runner
from tlkeras.exporters.versions import parts_of

GATE_BATCH_SIZE = 32
NUM_MAPPED = 128  # images whose class maps are compared
LATENCY_RUNS = 200  # so that p99 is not the slowest run alone
LATENCY_SECONDS = 5.0  # of slow networks fewer runs, but 20


@dataclasses.dataclass(frozen=True)
class Reference:
    """The images of the gate and what the Keras model says of them.

    Attributes:
        split: The image files and their targets [N, C].
        read: Rows -> uint8 [n, S, S, 3], decoded.
        scores: [N, C] in 0..1, of the Keras model.
        class_names: [C].
        multi_label: Whether images may carry several labels.
        to_scores: Logits [N, C] -> scores [N, C], for class maps.
    """

    split: Split
    read: Callable[[np.ndarray], np.ndarray]
    scores: np.ndarray
    class_names: Sequence[str]
    multi_label: bool
    to_scores: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def accuracy(self) -> float:
        """What the Keras model reaches, 0..1."""
        return float(self.per_image(self.scores).mean())

    def batch(self, rows: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        """Returns the encoded and the decoded images of some rows.

        Args:
            rows: int [n], each in 0 .. N - 1.

        Returns:
            [n] files' bytes, and uint8 [n, S, S, 3].
        """
        return [self.read_bytes(row) for row in rows.tolist()], self.read(rows)

    def read_bytes(self, row: int) -> bytes:
        """Returns the encoded image of a row."""
        return read_content(self.split.files[row])

    def per_image(self, scores: np.ndarray) -> np.ndarray:
        """Returns what accuracy averages, [N], of scores [N, C]."""
        return per_image_scores(
            self.split.targets, scores, multi_label=self.multi_label
        )


def measure(
    runner: Runner, path: Path, reference: Reference, *, num_samples: int
) -> Measurement:
    """Compares a written file with the Keras model.

    Args:
        runner: Of the file.
        path: Of the file or directory.
        reference: Images and what Keras says.
        num_samples: Bootstrap resamples of the intervals.
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
    disagree = _answers(scores, reference.multi_label) != _answers(
        reference.scores, reference.multi_label
    )
    return Measurement(
        num_bytes=size_on_disk(path),
        is_finite=is_finite,
        accuracy=float(new.mean()),
        accuracy_interval=bootstrap_interval(new, num_samples=num_samples),
        drop=0.0 - paired.difference,  # not -0.0
        drop_interval=(0.0 - high, 0.0 - low),
        num_disagreements=int(disagree.any(-1).sum()),
        mcnemar_p=(
            None
            if reference.multi_label
            else mcnemar_p(paired.num_better, paired.num_worse)
        ),
        largest_probability_shift=float(
            np.abs(scores - reference.scores).max()
        ),
        worst_class=reference.class_names[worst],
        worst_class_drop=float(drops[worst]),
        latency_p50_ms=p50,
        latency_p99_ms=p99,
        note=runner.note,
        operators=runner.operators(),
        heatmap_shift=measure_maps(runner, reference, scores),
    )


def run_all(runner: Runner, reference: Reference) -> np.ndarray:
    """Returns a file's scores [N, C] for all images."""
    rows = np.arange(len(reference.split))
    return np.concatenate(
        [
            runner.run(*reference.batch(rows[start : start + GATE_BATCH_SIZE]))
            for start in range(0, len(rows), GATE_BATCH_SIZE)
        ]
    )


def measure_maps(
    runner: Runner, reference: Reference, scores: np.ndarray
) -> float | None:
    """Returns by how much a score of the mean class map differs at most.

    Args:
        runner: Of the file.
        reference: Images of the gate.
        scores: [N, C], what the file answers without maps.

    Returns:
        0..1; None where the file gives no maps.
    """
    largest = 0.0
    count = min(len(scores), NUM_MAPPED)
    for start in range(0, count, GATE_BATCH_SIZE):
        rows = np.arange(start, min(start + GATE_BATCH_SIZE, count))
        contents = [reference.read_bytes(row) for row in rows.tolist()]
        maps = runner.class_maps(contents)
        if maps is None or reference.to_scores is None:
            return None
        means = reference.to_scores(maps.mean((1, 2)))
        shift = np.abs(means - scores[rows]).max()
        largest = max(largest, float(shift))
    return largest


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
    """Returns the bytes of a file with its parts, or of a whole directory."""
    files = path.rglob("*") if path.is_dir() else parts_of(path)
    return sum(file.stat().st_size for file in files if file.is_file())


def _answers(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the labels that are given: [N, C] bool, or [N, 1] classes."""
    return (
        scores >= LABEL_THRESHOLD if multi_label else scores.argmax(-1)[:, None]
    )

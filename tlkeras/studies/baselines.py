"""What transfer is worth: against random weights and raw pixels."""

import dataclasses
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured
from tlkeras.data.pipeline import decode_split
from tlkeras.evaluation.metrics import (
    PairedComparison,
    compute_summary,
    per_image_scores,
)
from tlkeras.evaluation.records import VALIDATION, RunResult
from tlkeras.linear.solvers import fit_linear_classifier
from tlkeras.optim.losses import LOSSES
from tlkeras.training.trainer import train_and_evaluate


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measured recipe.

    Attributes:
        name: Of the recipe.
        validation: Top-1 accuracy on validation.
        test_paths: [N] test images.
        test_scores: [N] 1 or 0 for each of them.
    """

    name: str
    validation: float
    test_paths: tuple[str, ...]
    test_scores: np.ndarray


def measure_run(name: str, config: ConfigDict, directory: Path) -> Figure:
    """Trains a recipe and reads its answers on the test split."""
    result = RunResult.from_dict(train_and_evaluate(config, directory))
    rows = workdir.read_table(directory / workdir.predictions_name("test"))
    scores = np.array([float(row["score"]) for row in rows])
    paths = tuple(row["path"] for row in rows)
    return Figure(name, result.scores[VALIDATION].metric, paths, scores)


def measure_raw_pixels(
    name: str, dataset: Dataset, image_size: int, num_workers: int = 2
) -> Figure:
    """Fits logistic regression on pixels, its strength chosen on validation.

    Args:
        name: Of the figure.
        dataset: With validation and test.
        image_size: Side to which the images are resized, pixels.
        num_workers: Parallel decodes.
    """
    size = (image_size, image_size)
    pixels = {
        split: decode_split(members, size, num_workers=num_workers)
        .reshape(len(members), -1)
        .astype(np.float32)
        for split, members in dataset.splits.items()
    }
    targets = {name: s.targets for name, s in dataset.splits.items()}

    def score(kernel: np.ndarray, bias: np.ndarray) -> float:
        logits = pixels["validation"] @ kernel + bias
        summary = compute_summary(
            targets["validation"], logits, loss=LOSSES["softmax"]
        )
        return summary["top_1_accuracy"]

    fit = fit_linear_classifier(
        pixels["train"],
        targets["train"],
        score,
        loss=LOSSES["softmax"],
        log10_l2=(-2.0, 4.0),
        num_strengths=13,
    )
    logits = pixels["test"] @ fit.kernel + fit.bias
    scores = per_image_scores(targets["test"], logits, multi_label=False)
    return Figure(name, fit.score, dataset.splits["test"].paths, scores)


def measure_all(
    recipes: Mapping[str, ConfigDict],
    directory: Path,
    *,
    raw_pixel_size: int,
    console: Console,
) -> list[Figure]:
    """Measures logistic regression on raw pixels, then every recipe.

    All recipes must share one `data` section, so that their test images are
    the same.

    Args:
        recipes: Name -> config.
        directory: Each recipe's run goes into a folder of its own below.
        raw_pixel_size: Side of the images for the raw-pixel baseline.
        console: Told which recipe is being measured.
    """
    first = next(iter(recipes.values()))
    dataset = load_configured(first, directory, console)
    figures = [measure_raw_pixels("raw pixels", dataset, raw_pixel_size)]
    for name, config in recipes.items():
        folder = directory / name.replace(" ", "_").replace(",", "")
        console.line(f"measuring: {name}")
        figures.append(measure_run(name, config, folder))
    return figures


def compare_pooled(
    new: list[Figure], old: list[Figure], *, num_samples: int = 2000
) -> PairedComparison:
    """Compares two recipes over several seeds, image by image.

    Images are resampled with all their answers: those of one image under
    different seeds are no independent evidence.

    Args:
        new: The recipe of interest, one figure a seed.
        old: The other, for the same seeds and so the same test images.
        num_samples: Bootstrap resamples, over images.
    """
    differences: dict[str, list[float]] = defaultdict(list)
    for better, worse in zip(new, old, strict=True):
        for path, difference in zip(
            better.test_paths,
            better.test_scores - worse.test_scores,
            strict=True,
        ):
            differences[path].append(difference)
    sums = np.array([sum(values) for values in differences.values()])
    counts = np.array([len(values) for values in differences.values()])
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(sums), size=(num_samples, len(sums)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return PairedComparison(
        difference=float(sums.sum() / counts.sum()),
        interval=(float(low), float(high)),
        p_value=float((means <= 0).mean()),
        num_better=int((sums > 0).sum()),
        num_worse=int((sums < 0).sum()),
    )

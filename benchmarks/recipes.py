"""Recipes of others against the defaults, on small real sets.

One backbone with the same weights, image size and splits for all. Every recipe
is a config of its own, so that it is trained, calibrated and measured by the
same code; k-nearest-neighbours on codes stands beside them. Validation counts;
the test split is not looked at.

Commands: TLKERAS_ASSETS=DIR python -m benchmarks recipes, for the recipes of
others, two hours of two cores; python -m benchmarks.recipes [--sets=A,B]
[--recipes=A,B] [--seeds=0,1,2] prints rows of a part, also of candidates. Runs
lie in runs/recipes; both go on where they were stopped.

References:
    Keras guide: keras.io/guides/transfer_learning, Adam at its own rates.
    fastai: Howard and Gugger 2020, `Learner.fine_tune` (one frozen epoch, then
    one cycle with rates sliced over the layers, BatchNormalization training).
    BiT-HyperRule: Kolesnikov et al. 2020, Big Transfer, section 3.3.
    Tuned probes: Kornblith et al. 2019, Do better ImageNet models transfer
    better, appendix A (logistic regression, its strength by validation).
"""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from benchmarks.harness import Section
from benchmarks.recipe_configs import (
    IMAGE_SIZE,
    NEAREST,
    RECIPES,
    SETS,
    make_config,
)

# What `python -m benchmarks recipes` compares, and where.
OTHERS = (
    *("defaults", "logistic regression", "SVM", NEAREST),
    *("Keras guide", "BiT-HyperRule", "fastai fine_tune"),
)
COMPARED_ON = (
    *("clothing", "blood_cells", "sign_digits"),
    *("omniglot of 10", "omniglot of 5", "digits"),
)
# They take as long as all others together, and are far behind.
ONE_SEED = ("fastai fine_tune", "BiT-HyperRule")
NOT_ON = {
    "BiT-HyperRule": (
        "sign_digits",
        "omniglot of 10",
        "omniglot of 5",
        "digits",
    )
}
RUNS = Path("runs/recipes")
SEEDS = (0, 1, 2)
NEIGHBOURS = (1, 3, 5, 10, 20)


@dataclasses.dataclass(frozen=True)
class Measured:
    """One recipe on one set under one seed.

    Attributes:
        scores: [N] 1 where a validation image is answered rightly.
        log_loss: Of the run as it is served, cross-fitted where calibrated;
            NaN of margins, which have none.
        calibration_error: Likewise.
        seconds: Of the whole run; NaN where codes were there already.
    """

    scores: np.ndarray
    log_loss: float
    calibration_error: float
    seconds: float


def run() -> Section:
    """Measures the recipes of others."""
    header = [
        "set",
        "recipe",
        "accuracy",
        "against the defaults",
        "log loss",
        "calibration error",
        "seconds",
    ]
    rows, found = [], {}
    for name in COMPARED_ON:
        recipes = [r for r in OTHERS if name not in NOT_ON.get(r, ())]
        for recipe, own in measure_set(name, recipes, SEEDS).items():
            found[name, recipe] = own
            rows.append(
                [name, recipe, *format_cells(own, found[name, "defaults"])]
            )
    for recipe in OTHERS:
        if recipe in NOT_ON:
            continue
        means = [
            np.mean([m.scores.mean() for m in found[name, recipe]])
            for name in COMPARED_ON
        ]
        others = ["", "", "", ""]
        rows.append(["mean of sets", recipe, f"{np.mean(means):.3f}", *others])
    return Section(
        "Recipes of others",
        [header, *rows],
        [
            f"MobileNetV2 1.0 at {IMAGE_SIZE} px, seeds {SEEDS}, which also "
            f"divide the images ({', '.join(ONE_SEED)}: seed {SEEDS[0]}, and "
            "compared with that of the defaults); validation, 95 % intervals "
            "over its images. Log loss and calibration error as served, "
            "cross-fitted. Seconds of one core, two runs at a time.",
        ],
    )


def main() -> None:
    """Prints the rows of a part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--recipes", default=",".join([*RECIPES, NEAREST]))
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    arguments = parser.parse_args()
    for row in measure_rows(
        arguments.sets.split(","),
        arguments.recipes.split(","),
        tuple(map(int, arguments.seeds.split(","))),
    ):
        print("|", " | ".join(row), "|", flush=True)


def measure_rows(
    names: Sequence[str], recipes: Sequence[str], seeds: Sequence[int]
) -> Iterator[list[str]]:
    """Yields the cells of each recipe on each set, once the set is measured."""
    for name in names:
        found = measure_set(name, recipes, seeds)
        for recipe, own in found.items():
            cells = format_cells(own, found.get("defaults", ()))
            yield [name, recipe, *cells]


def measure_set(
    name: str, recipes: Sequence[str], seeds: Sequence[int]
) -> dict[str, list["Measured"]]:
    """Returns what recipes are worth on a set, one value a seed."""
    from tlkeras.startup import import_frameworks

    import_frameworks()
    found: dict[str, list[Measured]] = {}
    for recipe in recipes:
        for seed in seeds[:1] if recipe in ONE_SEED else seeds:
            config = make_config(name, recipe, seed)
            folder = f"{name}/{recipe}/{seed}".replace(" ", "_")
            found.setdefault(recipe, []).append(
                measure_neighbours(config)
                if recipe == NEAREST
                else measure_run(config, RUNS / folder)
            )
    return found


def measure_run(config: ConfigDict, directory: Path) -> Measured:
    """Trains a recipe and reads what it is worth on validation."""
    from tlkeras import workdir
    from tlkeras.evaluation.evaluate import read_scores
    from tlkeras.evaluation.records import read_result
    from tlkeras.training.trainer import train_and_evaluate

    train_and_evaluate(config, directory)  # or reads what it was worth
    figures = workdir.read_json(
        directory / workdir.evaluation_name("validation")
    )
    scores = read_scores(directory, "validation")
    return Measured(
        np.array([scores[path] for path in sorted(scores)]),
        np.nan if config.model.head == "svm" else figures["loss"],
        figures["expected_calibration_error"],
        read_result(directory).seconds["total"],
    )


def measure_neighbours(config: ConfigDict) -> Measured:
    """Answers by the most similar training images; their number is tried."""
    from tlkeras.features.neighbours import comparable, find_nearest
    from tlkeras.training.code_table import compute_codes

    table = compute_codes(config)
    splits, labels = np.array(table.splits), np.array(table.labels)
    train, held = splits == "train", splits == "validation"
    codes = comparable(table.codes)
    nearest, similarity = find_nearest(
        codes[held], codes[train], max(NEIGHBOURS)
    )
    is_class = labels[train][:, None] == np.unique(labels)
    answers = np.searchsorted(np.unique(labels), labels[held])
    scores = []
    for count in NEIGHBOURS:
        weights = similarity[:, :count, None]
        votes = (is_class[nearest[:, :count]] * weights).sum(1)
        scores.append(votes.argmax(-1) == answers)
    best = max(scores, key=np.mean).astype(np.float64)
    return Measured(best, np.nan, np.nan, np.nan)


def format_cells(
    own: Sequence[Measured], reference: Sequence[Measured]
) -> list[str]:
    """Returns accuracy, its difference to the reference, and the rest."""
    from scipy.stats import binomtest

    from tlkeras.evaluation.metrics import compare_paired, format_change

    scores = np.concatenate([m.scores for m in own])
    change = ""
    if reference and reference is not own:
        others = np.concatenate([m.scores for m in reference[: len(own)]])
        paired = compare_paired(others, scores, num_samples=10_000)
        change = format_change(paired.difference, paired.interval)
    right = binomtest(round(scores.sum()), len(scores))
    low, high = right.proportion_ci(method="wilson")
    means = (
        np.mean([getattr(m, part) for m in own])
        for part in ("log_loss", "calibration_error", "seconds")
    )
    return [
        f"{scores.mean():.3f} [{low:.3f}, {high:.3f}]",
        change,
        *("" if np.isnan(x) else f"{x:.3f}" for x in means),
    ]


if __name__ == "__main__":
    main()

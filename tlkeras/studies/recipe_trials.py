"""Training the recipes of the quadrants on the same folds.

Every fold is held out once. What is left of the images is divided for all
recipes alike: most are learnt from, and some choose the strength, the depth and
the best epoch. So no recipe is chosen by the images that judge it.
"""

import copy
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.defaults import get_config
from tlkeras.config.hashing import config_hash
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Ledger, Split
from tlkeras.evaluation.metrics import compute_summary, per_image_scores
from tlkeras.linear.solvers import fit_linear_classifier
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import layer_stages
from tlkeras.optim.losses import Loss
from tlkeras.ranking import rank_key
from tlkeras.studies.cross_validation import stratified_folds
from tlkeras.training.trainer import train_and_evaluate

EPOCHS = 6  # of fine-tuning; the default recipe has twice as many
CHOOSING = 6  # one in so many of the images that are not held out chooses
FITTED_LOG10_L2 = (1.0, 3.0)
FITTED_STRENGTHS = 5
MEASURED = "measured"  # folder of the runs


@dataclasses.dataclass(frozen=True)
class Fold:
    """How the images are used while one fold is held out.

    Attributes:
        learn: int [n] places of the images that are learnt from.
        choose: int [m] of those that choose among epochs and strengths.
        held: int [k] of those that judge.
    """

    learn: np.ndarray
    choose: np.ndarray
    held: np.ndarray


def divide(targets: np.ndarray, fold: np.ndarray, seed: int) -> list[Fold]:
    """Returns each fold's division, even within every class.

    Args:
        targets: [N, C] multi-hot.
        fold: int [N] in which each image is held out.
        seed: Of what chooses.
    """
    divided = []
    for number in range(fold.max() + 1):
        rest = np.flatnonzero(fold != number)
        chooses = stratified_folds(targets[rest], CHOOSING, seed) == 0
        # A class that has one image left learns from it.
        labels = targets[rest].argmax(1)
        lone = np.bincount(labels[~chooses], minlength=targets.shape[1]) == 0
        chooses &= ~lone[labels]
        divided.append(
            Fold(rest[~chooses], rest[chooses], np.flatnonzero(fold == number))
        )
    return divided


def score_linear(
    codes: Mapping[str, np.ndarray],
    targets: np.ndarray,
    folds: list[Fold],
    loss: Loss,
) -> np.ndarray:
    """Scores linear classifiers, on the depth that suits the choosing images.

    Args:
        codes: Depth -> float [N, d].
        targets: [N, C] multi-hot.
        folds: From `divide`.
        loss: Row of `optim.losses.LOSSES`.

    Returns:
        [N] scores of the held-out images.
    """
    scores = np.empty(len(targets))
    for fold in folds:

        def rank(logits: np.ndarray, fold: Fold = fold) -> tuple[float, float]:
            value, metric = compute_summary(
                targets[fold.choose], logits, loss=loss
            ).values()
            return rank_key(metric, value)

        best = None
        for values in codes.values():
            chooses = values[fold.choose]
            fit = fit_linear_classifier(
                values[fold.learn],
                targets[fold.learn],
                lambda k, b, codes=chooses, rank=rank: rank(codes @ k + b),
                loss=loss,
                log10_l2=FITTED_LOG10_L2,
                num_strengths=FITTED_STRENGTHS,
            )
            if best is None or fit.score > best[0].score:
                best = fit, values
        assert best is not None
        fit, values = best
        scores[fold.held] = per_image_scores(
            targets[fold.held],
            values[fold.held] @ fit.kernel + fit.bias,
            multi_label=loss.multi_label,
        )
    return scores


def fine_tune_from(recipe: str, classifier: Classifier) -> str:
    """Returns `trainable_from` of the recipes `few` and `all`."""
    if recipe == "all":
        return "all"
    return f"stage{max(layer_stages(classifier.backbone))}"


def fine_tune_config(
    config: ConfigDict, trainable_from: str, *, multi_label: bool
) -> ConfigDict:
    """Returns a config that solves the head and fine-tunes for a short while.

    Args:
        config: Its data, network and seed are kept.
        trainable_from: As of a phase.
        multi_label: Whether images may carry several labels.
    """
    short = copy.deepcopy(config)
    with short.unlocked():
        short.phases = get_config().phases
    short.update_from_flattened_dict(
        {
            "model.head": "multi_label" if multi_label else "linear",
            "phases.fine_tune.epochs": EPOCHS,
            "phases.fine_tune.trainable_from": trainable_from,
            "checks.enabled": False,
            "evaluation.replace_p_value": 1.0,  # it is asked how it does
            "evaluation.test_at_end": True,
            "report.enabled": False,
            "runtime.tensorboard": False,
        }
    )
    return short


def score_fine_tuned(
    config: ConfigDict,
    directory: Path,
    images: Split,
    class_names: tuple[str, ...],
    folds: list[Fold],
    console: Console,
    *,
    name: str,
) -> np.ndarray:
    """Fine-tunes on each fold, in a run directory of its own.

    What is finished is only read, and what is not goes on.

    Args:
        config: From `fine_tune_config`.
        directory: Of the study.
        images: N of them.
        class_names: [C].
        folds: From `divide`.
        console: Told how far it is.
        name: Of the recipe.

    Returns:
        [N] scores of the held-out images.
    """
    scores = np.empty(len(images))
    for number, fold in enumerate(folds, 1):
        dataset = _as_dataset(config, images, class_names, fold)
        # Another division, or other settings, is another run.
        identity = f"{dataset.fingerprint[:8]}-{config_hash(config)}"
        run = directory / MEASURED / f"{name}-{identity}"
        is_there = (run / workdir.RESULT).exists()
        started = time.perf_counter()
        train_and_evaluate(config, run, dataset=dataset)
        rows = workdir.read_table(run / workdir.predictions_name("test"))
        answers = {row["path"]: float(row["score"]) for row in rows}
        held = dataset.splits["test"].paths
        scores[fold.held] = [answers[path] for path in held]
        seconds = time.perf_counter() - started
        left = "" if is_there else _time_left(seconds, len(folds) - number)
        console.line(
            f"{name}: fold {number} of {len(folds)}, accuracy "
            f"{scores[fold.held].mean():.3f}, "
            f"{'done before' if is_there else f'{seconds:.0f} s'}{left}"
        )
    return scores


def _time_left(seconds: float, num_left: int) -> str:
    return f"; about {seconds * num_left:.0f} s left" if num_left else ""


def _as_dataset(
    config: ConfigDict,
    images: Split,
    class_names: tuple[str, ...],
    fold: Fold,
) -> Dataset:
    """Returns a fold as a data set whose test split is what is held out."""
    return Dataset(
        source=config.data.source,
        class_names=class_names,
        multi_label=config.model.head == "multi_label",
        splits={
            "train": images.take(fold.learn),
            "validation": images.take(fold.choose),
            "test": images.take(fold.held),
        },
        ledger=Ledger(num_files=len(images)),
    )

"""Fine-tuning recipes on the same folds as linear ones, in runs that go on."""

import copy
import time
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.defaults import get_config
from tlkeras.config.hashing import config_hash
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Ledger, Split
from tlkeras.models.classifier import Classifier
from tlkeras.models.depths import depth_sections, upper_start
from tlkeras.studies.linear_trials import Fold
from tlkeras.training.trainer import train_and_evaluate

EPOCHS = 6  # of fine-tuning; the default recipe has two more
MEASURED = "measured"  # folder of the runs


def fine_tune_from(recipe: str, classifier: Classifier) -> str:
    """Returns `trainable_from` of the recipes `few` and `all`."""
    if recipe == "all":
        return "all"
    backbone = classifier.backbone
    upper = upper_start(backbone)
    sections = depth_sections(backbone).items()
    return next(start for start, index in sections if index == upper)


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
            "ensemble": 1,
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

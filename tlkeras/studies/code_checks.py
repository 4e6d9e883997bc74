"""What needs the codes of images: labels in doubt, and copies across splits."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.checks.result import CheckResult
from tlkeras.checks.suite import Suite
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset, Split
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier
from tlkeras.studies.copy_checks import (
    MAX_IMAGES,
    find_copies,
    find_nearest_elsewhere,
    run_copy_checks,
    write_copies,
)
from tlkeras.studies.depth_codes import join_splits
from tlkeras.studies.label_checks import run_label_checks
from tlkeras.studies.suspect_labels import write_suspect_labels
from tlkeras.training.build import build_from_config, set_up_model
from tlkeras.training.context import RunContext
from tlkeras.training.reading import plain_prefix

# Split name -> images, and their codes float [N, ...].
Splits = Mapping[str, Split]
Codes = Mapping[str, np.ndarray]


def run_code_checks(suite: Suite, run: RunContext) -> None:
    """Runs what needs codes; they are cached for the run to come.

    Args:
        suite: Collects the results; `suspect_labels.csv` and
            `near_duplicates.csv` are written beside its file.
        run: With a fresh head.
    """
    dataset, config = run.dataset, run.config
    prefix = _build_code_prefix(run.classifier, dataset, config, run.console)
    run_label_checks(suite, run, prefix)
    splits, codes = _compute_codes(prefix, dataset, config.seed)
    members = dataset.splits
    num_left = sum(len(members[name]) - len(splits[name]) for name in members)
    run_copy_checks(suite, splits, codes, num_left)
    suite.run(
        lambda: _doubt_labels(suite.path.parent, dataset, splits, codes, config)
    )


def write_doubts(
    config: ConfigDict, directory: Path, dataset: Dataset, console: Console
) -> None:
    """Writes what is in doubt about the images of a run, for its review.

    `suspect_labels.csv`, where each class has images enough, and then
    `near_duplicates.csv`. The codes are those of the network before training,
    to which no label is known, and cached where the run solved a phase.

    Args:
        config: Of the run.
        directory: For the files.
        dataset: Of the run.
        console: For progress.

    Raises:
        InputError: If the weights that the run began with cannot be had.
    """
    set_up_model(config)
    classifier = build_from_config(config, dataset)
    prefix = _build_code_prefix(classifier, dataset, config, console)
    splits, codes = _compute_codes(prefix, dataset, config.seed)
    _doubt_labels(directory, dataset, splits, codes, config)
    found = find_copies(splits, find_nearest_elsewhere(codes))
    write_copies(directory / workdir.NEAR_DUPLICATES, found)


def _build_code_prefix(
    classifier: Classifier,
    dataset: Dataset,
    config: ConfigDict,
    console: Console,
) -> FrozenPrefix:
    """Returns images as they are -> codes, by the whole backbone."""
    top = len(topological_layers(classifier.backbone))
    network = split_classifier(classifier, top).prefix
    return plain_prefix(network, dataset.splits["train"], config, console)


def _compute_codes(
    prefix: FrozenPrefix, dataset: Dataset, seed: int
) -> tuple[Splits, Codes]:
    """Returns at most `MAX_IMAGES` images in all, and their codes."""
    members = dataset.splits
    share = min(1.0, MAX_IMAGES / sum(map(len, members.values())))
    splits = {
        name: split.draw(max(1, int(share * len(split))), seed)
        for name, split in members.items()
    }
    codes = {
        name: prefix.activations(
            split, prefix.plain, what=f"codes of {name}"
        ).all_rows()[0]
        for name, split in splits.items()
    }
    return splits, codes


def _doubt_labels(
    directory: Path,
    dataset: Dataset,
    splits: Splits,
    codes: Codes,
    config: ConfigDict,
) -> CheckResult:
    used = ("train", "validation")
    return write_suspect_labels(
        directory / workdir.SUSPECT_LABELS,
        join_splits([splits[name] for name in used]),
        np.concatenate([codes[name] for name in used]),
        dataset.class_names,
        seed=config.seed,
    )

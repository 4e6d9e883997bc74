"""What is in doubt about the images of a finished run, for its review."""

from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.studies.copy_checks import (
    find_copies,
    find_nearest_elsewhere,
    write_copies,
)
from tlkeras.studies.split_codes import build_top_prefix, compute_split_codes
from tlkeras.studies.suspect_labels import write_suspect_labels
from tlkeras.training.build import build_from_config, set_up_model


def write_doubts(
    config: ConfigDict, directory: Path, dataset: Dataset, console: Console
) -> None:
    """Writes what `tlkeras check` would say of labels and copies.

    `suspect_labels.csv`, where each class has images enough, and then
    `near_duplicates.csv`. The codes are those of the network before training,
    which knows no label of theirs; they are cached where the run solved a
    phase on them.

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
    prefix = build_top_prefix(classifier, dataset, config, console)
    found = compute_split_codes(prefix, dataset, config.seed)
    write_suspect_labels(
        directory / workdir.SUSPECT_LABELS,
        *found.join_doubted(),
        dataset.class_names,
        seed=config.seed,
    )
    nearest = find_nearest_elsewhere(found.codes)
    write_copies(
        directory / workdir.NEAR_DUPLICATES, find_copies(found.splits, nearest)
    )

"""The images of a finished run, loaded again."""

from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured
from tlkeras.errors import InputError


def load_again(
    config: ConfigDict, directory: Path, class_names: Sequence[str]
) -> Dataset:
    """Loads the data of a finished run, which must still have its classes.

    Args:
        config: Of the run.
        directory: Of the run.
        class_names: [C], as the run knows them.

    Raises:
        InputError: As `load_dataset`, or if the classes changed.
    """
    dataset = load_configured(config, directory)
    if dataset.class_names != tuple(class_names):
        raise InputError(
            f"The classes of '{dataset.source}' are no longer those of the "
            f"run in '{directory}'; expected "
            f"{', '.join(class_names[:5])}...: restore the data."
        )
    return dataset

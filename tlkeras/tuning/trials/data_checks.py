"""The data of a search, checked before its first trial."""

from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.checks.suite import Suite
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.training.build import require_fitting_head
from tlkeras.training.first_checks import run_data_checks


def check_data(config: ConfigDict, dataset: Dataset, console: Console) -> None:
    """Checks the data before the first trial; the final runs would refuse it.

    Args:
        config: Of the search, as given.
        dataset: That its trials train on.
        console: For people.

    Raises:
        InputError: If the head cannot learn the labels.
        GateError: If a picture lies in two splits and `checks.strict` is on.
    """
    require_fitting_head(config, dataset)
    if config.checks.enabled:
        suite = Suite(Path(workdir.CHECKS), console, dataset.fingerprint)
        run_data_checks(suite, dataset, config.seed)
        suite.require_passed(strict=config.checks.strict)

"""The directory of a run, and the devices that train it, before all else."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.config.run_directory import own_run_directory
from tlkeras.config.validate import require_one_process, validate
from tlkeras.training.distribution import open_devices
from tlkeras.training.one_device import Distribution


@contextlib.contextmanager
def open_run(
    config: ConfigDict, directory: Path | str
) -> Iterator[tuple[ConfigDict, Path]]:
    """Opens the directory of a valid config's run, before anything else.

    It is this process' own inside the block.

    Yields:
        The config with the image definition of the run, and the directory.

    Raises:
        InputError: For an unusable config, or the directory of another one or
            of another process.
    """
    validate(config)
    with own_run_directory(Path(directory), config) as opened:
        yield opened


@contextlib.contextmanager
def open_shared_run(
    config: ConfigDict, directory: Path | str, *, alone: str = ""
) -> Iterator[tuple[ConfigDict, Path, Distribution]]:
    """Does the same on the devices that the config names.

    Of processes that train together the chief opens the directory, and the
    others a copy of what is in it, which they have until they end.

    Args:
        config: As given.
        directory: Of the run.
        alone: Name of a command whose work one process does.

    Yields:
        The config and the directory, as `open_run`, and the devices.

    Raises:
        InputError: As `open_run`, or if the devices cannot be had.
        GateError: If another process was lost.
    """
    validate(config)
    if alone:
        require_one_process(config, alone)
    with (
        open_devices(config, directory) as (distribution, place),
        own_run_directory(place, config) as (config, opened),
    ):
        distribution.publish(opened)
        yield config, opened, distribution

"""The images and the network of a config's codes, opened."""

import dataclasses

import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured
from tlkeras.features.code_place import CodePlace
from tlkeras.features.executors import Executor, LocalProcesses
from tlkeras.features.extraction import Extraction
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.startup import import_frameworks
from tlkeras.training.light_codes import open_light_prefix, prepare_light_prefix

# From where on a cluster is worth its trouble; below that a night suffices.
MANY_IMAGES = 10**7


def open_codes(
    config: ConfigDict,
    place: CodePlace,
    executor: Executor | None,
    console: Console,
) -> tuple[Dataset, FrozenPrefix]:
    """Opens a config's data and network, and lets an executor fill the store.

    Args:
        config: Validated.
        place: Of the codes.
        executor: Runs the network elsewhere; None = in this process.
        console: For progress.

    Returns:
        The data without the images that have no codes, and the network.

    Raises:
        InputError: For unusable input.
        GateError: If the job fails, or finds too many bad images.
    """
    prefix = open_light_prefix(config, place, console)
    if prefix is None:
        dataset, prefix = _build(config, place, console)
    else:
        dataset = load_configured(config, console=console)
    num_images = sum(map(len, dataset.splits.values()))
    if num_images > MANY_IMAGES and isinstance(executor, LocalProcesses | None):
        console.line(
            f"  {num_images} images are many for one machine: "
            "--beam_pipeline_options shares them out to a cluster, "
            "--estimate says what that takes (docs/scale.md)"
        )
    if executor:
        dataset = _extract(config, dataset, prefix, executor, console)
    return dataset, prefix


def _build(
    config: ConfigDict, place: CodePlace, console: Console
) -> tuple[Dataset, FrozenPrefix]:
    """Loads a config's data, builds its network, and prepares it for later.

    Raises:
        InputError: For unusable input.
    """
    import_frameworks()
    from tlkeras.training.build import set_up_model
    from tlkeras.training.code_prefix import build_code_prefix

    set_up_model(config)
    dataset = load_configured(config, console=console)
    prefix = build_code_prefix(config, dataset, place, console)
    prepare_light_prefix(config, place, prefix)
    return dataset, prefix


def _extract(
    config: ConfigDict,
    dataset: Dataset,
    prefix: FrozenPrefix,
    executor: Executor,
    console: Console,
) -> Dataset:
    """Fills the store; returns the data without the images that are bad."""
    extraction = Extraction(
        prefix,
        dataset.splits,
        executor,
        max_bad_share=config.data.max_bad_share,
        console=console,
    )
    bad = extraction.run()
    if bad:
        console.line(
            f"  bad images have no codes; they are in '"
            f"{extraction.folder.ledger}'"
        )
    rows = {
        name: np.array([digest not in bad for digest in split.digests])
        for name, split in dataset.splits.items()
    }
    splits = {
        name: split.take(np.flatnonzero(rows[name]))
        for name, split in dataset.splits.items()
        if rows[name].any()
    }
    return dataclasses.replace(dataset, splits=splits)

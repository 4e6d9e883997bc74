"""CNN codes of a config's data, for other programs."""

import copy
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured
from tlkeras.errors import InputError
from tlkeras.features.codes import l2_normalize as normalize
from tlkeras.features.codes import signed_power
from tlkeras.features.executors import Executor, LocalProcesses
from tlkeras.features.extraction import Extraction, require_room
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.features.table import CodeTable, compute_code_table
from tlkeras.training.build import set_up_model
from tlkeras.training.code_prefix import CodePlace, build_code_prefix

# From where on a cluster is worth its trouble; below that a night suffices.
MANY_IMAGES = 10**7


def compute_codes(
    config: ConfigDict,
    *,
    layer: str = "",
    pooling: str = "average",
    before_activation: bool = False,
    l2_normalize: bool = False,
    power: float = 1.0,
    augmented_copies: int = 1,
    executor: Executor | None = None,
    console: Console | None = None,
) -> CodeTable:
    """Computes the codes of all images of a config's data at one layer.

    Args:
        config: Its `data`, `model`, `features` and `runtime` sections count.
        layer: Of the backbone; "" is the top.
        pooling: average | max | flatten | class_token | spatial.
        before_activation: Take what goes into the layer's nonlinearity.
        l2_normalize: Scale codes to length 1.
        power: Signed power, in (0, 1], after the normalisation.
        augmented_copies: K >= 1; above 1, codes are the mean over K copies
            augmented as `data.augment` says.
        executor: Runs the network elsewhere; None = in this process.
        console: For progress; None is quiet.

    Raises:
        InputError: For unusable input.
        GateError: If an executor's job fails, or finds too many bad images.
    """
    if not 0 < power <= 1:
        raise InputError(
            f"--power={power} is out of range; expected above 0 and at most 1."
        )
    place = CodePlace(layer, pooling, before_activation, augmented_copies)
    dataset, prefix = _open(config, place, executor, console)

    def transform(codes: Any) -> Any:
        if l2_normalize:
            shape = codes.shape
            codes = normalize(codes.reshape(len(codes), -1)).reshape(shape)
        return codes if power == 1 else signed_power(codes, power)

    return compute_code_table(dataset, prefix, transform=transform)


def fill_store(
    config: ConfigDict,
    directory: str,
    place: CodePlace,
    *,
    executor: Executor | None = None,
    console: Console | None = None,
) -> int:
    """Computes codes into a folder, for `features.store` of later commands.

    Args:
        config: As for `compute_codes`.
        directory: Of the store.
        place: Of the codes; each augmented copy has a row.
        executor: As for `compute_codes`.
        console: Likewise.

    Returns:
        Number of images that have codes.

    Raises:
        InputError: For unusable input.
        GateError: As `compute_codes`.
    """
    config = copy.deepcopy(config)
    stated = config.features.store
    if stated and Path(stated) != Path(directory):
        raise InputError(
            f"--output='{directory}' and --config.features.store='{stated}' "
            "name different folders; expected one of them: remove the other."
        )
    config.features.store = directory
    dataset, prefix = _open(config, place, executor, console)
    require_room(prefix, dataset.splits, prefix.views)
    for name, split in dataset.splits.items():
        rows = prefix.activations(split, prefix.views, what=f"codes of {name}")
        if rows.cache is None:
            raise InputError(
                f"The folder '{directory}' cannot take the codes; expected a "
                "disk with room that can be written: free some, or choose "
                "another --output, and start the same command again."
            )
    return sum(map(len, dataset.splits.values()))


def _open(
    config: ConfigDict,
    place: CodePlace,
    executor: Executor | None,
    console: Console | None,
) -> tuple[Dataset, FrozenPrefix]:
    """Opens a config's data and network, and lets an executor fill the store.

    Returns:
        The data without the images that have no codes, and the network.

    Raises:
        InputError: For unusable input.
        GateError: If the job fails, or finds too many bad images.
    """
    if place.augmented_copies < 1:
        raise InputError(
            f"--augmented_copies={place.augmented_copies} is out of range; "
            "expected at least 1."
        )
    if executor and place.augmented_copies > 1:
        raise InputError(
            f"--augmented_copies={place.augmented_copies} is computed in one "
            "process only; expected 1 with --processes or "
            "--beam_pipeline_options: leave one of them away."
        )
    console = console or Console(quiet=True)
    validate(config)
    set_up_model(config)
    dataset = load_configured(config, console=console)
    prefix = build_code_prefix(config, dataset, place, console)
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

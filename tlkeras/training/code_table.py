"""CNN codes of a config's data, for other programs."""

import copy
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.errors import InputError
from tlkeras.features.code_place import CodePlace
from tlkeras.features.code_transforms import l2_normalize as normalize
from tlkeras.features.code_transforms import signed_power
from tlkeras.features.executors import Executor
from tlkeras.features.extraction import require_room
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.features.table import CodeTable, compute_code_table
from tlkeras.training.code_opening import open_codes


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
    """Checks what is asked for, and opens it as `open_codes` does."""
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
    validate(config)
    return open_codes(config, place, executor, console or Console(quiet=True))

"""What codes of a config's data will cost, measured on a few of its images."""

import time

import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import (
    Dataset,
    Example,
    Ledger,
    count_labels,
    make_split,
)
from tlkeras.data.definition import configured_definition
from tlkeras.data.scan import scan
from tlkeras.data.sources import list_examples
from tlkeras.features.code_place import CodePlace
from tlkeras.features.cost_measurement import measure_costs
from tlkeras.features.cost_model import CostModel
from tlkeras.training.build import set_up_model
from tlkeras.training.code_prefix import build_code_prefix

SAMPLE = 512  # images; less than a minute of one core for most networks


def estimate_costs(
    config: ConfigDict,
    place: CodePlace,
    *,
    console: Console | None = None,
) -> tuple[CostModel, int]:
    """Measures what the codes of a config's data take.

    Some images, spread over the source, go through one worker as those of a
    job do; nothing of them is kept.

    Args:
        config: As for `code_table.compute_codes`.
        place: Of the codes.
        console: For progress; None is quiet.

    Returns:
        The model, and the number of images that the source lists.

    Raises:
        InputError: For unusable input.
    """
    console = console or Console(quiet=True)
    set_up_model(config)
    listed = [
        example
        for example in list_examples(
            config.data.source,
            tfds_data_dir=config.data.tfds_data_dir,
            tfds_splits=config.data.tfds_splits,
        )
        if not example.problem
    ]
    chosen = np.linspace(0, len(listed) - 1, min(SAMPLE, len(listed)))
    begun = time.process_time()
    found, ledger = scan(
        [listed[row] for row in chosen.astype(int)],
        on_bad_image=config.data.on_bad_image,
        num_workers=1,
        max_pixels=config.data.max_pixels,
    )
    scan_seconds = (time.process_time() - begun) / ledger.num_files
    dataset = _as_dataset(config, found, ledger)
    prefix = build_code_prefix(config, dataset, place, console)
    model = measure_costs(prefix, dataset.splits["train"], scan_seconds)
    return model, len(listed)


def _as_dataset(
    config: ConfigDict, examples: list[Example], ledger: Ledger
) -> Dataset:
    class_names = tuple(sorted(count_labels(examples)))
    split = make_split(examples, class_names, configured_definition(config))
    return Dataset(
        source=config.data.source,
        class_names=class_names,
        multi_label=any(len(e.labels) > 1 for e in examples),
        splits={"train": split},
        ledger=ledger,
    )

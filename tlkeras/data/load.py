"""From the name of a source to a `Dataset`: list, scan, split."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.data import splits
from tlkeras.data.builtin import BUILTINS, list_builtin
from tlkeras.data.dataset import (
    SPLITS,
    Dataset,
    Example,
    count_labels,
    make_split,
)
from tlkeras.data.definition import (
    CURRENT,
    ImageDefinition,
    configured_definition,
)
from tlkeras.data.folder import list_folder
from tlkeras.data.manifest import list_manifest
from tlkeras.data.scan import scan
from tlkeras.data.tfds_source import list_tfds
from tlkeras.errors import InputError

TFDS_PREFIX = "tfds:"
MANIFEST_SUFFIXES = (".csv", ".parquet")


def list_examples(
    source: str, *, tfds_data_dir: str, tfds_splits: Sequence[str]
) -> list[Example]:
    """Lists a source of any kind: folder, manifest, TFDS or built-in.

    Raises:
        InputError: If the source is missing, empty or malformed.
    """
    if not source:
        raise InputError(
            "No data source is given; expected a folder, a .csv or .parquet "
            f"manifest, tfds:NAME, or one of {', '.join(BUILTINS)}: pass "
            "--data=SOURCE."
        )
    if source in BUILTINS:
        return list_builtin(source)
    if source.startswith(TFDS_PREFIX):
        return list_tfds(
            source.removeprefix(TFDS_PREFIX),
            data_dir=tfds_data_dir,
            split_names=tfds_splits,
        )
    if Path(source).suffix.lower() in MANIFEST_SUFFIXES:
        return list_manifest(Path(source))
    return list_folder(Path(source))


def load_dataset(
    source: str,
    *,
    split: Sequence[float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    split_file: str = "",
    images_per_class: int | None = None,
    on_bad_image: str = "skip",
    tfds_data_dir: str = "",
    tfds_splits: Sequence[str] = SPLITS,
    num_workers: int | None = None,
    definition: ImageDefinition = CURRENT,
) -> Dataset:
    """Lists, scans and splits a source of labelled images.

    Args:
        source: Folder of class folders, manifest, `tfds:NAME` or built-in.
        split: Shares of train, validation and test, where the source has none.
        split_seed: Seed of that division and of few-shot subsets.
        split_file: `split.csv` whose division is taken over; images that it
            does not name are divided as without it.
        images_per_class: Training images to keep of each class; None = all.
        on_bad_image: `skip` or `fail`.
        tfds_data_dir: Where TFDS keeps its data; "" = its own default.
        tfds_splits: TFDS split expressions for train, validation, test.
        num_workers: Threads that read files; None = one per core.
        definition: What the pixels of an image are.

    Returns:
        A `Dataset` with the splits that have images.

    Raises:
        InputError: If the source is unusable; the message says how to fix it.

    Example:
    >>> dataset = load_dataset("digits", images_per_class=10)
    >>> len(dataset.splits["train"]), dataset.num_classes
    (100, 10)
    """
    listed = list_examples(
        source, tfds_data_dir=tfds_data_dir, tfds_splits=tfds_splits
    )
    found, ledger = scan(
        listed,
        on_bad_image=on_bad_image,
        num_workers=num_workers or os.cpu_count() or 1,
        max_pixels=definition.max_pixels,
    )
    stated = {example.split for example in found}
    memory = splits.remembered_moves_path(source, split_seed, split)
    decided: dict[str, str] = {}
    moved_before: dict[str, str] = {}
    if split_file:
        decided = _read_decided(Path(split_file))
        found = [
            replace(e, split=decided.get(e.digest, e.split)) for e in found
        ]
    else:
        moved_before = splits.read_split_file(memory, moved_only=True)
    placed, moved = splits.assign_splits(
        found,
        stated=stated,
        decided=decided.keys(),
        fractions=split,
        seed=split_seed,
        moved_before=moved_before,
    )
    ledger.moved = [(e.path, e.split or "") for e in moved]
    if moved and not split_file:
        splits.remember_moves(memory, moved)
    splits.require_trainable(placed, source)
    if images_per_class is not None:
        placed = splits.take_few(
            placed, images_per_class=images_per_class, seed=split_seed
        )
    class_names = tuple(sorted(count_labels(placed)))
    members = {name: [e for e in placed if e.split == name] for name in SPLITS}
    return Dataset(
        source=source,
        class_names=class_names,
        multi_label=any(len(e.labels) > 1 for e in placed),
        splits={
            name: make_split(examples, class_names, definition)
            for name, examples in members.items()
            if examples
        },
        ledger=ledger,
    )


def load_configured(
    config: ConfigDict, directory: Path | None = None
) -> Dataset:
    """Loads the data of a run: as its config says, in the splits it has.

    Args:
        config: Of the run.
        directory: Of the run; its `split.csv`, once there, is honoured. None:
            there is no run.

    Raises:
        InputError: As `load_dataset`.
    """
    data = config.data
    split_file = data.split_file
    if directory and (directory / workdir.SPLIT).exists():
        split_file = str(directory / workdir.SPLIT)
    return load_dataset(
        data.source,
        split=data.split,
        split_seed=data.split_seed,
        split_file=split_file,
        images_per_class=data.images_per_class,
        on_bad_image=data.on_bad_image,
        tfds_data_dir=data.tfds_data_dir,
        tfds_splits=data.tfds_splits,
        num_workers=config.runtime.num_workers,
        definition=configured_definition(config),
    )


def _read_decided(path: Path) -> dict[str, str]:
    """Reads where a split file puts each digest."""
    if not path.is_file():
        raise InputError(
            f"The split file '{path}' does not exist; expected the split.csv "
            "of a run: check --config.data.split_file."
        )
    return splits.read_split_file(path, moved_only=False)


def write_run_split(path: Path, dataset: Dataset) -> None:
    """Writes a run's `split.csv` from its data set."""
    moved = dict(dataset.ledger.moved)
    workdir.write_table(
        path,
        splits.SPLIT_COLUMNS,
        (
            {
                "digest": digest,
                "path": file,
                "split": name,
                "moved": int(file in moved),
            }
            for name, members in dataset.splits.items()
            for file, digest in zip(members.paths, members.digests, strict=True)
        ),
    )

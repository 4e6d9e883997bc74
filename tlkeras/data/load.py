"""From the name of a source to a `Dataset`: list, scan, split."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data import splits
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
from tlkeras.data.empty_classes import settle_empty_classes
from tlkeras.data.groups import (
    require_divisible,
    require_whole,
    set_groups,
)
from tlkeras.data.review import follow_review
from tlkeras.data.scan import scan
from tlkeras.data.scan_memory import memory_file
from tlkeras.data.sources import list_examples
from tlkeras.data.split_memory import (
    find_changed,
    memory_path,
    recall_moves,
    remember_moves,
)


def load_dataset(
    source: str,
    *,
    split: Sequence[float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    split_file: str = "",
    review_file: str = "",
    split_memory: bool = True,
    group_by: str = "",
    images_per_class: int | None = None,
    on_bad_image: str = "skip",
    on_empty_class: str = "fail",
    tfds_data_dir: str = "",
    tfds_splits: Sequence[str] = SPLITS,
    num_workers: int | None = None,
    definition: ImageDefinition = CURRENT,
    console: Console | None = None,
) -> Dataset:
    """Lists, scans and splits a source of labelled images.

    Args:
        source: Folder of class folders or manifest, local or at an address,
            `tfds:NAME` or built-in.
        split: Shares of train, validation and test, where the source has none.
        split_seed: Seed of that division and of few-shot subsets.
        split_file: `split.csv` whose division is taken over; images that it
            does not name are divided as without it.
        review_file: `review.csv` whose decisions are honoured; "" = none.
        split_memory: Whether files that an earlier run on the same source
            moved stay there, and what this one moves is kept for later ones;
            a split file does without.
        group_by: Regular expression that names the group in a path; images of
            a group lie in one split. "" = the manifest's column `group`, if
            it has one.
        images_per_class: Training images to keep of each class; None = all.
        on_bad_image: `skip` or `fail`.
        on_empty_class: `fail` or `drop`, where a class has no usable image.
        tfds_data_dir: Where TFDS keeps its data; "" = its own default.
        tfds_splits: TFDS split expressions for train, validation, test.
        num_workers: Threads that read files; None = one per core.
        definition: What the pixels of an image are.
        console: For sizes, and the progress of the scan; None is quiet.

    Returns:
        A `Dataset` with the splits that have images.

    Raises:
        InputError: If the source is unusable; the message says how to fix it.

    Example:
    >>> dataset = load_dataset("digits", images_per_class=10)
    >>> len(dataset.splits["train"]), dataset.num_classes
    (100, 10)
    """
    listed = set_groups(
        list_examples(
            source,
            tfds_data_dir=tfds_data_dir,
            tfds_splits=tfds_splits,
            console=console,
        ),
        group_by,
    )
    found, ledger = scan(
        listed,
        on_bad_image=on_bad_image,
        num_workers=num_workers or os.cpu_count() or 1,
        max_pixels=definition.max_pixels,
        memory=memory_file(source, definition.max_pixels),
        console=console,
    )
    if review_file:
        found = follow_review(found, Path(review_file), ledger)
    settle_empty_classes(listed, found, ledger, on_empty_class=on_empty_class)
    require_divisible(found)
    assign = functools.partial(
        splits.assign_splits,
        stated={example.split for example in found},
        decided=frozenset(),
        fractions=split,
        seed=split_seed,
        moved_before={},
    )
    if split_file:
        placed, moved = splits.follow_split_file(
            found, Path(split_file), assign
        )
    elif split_memory:
        memory = memory_path(source, split_seed, split)
        placed, moved, ledger.remembered = _follow_memory(found, memory, assign)
    else:
        placed, moved = assign(found)
    ledger.moved = [(e.path, e.split or "") for e in moved]
    require_whole(placed)
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


def _follow_memory(
    found: list[Example], memory: Path, assign: splits.Assign
) -> tuple[list[Example], list[Example], list[tuple[str, str]]]:
    """Divides as earlier runs did, and adds to their memory.

    Returns:
        All examples, those moved, and what the memory changed.
    """
    before = recall_moves(memory)
    placed, moved = assign(found, moved_before=before)
    changed = find_changed(placed, assign(found)[0]) if before else []
    if moved:
        remember_moves(memory, moved)
    return placed, moved, changed


def load_configured(
    config: ConfigDict,
    directory: Path | None = None,
    console: Console | None = None,
) -> Dataset:
    """Loads the data of a run: as its config says, in the splits it has.

    Args:
        config: Of the run.
        directory: Of the run; its `split.csv` and `reviewed.csv`, once there,
            are honoured. None: there is no run.
        console: For sizes, and the progress of the scan; None is quiet.

    Raises:
        InputError: As `load_dataset`.
    """
    data = config.data
    split_file, on_empty_class = data.split_file, data.on_empty_class
    if directory and (directory / workdir.SPLIT).exists():
        split_file = str(directory / workdir.SPLIT)
        on_empty_class = "drop"  # which it did was settled when it began
    review_file = data.review_file
    if directory and (directory / workdir.REVIEWED).exists():
        review_file = str(directory / workdir.REVIEWED)
    return load_dataset(
        data.source,
        split=data.split,
        split_seed=data.split_seed,
        split_file=split_file,
        review_file=review_file,
        split_memory=data.split_memory,
        group_by=data.group_by,
        images_per_class=data.images_per_class,
        on_bad_image=data.on_bad_image,
        on_empty_class=on_empty_class,
        tfds_data_dir=data.tfds_data_dir,
        tfds_splits=data.tfds_splits,
        num_workers=config.runtime.num_workers,
        definition=configured_definition(config),
        console=console,
    )


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

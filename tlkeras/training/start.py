"""A run before its first phase: its data and its network."""

import os
import shutil
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Dataset
from tlkeras.data.load import load_configured, write_run_split
from tlkeras.training.batch_parts import require_divisible
from tlkeras.training.build import (
    build_from_config,
    require_fitting_head,
    require_fitting_teachers,
    resolve_phases,
    set_up_model,
)
from tlkeras.training.context import RunContext
from tlkeras.training.history import open_history
from tlkeras.training.keepsakes import first_kernel
from tlkeras.training.one_device import ONE, Distribution
from tlkeras.training.phases import read_phases
from tlkeras.training.state import Checkpoints

# A data set in place of what the config's source holds, or not.
GivenData = Dataset | None
MAX_LINES = 20  # of files left out; the ledger names all


def start_run(
    config: ConfigDict,
    directory: Path,
    console: Console,
    dataset: GivenData = None,
    distribution: Distribution = ONE,
) -> RunContext:
    """Loads the data and builds the network of a run.

    Args:
        config: Of the run.
        directory: From `open_run`.
        console: Told about the data.
        dataset: In place of what the config's source holds.
        distribution: From `open_shared_run`.

    Raises:
        InputError: For unusable data, or a config that does not suit it.
    """
    policy = set_up_model(config)
    dataset = load_data(config, directory, console, dataset)
    return build_run(config, directory, dataset, policy, console, distribution)


def load_data(
    config: ConfigDict,
    directory: Path,
    console: Console,
    dataset: GivenData = None,
) -> Dataset:
    """Loads the data set, and writes the ledger and the split of the run.

    Args:
        config: Of the run.
        directory: Of the run.
        console: Told about the data.
        dataset: That is loaded already; None = as the config says.

    Raises:
        InputError: If the run was begun on other data; nothing is written.
    """
    _keep_review(config, directory)
    dataset = dataset or load_configured(config, directory, console)
    Checkpoints(
        directory / workdir.CHECKPOINTS, {"data": dataset.fingerprint}
    ).require_same()
    ledger = dataset.ledger
    counts = ", ".join(f"{n} {len(s)}" for n, s in dataset.splits.items())
    console.line(
        f"{config.data.source}: {dataset.num_classes} classes, {counts}; "
        f"{len(ledger.left_out)} of {ledger.num_files} files left out"
    )
    for left_out in ledger.left_out[:MAX_LINES]:
        console.line(f"  left out {left_out.path}: {left_out.reason}")
    if (more := len(ledger.left_out) - MAX_LINES) > 0:
        console.line(f"  left out {more} more: {directory / workdir.LEDGER}")
    for name in ledger.dropped_classes:
        console.line(f"  dropped the class '{name}': no usable image")
    for path, given, label in ledger.relabelled[:MAX_LINES]:
        console.line(f"  relabelled {path}: {given} -> {label}")
    if (more := len(ledger.relabelled) - MAX_LINES) > 0:
        console.line(f"  relabelled {more} more: {directory / workdir.LEDGER}")
    for path, split in ledger.moved:
        console.line(f"  moved {path} to {split}: its class had none there")
    if memory := ledger.describe_memory():
        console.line(f"  {memory}")
    if ledger.num_with_orientation:
        is_upright = dataset.definition.is_upright
        console.line(
            f"  {ledger.num_with_orientation} files carry an EXIF orientation, "
            f"which is {'' if is_upright else 'not '}applied"
        )
    workdir.write_json(
        directory / workdir.LEDGER,
        {**ledger.as_dict(), "class_counts": dataset.class_counts()},
    )
    write_run_split(directory / workdir.SPLIT, dataset)
    return dataset


def _keep_review(config: ConfigDict, directory: Path) -> None:
    """Copies the review file that a run honours: whoever made it goes on."""
    kept = directory / workdir.REVIEWED
    given = Path(config.data.review_file)
    if not config.data.review_file or kept.exists() or not given.is_file():
        return
    with workdir.replacing(kept) as temporary:
        shutil.copyfile(given, temporary)


def build_run(
    config: ConfigDict,
    directory: Path,
    dataset: Dataset,
    policy: str,
    console: Console,
    distribution: Distribution = ONE,
) -> RunContext:
    """Builds a run with fresh weights, whatever its directory holds.

    Args:
        config: Validated.
        directory: Of the run.
        dataset: From `load_data`.
        policy: From `build.set_up_model`.
        console: For people.
        distribution: Devices on which phases are fitted.

    Raises:
        InputError: For a phase that cannot be on this network or these devices,
            or a teacher that cannot teach it.
    """
    require_fitting_head(config, dataset)
    require_fitting_teachers(config, dataset)
    classifier = distribution.outside(
        build_from_config(config, dataset, distribution.scope())
    )
    if classifier.origin:
        console.line(classifier.origin)
    num_images = len(dataset.splits["train"])
    phases = resolve_phases(read_phases(config.phases, num_images), classifier)
    require_divisible(phases, num_images, distribution.num_replicas)
    return RunContext(
        config=config,
        directory=directory,
        dataset=dataset,
        classifier=classifier,
        phases=phases,
        precision=policy,
        num_workers=config.runtime.num_workers or os.cpu_count() or 1,
        console=console,
        history=open_history(
            config,
            directory,
            phases,
            backbone=classifier.backbone,
            multi_label=classifier.head.multi_label,
        ),
        checkpoints=Checkpoints(
            directory / workdir.CHECKPOINTS,
            {"data": dataset.fingerprint, "precision": policy},
        ),
        # A resumed run has the same: it is built from the same weights.
        first_kernel=first_kernel(classifier.backbone),
        distribution=distribution,
    )

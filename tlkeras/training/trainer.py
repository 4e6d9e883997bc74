"""The spine of a run: from a config to a trained, evaluated run directory."""

import dataclasses
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras import devices, workdir
from tlkeras.config.run_directory import open_run_directory
from tlkeras.config.validate import validate
from tlkeras.console import Console, log_to_file
from tlkeras.data.dataset import Dataset
from tlkeras.data.definition import configured_definition
from tlkeras.data.load import load_configured, write_run_split
from tlkeras.data.means import compute_training_mean
from tlkeras.errors import InputError
from tlkeras.evaluation.metrics import compare_paired, primary_metric
from tlkeras.models.backbones import BACKBONES, check_image_size
from tlkeras.models.classifier import Classifier, build_classifier, freeze
from tlkeras.tables import lookup
from tlkeras.training.context import RunContext
from tlkeras.training.first_checks import run_first_checks
from tlkeras.training.fit import run_fit_phase
from tlkeras.training.history import History, history_columns
from tlkeras.training.keepsakes import first_kernel
from tlkeras.training.outcome import write_result
from tlkeras.training.phases import (
    Phase,
    build_groups,
    read_phases,
    resolve_method,
)
from tlkeras.training.solve import run_solve_phase
from tlkeras.training.state import Checkpoints, PhaseOutcome, Progress


def train_and_evaluate(
    config: ConfigDict, directory: Path | str, *, console: Console | None = None
) -> dict[str, Any]:
    """Trains a classifier as a config says, or goes on where a run stopped.

    Args:
        config: From `tlkeras.config.get_config()`, with changes.
        directory: The run directory; created, continued, or, when it is
            finished, only read.
        console: For progress; None is quiet.

    Returns:
        What `result.json` holds: see the README for its keys.

    Raises:
        InputError: For unusable input, data or a directory of another config.
        GateError: If a check fails.
    """
    console = console or Console(quiet=True)
    validate(config)
    directory = open_run_directory(Path(directory), config)
    if (directory / workdir.RESULT).exists():
        return workdir.read_json(directory / workdir.RESULT)
    handler = log_to_file(directory / workdir.LOG)
    try:
        policy = set_up_model(config)
        dataset = load_data(config, directory, console)
        run = start_run(config, directory, dataset, policy, console)
        console.line(f"precision {policy}, {run.num_workers} workers")
        run_first_checks(run)
        for phase in remaining_phases(run):
            run_phase(phase, run)
        choose_weights(run)
        return write_result(run)
    finally:
        console.stop()
        logging.getLogger("tlkeras").removeHandler(handler)
        handler.close()


def set_up_model(config: ConfigDict) -> str:
    """Refuses an unknown backbone or size, then seeds and sets the policy.

    Before any file is read. What computes with a config's model calls it
    first, so that the same config gives the same numbers, and hits the same
    cache, whichever command asks.

    Returns:
        The resolved precision policy, e.g. `float32`.

    Raises:
        InputError: For an unknown backbone or an impossible size.
    """
    check_backbone(config)
    return devices.set_up_runtime(
        seed=config.seed,
        precision=config.runtime.precision,
        deterministic=config.runtime.deterministic,
    )


def check_backbone(config: ConfigDict) -> None:
    """Makes sure that a config names a backbone, and a size that it takes.

    Raises:
        InputError: For an unknown backbone or an impossible size.
    """
    spec = lookup(BACKBONES, config.model.backbone, what="backbone")
    check_image_size(spec, config.model.image_size or spec.default_size)


def load_data(config: ConfigDict, directory: Path, console: Console) -> Dataset:
    """Loads the data set, and writes the ledger and the split of the run.

    Raises:
        InputError: If the run was begun on other data; nothing is written.
    """
    dataset = load_configured(config, directory)
    Checkpoints(
        directory / workdir.CHECKPOINTS, {"data": dataset.fingerprint}
    ).require_same()
    ledger = dataset.ledger
    counts = ", ".join(f"{n} {len(s)}" for n, s in dataset.splits.items())
    console.line(
        f"{config.data.source}: {dataset.num_classes} classes, {counts}; "
        f"{len(ledger.left_out)} of {ledger.num_files} files left out"
    )
    for left_out in ledger.left_out:
        console.line(f"  left out {left_out.path}: {left_out.reason}")
    for path, split in ledger.moved:
        console.line(f"  moved {path} to {split}: its class had none there")
    if ledger.num_with_orientation:
        is_upright = configured_definition(config).is_upright
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


def start_run(
    config: ConfigDict,
    directory: Path,
    dataset: Dataset,
    policy: str,
    console: Console,
) -> RunContext:
    """Builds the classifier and restores what was committed before."""
    run = build_run(config, directory, dataset, policy, console)
    run.progress, run.slots = run.checkpoints.load(run.classifier.model)
    committed = dict.fromkeys(
        (o.phase for o in run.progress.outcomes), math.inf
    )
    for phase in remaining_phases(run)[:1]:
        committed[phase.name] = run.progress.epoch
    run.history.cut_back(committed)
    return run


def build_run(
    config: ConfigDict,
    directory: Path,
    dataset: Dataset,
    policy: str,
    console: Console,
) -> RunContext:
    """Builds a run that begins, whatever its directory holds.

    Every phase's cutoff, groups and method are tried on the network, so that a
    mistyped layer ends the run before the first phase, not before the last.
    """
    require_fitting_head(config, dataset)
    num_workers = config.runtime.num_workers or os.cpu_count() or 1
    classifier = build_from_config(config, dataset, num_workers)
    phases = read_phases(config.phases)
    names = dict.fromkeys(name for p in phases for name in p.groups)
    if any(phase.layer_decay is not None for phase in phases):
        names |= dict.fromkeys(f"stage{number}" for number in range(7))
    try_phases(phases, classifier)
    return RunContext(
        config=config,
        directory=directory,
        dataset=dataset,
        classifier=classifier,
        num_workers=num_workers,
        console=console,
        history=History(
            directory / workdir.HISTORY,
            history_columns(
                primary_metric(classifier.head.loss == "binary"), list(names)
            ),
            directory / workdir.TENSORBOARD
            if config.runtime.tensorboard
            else None,
        ),
        checkpoints=Checkpoints(
            directory / workdir.CHECKPOINTS,
            {"data": dataset.fingerprint, "precision": policy},
        ),
        # A resumed run has the same: it is built from the same weights.
        first_kernel=first_kernel(classifier.backbone),
    )


def require_fitting_head(config: ConfigDict, dataset: Dataset) -> None:
    """Makes sure that the head can learn a data set's labels.

    Raises:
        InputError: If images carry several labels and the head takes one.
    """
    if dataset.multi_label and config.model.head != "multi_label":
        raise InputError(
            f"'{config.data.source}' gives some images several labels; "
            f"expected one each for model.head='{config.model.head}': set "
            "--config.model.head=multi_label."
        )


def try_phases(phases: Sequence[Phase], classifier: Classifier) -> None:
    """Tries every phase's cutoff, groups and method on a network.

    Raises:
        InputError: For a layer that it lacks, a group without layers, or a
            phase that cannot be solved.
    """
    for phase in phases:
        freeze(
            classifier,
            trainable_from=phase.trainable_from,
            batch_norm=phase.batch_norm,
        )
        if resolve_method(phase, classifier) == "fit":
            build_groups(phase, classifier)


def build_from_config(
    config: ConfigDict, dataset: Dataset, num_workers: int
) -> Classifier:
    """Builds the classifier that a config describes."""
    settings = config.model.to_dict()
    spec = lookup(BACKBONES, settings["backbone"], what="backbone")
    mean, std = compute_training_mean(
        dataset.splits["train"],
        kind=config.data.mean,
        divide_by_std=config.data.divide_by_std,
        image_size=settings["image_size"] or spec.default_size,
        num_workers=num_workers,
    )
    return build_classifier(
        settings.pop("backbone"),
        class_names=dataset.class_names,
        mean=mean,
        std=std,
        seed=config.seed,
        **settings,
    )


def remaining_phases(run: RunContext) -> list[Phase]:
    """Returns the phases that are not finished yet."""
    done = {outcome.phase for outcome in run.progress.outcomes}
    return [p for p in read_phases(run.config.phases) if p.name not in done]


def run_phase(phase: Phase, run: RunContext) -> None:
    """Runs one phase, decides whether its weights stay, and commits that."""
    method = resolve_method(phase, run.classifier)
    run.frozen = None
    outcome = (run_solve_phase if method == "solve" else run_fit_phase)(
        phase, run
    )
    decide(outcome, run)
    if not outcome.kept:
        # They belong to weights that are given up.
        run.slots, run.frozen = {}, None
    kept_before = run.progress.kept
    kept = outcome if outcome.kept or kept_before is None else kept_before
    run.checkpoints.load_weights(run.classifier.model, kept.best.file)
    run.progress = Progress(
        outcomes=[*run.progress.outcomes, outcome],
        timings={
            **run.progress.timings,
            f"seconds/{phase.name}": round(outcome.seconds, 3),
        },
        total_seconds=run.progress.total_seconds,
        learning_rates=run.progress.learning_rates,
    )
    run.commit()


def decide(outcome: PhaseOutcome, run: RunContext) -> None:
    """Keeps a phase's weights if they are better by a paired comparison."""
    before = run.progress.kept
    if before is None:
        outcome.kept = True
        return
    evaluation = run.config.evaluation
    comparison = compare_paired(
        np.array(before.best.scores),
        np.array(outcome.best.scores),
        num_samples=evaluation.bootstrap_samples,
    )
    outcome.comparison = {
        "against": before.phase,
        "score": (
            "ranking average precision of an image"
            if run.multi_label
            else "top-1 accuracy"
        ),
        **dataclasses.asdict(comparison),
    }
    outcome.kept = comparison.p_value <= evaluation.replace_p_value
    low, high = comparison.interval
    run.console.line(
        f"{outcome.phase} against {before.phase} on validation: "
        f"{comparison.difference:+.4f} [{low:+.4f}, {high:+.4f}], "
        f"{comparison.num_better} better, {comparison.num_worse} worse, "
        f"p {comparison.p_value:.3f}: "
        f"{outcome.phase if outcome.kept else before.phase} is kept"
    )


def choose_weights(run: RunContext) -> None:
    """Puts the best weights over all phases into the model and saves it."""
    kept = run.progress.kept
    assert kept is not None
    run.checkpoints.load_weights(run.classifier.model, kept.best.file)
    model = run.classifier.model
    # Without the compiled state: the file is for inference and transfer.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with workdir.replacing(run.directory / workdir.MODEL) as temporary:
        bare.save(temporary)

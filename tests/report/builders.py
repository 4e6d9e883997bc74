"""Writes run directories without training, by the code of real runs."""

import json

import numpy as np

from tlkeras import workdir
from tlkeras.config import get_config
from tlkeras.config.run_directory import ABOUT, FORMAT_VERSION
from tlkeras.data.dataset import Split
from tlkeras.devices import installed_versions
from tlkeras.evaluation.evaluate import evaluate_split
from tlkeras.evaluation.phase_details import (
    GroupRow,
    PhaseComparison,
    PhaseDetails,
)
from tlkeras.evaluation.records import PhaseRecord, RunResult, SplitScore
from tlkeras.optim.losses import LOSSES
from tlkeras.training.history import history_columns

GROUPS = ("head", "lower", "upper")


def make_split(num_images, class_names, *, multi_label, paths, seed):
    """Random labels; the paths go round."""
    rng = np.random.default_rng(seed)
    targets = np.eye(len(class_names), dtype=np.float32)
    targets = targets[rng.integers(len(class_names), size=num_images)]
    if multi_label:
        targets = np.maximum(targets, rng.random(targets.shape) < 0.2)
    chosen = tuple(str(paths[i % len(paths)]) for i in range(num_images))
    return Split(chosen, targets.astype(np.float32), chosen)


def make_phases(metric, stopped):
    """A probe that is kept, and fine-tuning that is not."""
    probe = PhaseRecord(
        phase="linear_probe",
        kept=True,
        best_epoch=1,
        metrics={metric: 0.6, "loss": 1.0},
        seconds=1.0,
        details=PhaseDetails(l2=10.0, tried=((10.0, 0.6),)),
    )
    tuned = PhaseRecord(
        phase="fine_tune",
        best_epoch=1,
        metrics={metric: 0.5, "loss": 2.0},
        stopped=stopped,
        seconds=1.0,
        comparison=PhaseComparison(
            against="linear_probe",
            difference=-0.1,
            interval=(-0.2, 0.1),
            p_value=0.9,
            num_better=1,
            num_worse=4,
        ),
        details=PhaseDetails(
            layer_groups=tuple(
                GroupRow(
                    group=group,
                    first_layer=f"{group}_first",
                    last_layer=f"{group}_last",
                    layers=2,
                    variables=2,
                    parameters=100,
                    optimizer="adamw",
                    learning_rate=1e-3,
                )
                for group in GROUPS
            )
        ),
    )
    return probe, tuned


def write_run(
    directory,
    class_names=("china", "flower"),
    *,
    paths=("/absent/a.jpg",),
    num_images=60,
    multi_label=False,
    with_test=True,
    epochs=3,
    stopped="",
    losses=None,
    with_history=True,
    changes=None,
):
    """Writes the files of a finished run; the model gets most answers right."""
    directory.mkdir(parents=True)
    loss = "binary" if multi_label else "softmax"
    metric = "mean_average_precision" if multi_label else "top_1_accuracy"
    config = get_config()
    config.data.source = "/photos/my photos"
    config.phases.fine_tune.epochs = epochs
    config.update_from_flattened_dict(changes or {})
    about = dict(zip(ABOUT, (FORMAT_VERSION, "0" * 8), strict=True))
    workdir.write_json(
        directory / workdir.CONFIG,
        {**json.loads(config.to_json_best_effort()), **about},
    )
    rng = np.random.default_rng(0)
    splits = ("validation", "test")[: 1 + with_test]
    counts = {"train": dict.fromkeys(class_names, 20)}
    scores = {}
    for seed, split in enumerate(splits):
        examples = make_split(
            num_images,
            class_names,
            multi_label=multi_label,
            paths=paths,
            seed=seed,
        )
        logits = 1.5 * examples.targets + rng.normal(
            size=examples.targets.shape
        )
        metrics = evaluate_split(
            directory,
            split,
            examples,
            lambda logits=logits: logits.astype(np.float32),
            loss=LOSSES[loss],
            class_names=class_names,
            bootstrap_samples=100,
            calibration_bins=10,
            command="train",
        )
        prefix = "val" if split == "validation" else split
        scores[prefix] = SplitScore(
            metrics[metric], metrics["loss"], metrics["num_examples"]
        )
        totals = examples.targets.sum(0).astype(int).tolist()
        counts[split] = dict(zip(class_names, totals, strict=True))
        if split == "validation":
            codes = np.repeat(examples.targets, 4, axis=1)
            codes += rng.normal(scale=0.2, size=codes.shape)
            names = np.array(class_names)
            labels = ["|".join(names[row > 0]) for row in examples.targets]
            np.savez(
                directory / workdir.CODES,
                codes=codes.astype(np.float16),
                labels=np.array(labels),
            )
    phases = [("linear_probe", 1), ("fine_tune", epochs)]
    losses = losses or [1.0 / (i + 1) for i in range(max(epochs, 1))]
    rows = [
        {
            "phase": phase,
            "epoch": epoch,
            "step": epoch,
            "train/loss": losses[epoch - 1],
            f"train/{metric}": 0.7,
            "val/loss": losses[epoch - 1],
            f"val/{metric}": 0.6,
            **(
                {f"learning_rate/{group}": 1e-3 for group in GROUPS}
                if phase == "fine_tune"
                else {}
            ),
            "seconds": 1.0,
        }
        for phase, count in phases
        for epoch in range(1, count + 1)
    ]
    if with_history:
        columns = history_columns(metric, GROUPS)
        workdir.write_table(directory / workdir.HISTORY, columns, rows)
    kernel = rng.normal(size=(3, 3, 3, 8)).astype(np.float32)
    np.savez(
        directory / workdir.FILTERS, before=kernel, after=kernel + np.float32(1)
    )
    result = RunResult(
        class_names=tuple(class_names),
        multi_label=multi_label,
        image_size=32,
        loss=loss,
        num_parameters=1000,
        trainable_parameters=500,
        scores=scores,
        seconds={"total": 3.0},
        best_phase="linear_probe",
        best_epoch=1,
        phases=make_phases(metric, stopped)[: 2 if epochs else 1],
        versions=installed_versions(),
    )
    workdir.write_json(directory / workdir.RESULT, result.as_dict())
    workdir.write_json(
        directory / workdir.LEDGER,
        {
            "num_files": 100,
            "left_out": [],
            "moved": [],
            "num_with_orientation": 0,
            "class_counts": counts,
        },
    )
    return directory

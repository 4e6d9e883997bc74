"""Linear classifiers at every depth of a backbone.

The table of Zeiler and Fergus 2014 (table 7) and DeCAF (Donahue et al. 2014,
table 1): how well a linear SVM and softmax regression do on the codes of each
block, each with and without dropout on the codes. One pass over the images
gives the codes of all depths.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.load import load_configured
from tlkeras.evaluation.metrics import compare_paired
from tlkeras.features.codes import TRANSFORMS
from tlkeras.models.classifier import Classifier
from tlkeras.models.depths import block_ends
from tlkeras.models.graph import topological_layers
from tlkeras.optim.losses import LOSSES
from tlkeras.studies.cross_validation import CrossValidated, cross_validate
from tlkeras.studies.depth_codes import compute_depth_codes, draw_images
from tlkeras.studies.papers_protocol import (
    measure_over_splits,
    require_enough,
)
from tlkeras.studies.probe_cost import StepCost, measure_steps
from tlkeras.training.build import build_from_config, set_up_model

PROBE_PLOT = "probe.png"
# Column -> (loss, whether the codes get dropout).
PROBE_COLUMNS = {
    "softmax": (LOSSES["softmax"], False),
    "softmax+dropout": (LOSSES["softmax"], True),
    "svm": (LOSSES["squared_hinge"], False),
    "svm+dropout": (LOSSES["squared_hinge"], True),
}
MULTI_LABEL_COLUMNS = {
    "logistic": (LOSSES["binary"], False),
    "logistic+dropout": (LOSSES["binary"], True),
}
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class DepthResult:
    """One row of the table.

    Attributes:
        layer: Name of the layer that ends the block.
        codes: float32 [N, d].
        columns: Column -> cross-validated answers.
        cost: Of a training step if training were cut there.
    """

    layer: str
    codes: np.ndarray
    columns: dict[str, CrossValidated]
    cost: StepCost

    @property
    def best(self) -> CrossValidated:
        """The best column."""
        return max(self.columns.values(), key=lambda c: c.accuracy)


def run_linear_probe(
    config: ConfigDict,
    directory: Path | str,
    *,
    num_folds: int = 3,
    max_images: int = 5000,
    train_per_class: int | None = None,
    num_splits: int = 5,
    console: Console | None = None,
) -> dict[str, Any]:
    """Probes every depth of a config's backbone on train + validation.

    Args:
        config: Its `data`, `model`, `features` and `runtime` sections count.
        directory: Where `probe.json` and `probe.png` are written.
        num_folds: Of the cross-validation, at least 2.
        max_images: At most so many, drawn by the config's seed.
        train_per_class: Measure by the papers' protocol too, with so many
            training images of each class.
        num_splits: Of that protocol, at least 2.
        console: For progress; None is quiet.

    Returns:
        What `probe.json` holds.

    Raises:
        InputError: For unusable input.
    """
    console = console or Console(quiet=True)
    validate(config)
    set_up_model(config)
    dataset = load_configured(config)
    images = draw_images(dataset, max_images, config.seed)
    if train_per_class:
        require_enough(images.targets, dataset.class_names, train_per_class)
    # Only now: the data may be the folder above.
    directory = workdir.make_directory(directory, what="probe folder")
    classifier = build_from_config(config, dataset)
    depths = block_ends(classifier.backbone)
    codes = compute_depth_codes(config, classifier, images, depths, console)
    costs = measure_steps(classifier, depths, console=console)
    columns = MULTI_LABEL_COLUMNS if dataset.multi_label else PROBE_COLUMNS
    rows = []
    console.start("depths", len(depths))
    for number, (layer, values, cost) in enumerate(
        zip(depths, codes, costs, strict=True), 1
    ):
        answers = {
            name: cross_validate(
                values,
                images.targets,
                loss=loss,
                dropout=dropout,
                num_folds=num_folds,
                seed=config.seed,
            )
            for name, (loss, dropout) in columns.items()
        }
        rows.append(DepthResult(layer, values, answers, cost))
        console.advance_to(number)
    console.stop()
    result = _summarize(config, classifier, images, rows, num_folds)
    if train_per_class:
        result["train_per_class"] = train_per_class
        result["over_splits"] = _by_protocol(
            rows, images, train_per_class, num_splits, config.seed
        )
    workdir.write_json(directory / workdir.PROBE, result)
    return result


def _by_protocol(
    rows: list[DepthResult],
    images: Split,
    train_per_class: int,
    num_splits: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Returns a row a depth: its layer, and each plain column over splits."""
    return [
        {
            "layer": row.layer,
            **{
                name: dataclasses.asdict(
                    measure_over_splits(
                        row.codes,
                        images.targets,
                        loss=PROBE_COLUMNS[name][0],
                        train_per_class=train_per_class,
                        num_splits=num_splits,
                        seed=seed,
                    )
                )
                for name in row.columns
                if "+" not in name
            },
        }
        for row in rows
    ]


def _summarize(
    config: ConfigDict,
    classifier: Classifier,
    images: Split,
    rows: list[DepthResult],
    num_folds: int,
) -> dict[str, Any]:
    best = max(rows, key=lambda row: row.best.accuracy)
    recommended, reason = _recommend(rows, best)
    return {
        "backbone": classifier.backbone.name,
        "source": config.data.source,
        "num_images": len(images),
        "num_folds": num_folds,
        "chance": float(images.targets.mean(0).max()),
        "depths": [_as_row(row) for row in rows],
        "transforms": _compare_transforms(best, images, num_folds, config.seed),
        "best_layer": best.layer,
        "recommended_layer": recommended.layer,
        "reason": reason,
        "flags": _flags(classifier, rows, recommended),
    }


def _as_row(row: DepthResult) -> dict[str, Any]:
    return {
        "layer": row.layer,
        "dimensions": row.codes.shape[1],
        **{
            name: {
                "accuracy": answer.accuracy,
                "interval": answer.interval,
                "l2": answer.l2,
            }
            for name, answer in row.columns.items()
        },
        **dataclasses.asdict(row.cost),
    }


def _recommend(
    rows: list[DepthResult], best: DepthResult
) -> tuple[DepthResult, str]:
    """Takes the top, unless another depth is better on the same images."""
    top = rows[-1]
    if best is top:
        return top, "the top has the highest accuracy"
    comparison = compare_paired(
        top.best.scores, best.best.scores, num_samples=1000
    )
    low, high = comparison.interval
    figures = (
        f"{best.layer} against the top: {comparison.difference:+.3f} "
        f"[{low:+.3f}, {high:+.3f}], p {comparison.p_value:.3f}"
    )
    if comparison.p_value <= SIGNIFICANT:
        return best, f"{figures}: better than the top"
    return top, f"{figures}: no better than the top"


def _flags(
    classifier: Classifier, rows: list[DepthResult], recommended: DepthResult
) -> list[str]:
    """Returns flags to paste: where codes come from, and what to train.

    Layers up to the depth at which half of the gain over the stem is reached
    are taken for general ones (Yosinski et al. 2014); the rest trains.
    """
    flags = []
    if recommended is not rows[-1]:
        flags.append(f"--config.model.features_from={recommended.layer}")
    stem = rows[0].best.accuracy
    half = (stem + recommended.best.accuracy) / 2
    reached = next(
        (row.layer for row in rows if row.best.accuracy >= half), rows[0].layer
    )
    names = [x.name for x in topological_layers(classifier.backbone)]
    # The layer above it, of a network that ends at the recommended depth.
    position = min(names.index(reached) + 1, names.index(recommended.layer))
    flags.append(f"--config.phases.fine_tune.trainable_from={names[position]}")
    return flags


def _compare_transforms(
    best: DepthResult, images: Split, num_folds: int, seed: int
) -> dict[str, Any]:
    """Measures each transform of the codes at the best depth."""
    plain = [name for name in best.columns if "+" not in name]
    losses = {**PROBE_COLUMNS, **MULTI_LABEL_COLUMNS}
    table: dict[str, Any] = {}
    for name, transform in TRANSFORMS.items():
        table[name] = {}
        for column in plain:
            answer = cross_validate(
                best.codes,
                images.targets,
                loss=losses[column][0],
                num_folds=num_folds,
                seed=seed,
                transform=transform,
            )
            against = compare_paired(
                best.columns[column].scores, answer.scores, num_samples=1000
            )
            table[name][column] = {
                "accuracy": answer.accuracy,
                "difference": against.difference,
                "interval": against.interval,
            }
    return table


def format_probe(result: dict[str, Any]) -> str:
    """Returns the table for people."""
    columns = [
        name
        for name in {**PROBE_COLUMNS, **MULTI_LABEL_COLUMNS}
        if name in result["depths"][0]
    ]
    width = max(len(row["layer"]) for row in result["depths"]) + 2
    lines = [
        f"{'depth':<{width}}{'d':>6}"
        + "".join(f"{name:>23}" for name in columns)
        + f"{'ms a step':>12}{'KiB cached':>12}"
    ]
    for row in result["depths"]:
        cells = [
            f"{row[name]['accuracy']:>8.3f} [{row[name]['interval'][0]:.3f}, "
            f"{row[name]['interval'][1]:.3f}]"
            for name in columns
        ]
        step = row["milliseconds_per_step"]
        mark = " " if row["is_measured"] else "~"
        lines.append(
            f"{row['layer']:<{width}}{row['dimensions']:>6}"
            + "".join(cells)
            + f"{mark + format(step, '.0f'):>12}"
            f"{math.ceil(row['frontier_bytes'] / 1024):>12}"
        )
    lines.append(f"codes of {result['best_layer']}, transformed:")
    for name, cells in result["transforms"].items():
        text = ", ".join(
            f"{column} {cell['accuracy']:.3f} ({cell['difference']:+.3f} "
            f"[{cell['interval'][0]:+.3f}, {cell['interval'][1]:+.3f}])"
            for column, cell in cells.items()
        )
        lines.append(f"  {name:<9}{text}")
    lines += _format_protocol(result)
    lines += [
        f"recommended: {result['recommended_layer']}; {result['reason']}",
        f"flags: {' '.join(result['flags'])}",
    ]
    return "\n".join(lines)


def _format_protocol(result: dict[str, Any]) -> list[str]:
    rows = result.get("over_splits", [])
    if not rows:
        return []
    lines = [
        f"{result['train_per_class']} training images a class, mean per-class "
        "accuracy +- its deviation over splits:"
    ]
    for row in rows:
        cells = ", ".join(
            f"{name} {cell['accuracy']:.3f} +- {cell['deviation']:.3f}"
            for name, cell in row.items()
            if name != "layer"
        )
        lines.append(f"  {row['layer']}: {cells}")
    return lines

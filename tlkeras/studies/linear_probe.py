"""Linear classifiers at every depth of a backbone.

The table of Zeiler and Fergus 2014 (table 7) and DeCAF (Donahue et al. 2014,
table 1): how well a linear SVM and softmax regression do on the codes of each
block, each with and without dropout on the codes. One pass over the images
gives the codes of all depths. Copies of the images (Razavian et al. 2014) are
columns beside those of the whole images, on the same folds.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.augmented_copies import require_copies
from tlkeras.data.dataset import Split
from tlkeras.data.load import load_configured
from tlkeras.evaluation.metrics import compare_paired
from tlkeras.features.code_transforms import TRANSFORMS
from tlkeras.models.classifier import Classifier
from tlkeras.models.depths import block_ends
from tlkeras.models.graph import topological_layers
from tlkeras.studies.cross_validation import CrossValidated, cross_validate
from tlkeras.studies.depth_codes import (
    compute_copy_codes,
    compute_depth_codes,
    draw_images,
)
from tlkeras.studies.papers_protocol import require_enough
from tlkeras.studies.probe_columns import (
    COPIES,
    MULTI_LABEL_COLUMNS,
    PROBE_COLUMNS,
    cross_validate_columns,
    measure_columns_over_splits,
)
from tlkeras.studies.probe_cost import StepCost, measure_steps
from tlkeras.training.build import build_from_config, set_up_model

PROBE_PLOT = "probe.png"
SIGNIFICANT = 0.05


@dataclasses.dataclass(frozen=True)
class DepthResult:
    """One row of the table.

    Attributes:
        layer: Name of the layer that ends the block.
        copies: float32 [K, N, d], codes of the whole images and of their
            other copies.
        columns: Column -> cross-validated answers.
        copy_columns: Likewise, on all copies; empty where there are no others.
        cost: Of a training step if training were cut there.
    """

    layer: str
    copies: np.ndarray
    columns: dict[str, CrossValidated]
    copy_columns: dict[str, CrossValidated]
    cost: StepCost

    @property
    def codes(self) -> np.ndarray:
        """Those of the whole images, [N, d]."""
        return self.copies[0]

    @property
    def best(self) -> CrossValidated:
        """The best column on whole images, as which a run is trained."""
        return max(self.columns.values(), key=lambda c: c.accuracy)


def run_linear_probe(
    config: ConfigDict,
    directory: Path | str,
    *,
    num_folds: int = 3,
    max_images: int = 5000,
    train_per_class: int | None = None,
    num_splits: int = 5,
    augmented_copies: int = 1,
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
        augmented_copies: Key of `data.augmented_copies.COPY_COUNTS`; above 1,
            measure each classifier on so many copies of each image too.
        console: For progress; None is quiet.

    Returns:
        What `probe.json` holds.

    Raises:
        InputError: For unusable input.
    """
    console = console or Console(quiet=True)
    validate(config)
    require_copies(
        augmented_copies, may_mirror=config.data.augment.horizontal_flip
    )
    set_up_model(config)
    dataset = load_configured(config, console=console)
    images = draw_images(dataset, max_images, config.seed)
    if train_per_class:
        require_enough(images.targets, dataset.class_names, train_per_class)
    # Only now: the data may be the folder above.
    directory = workdir.make_directory(directory, what="probe folder")
    classifier = build_from_config(config, dataset)
    depths = block_ends(classifier.backbone)
    if augmented_copies > 1:
        console.line(
            _state_cost(classifier, depths, augmented_copies, len(images))
        )
    codes = compute_depth_codes(config, classifier, images, depths, console)
    if augmented_copies > 1:
        codes = compute_copy_codes(
            config, classifier, images, depths, codes, augmented_copies, console
        )
    else:
        codes = [values[None] for values in codes]
    costs = measure_steps(classifier, depths, console=console)
    table = MULTI_LABEL_COLUMNS if dataset.multi_label else PROBE_COLUMNS
    rows = []
    console.start("depths", len(depths))
    for number, (layer, copies, cost) in enumerate(
        zip(depths, codes, costs, strict=True), 1
    ):
        columns, on_copies = cross_validate_columns(
            copies,
            images.targets,
            table,
            num_folds,
            config.seed,
            images.groups,
        )
        rows.append(DepthResult(layer, copies, columns, on_copies, cost))
        console.advance_to(number)
    console.stop()
    result = _summarize(config, classifier, images, rows, num_folds)
    result["augmented_copies"] = augmented_copies
    if train_per_class:
        result["train_per_class"] = train_per_class
        result["over_splits"] = [
            {
                "layer": row.layer,
                **measure_columns_over_splits(
                    row.copies,
                    images.targets,
                    table,
                    train_per_class=train_per_class,
                    num_splits=num_splits,
                    seed=config.seed,
                    groups=images.groups,
                ),
            }
            for row in rows
        ]
    workdir.write_json(directory / workdir.PROBE, result)
    return result


def _state_cost(
    classifier: Classifier, depths: list[str], num_copies: int, num_images: int
) -> str:
    """Returns what copies cost, before they do."""
    outputs = [classifier.backbone.get_layer(name).output for name in depths]
    dimensions = sum(output.shape[-1] for output in outputs)
    num_bytes = 4 * dimensions * num_copies * num_images
    return (
        f"{num_copies} copies of {num_images} images: {num_copies} times the "
        f"extraction ({num_copies * num_images} passes, fewer where the cache "
        f"has them), {num_copies} times the rows to fit on, "
        f"{num_bytes / 2**20:.0f} MiB of codes in memory"
    )


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
        **{
            name: _compare_copies(
                row.columns[name.removesuffix(COPIES)], answer
            )
            for name, answer in row.copy_columns.items()
        },
        **dataclasses.asdict(row.cost),
    }


def _compare_copies(
    whole: CrossValidated, copies: CrossValidated
) -> dict[str, Any]:
    """Returns a cell of copies, with its difference to the whole images."""
    against = compare_paired(whole.scores, copies.scores, num_samples=1000)
    return {
        "accuracy": copies.accuracy,
        "interval": copies.interval,
        "l2": copies.l2,
        "difference": against.difference,
        "difference_interval": against.interval,
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
                groups=images.groups,
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

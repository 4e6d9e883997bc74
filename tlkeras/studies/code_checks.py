"""The checks that need the codes of images: labels, and copies."""

import numpy as np

from tlkeras import workdir
from tlkeras.checks.suite import Suite
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier
from tlkeras.studies.copy_checks import MAX_IMAGES, run_copy_checks
from tlkeras.studies.depth_codes import join_splits
from tlkeras.studies.label_checks import run_label_checks
from tlkeras.studies.suspect_labels import write_suspect_labels
from tlkeras.training.context import RunContext
from tlkeras.training.reading import plain_prefix


def run_code_checks(suite: Suite, run: RunContext) -> None:
    """Runs what needs codes; they are cached for the run to come.

    Args:
        suite: Collects the results; `suspect_labels.csv` is written beside its
            file.
        run: With a fresh head.
    """
    prefix = _build_code_prefix(run)
    run_label_checks(suite, run, prefix)
    members = run.dataset.splits
    share = min(1.0, MAX_IMAGES / sum(map(len, members.values())))
    splits = {
        name: split.draw(max(1, int(share * len(split))), run.config.seed)
        for name, split in members.items()
    }
    codes = {
        name: prefix.activations(
            split, prefix.plain, what=f"codes of {name}"
        ).all_rows()[0]
        for name, split in splits.items()
    }
    num_left = sum(len(members[name]) - len(splits[name]) for name in members)
    run_copy_checks(suite, splits, codes, num_left)
    used = ("train", "validation")
    suite.run(
        lambda: write_suspect_labels(
            suite.path.with_name(workdir.SUSPECT_LABELS),
            join_splits([splits[name] for name in used]),
            np.concatenate([codes[name] for name in used]),
            run.dataset.class_names,
            seed=run.config.seed,
        )
    )


def _build_code_prefix(run: RunContext) -> FrozenPrefix:
    """Returns images as they are -> codes, by the whole backbone."""
    top = len(topological_layers(run.classifier.backbone))
    return plain_prefix(
        split_classifier(run.classifier, top).prefix,
        run.dataset.splits["train"],
        run.config,
        run.console,
    )

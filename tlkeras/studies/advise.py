"""Which recipe a data set asks for: `tlkeras advise`.

The quadrant of the lectures, size by similarity, is the expectation; what is
measured on the user's own images is the verdict on it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.validate import require_one_process, validate
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.errors import InputError
from tlkeras.models.classifier import Classifier
from tlkeras.studies.advice_findings import Findings, gather_findings
from tlkeras.studies.advice_record import expect, has_signal, write_record
from tlkeras.studies.depth_codes import draw_images
from tlkeras.studies.linear_trials import divide, score_linear
from tlkeras.studies.recipe_trials import (
    fine_tune_config,
    fine_tune_from,
    score_fine_tuned,
)
from tlkeras.training.build import build_from_config, set_up_model

MIN_IMAGES = 20


def advise(
    config: ConfigDict,
    directory: Path | str,
    *,
    measure: bool = False,
    num_folds: int = 3,
    max_images: int = 5000,
    console: Console | None = None,
) -> dict[str, Any]:
    """Advises on a recipe for a data set, with evidence.

    Args:
        config: Its `data`, `model`, `features` and `runtime` sections count.
        directory: Where `advice.json` is written, and the runs of `measure`.
        measure: Whether to train the recipes, on the same folds; started
            again, it goes on.
        num_folds: Of every cross-validation, at least 2.
        max_images: Of train and validation, drawn by the config's seed.
        console: For progress; None is quiet.

    Returns:
        What `advice.json` holds.

    Raises:
        InputError: For unusable input.
    """
    console = console or Console(quiet=True)
    validate(config)
    require_one_process(config, "advise")
    set_up_model(config)
    dataset = load_configured(config, console=console)
    images = draw_images(dataset, max_images, config.seed)
    if len(images) < MIN_IMAGES:
        raise InputError(
            f"'{config.data.source}' has {len(images)} images of train and "
            f"validation; expected at least {MIN_IMAGES}, to be held out in "
            "turns: add images, or raise --max_images."
        )
    # Only now: the data may be the folder above.
    directory = workdir.make_directory(directory, what="advice folder")
    classifier = build_from_config(config, dataset)
    findings = gather_findings(
        config,
        classifier,
        dataset,
        images,
        num_folds=num_folds,
        console=console,
    )
    expectation = expect(findings, dataset.class_counts()["train"])
    measured = None
    if measure and has_signal(findings.profile):
        measured = _measure(config, directory, classifier, findings, console)
    return write_record(
        directory,
        config,
        classifier,
        dataset,
        findings,
        expectation,
        measured,
    )


def _measure(
    config: ConfigDict,
    directory: Path,
    classifier: Classifier,
    findings: Findings,
    console: Console,
) -> dict[str, np.ndarray]:
    """Trains every recipe; returns recipe -> scores [N]."""
    images = findings.images
    folds = divide(
        images.targets, findings.profile.fold, config.seed, images.groups
    )
    *earlier, top = findings.codes
    scores = {
        name: score_linear(
            {layer: findings.codes[layer] for layer in layers},
            images.targets,
            folds,
            findings.loss,
        )
        for name, layers in (("top", [top]), ("earlier", earlier or [top]))
    }
    for name, values in scores.items():
        console.line(f"{name}: {len(folds)} folds, {values.mean():.3f}")
    for name in ("few", "all"):
        scores[name] = score_fine_tuned(
            fine_tune_config(
                config,
                fine_tune_from(name, classifier),
                multi_label=findings.loss.multi_label,
            ),
            directory,
            images,
            classifier.class_names,
            folds,
            console,
            name=name,
        )
    return scores

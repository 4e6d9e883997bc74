"""Recipes of others, and candidates for the defaults, as configs; small sets.

The papers are named in `recipes.py`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from benchmarks.harness import assets, mobilenet_weights

NEAREST = "nearest neighbours"
FORMER = "defaults of 12 epochs"
IMAGE_SIZE = 96


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images to learn from.

    Attributes:
        source: Folder below the assets' data sets, or a built-in name.
        fields: What differs from the defaults.
    """

    source: str
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)


# Half of omniglot's 20 drawings of a character, and a quarter of them, train.
SETS = {
    "clothing": ImageSet("clothing"),
    "clothing of 20": ImageSet("clothing", {"data.images_per_class": 33}),
    "blood_cells": ImageSet("blood_cells"),
    "sign_digits": ImageSet("sign_digits"),
    "sign_digits of 10": ImageSet(
        "sign_digits", {"data.split": (0.05, 0.85, 0.1)}
    ),
    "omniglot of 10": ImageSet("omniglot", {"data.split": (0.5, 0.4, 0.1)}),
    "omniglot of 5": ImageSet("omniglot", {"data.split": (0.25, 0.65, 0.1)}),
    "digits": ImageSet("digits"),
}
PROBE, TUNE = "phases.linear_probe", "phases.fine_tune"
ALWAYS = {"evaluation.replace_p_value": 1.0}  # it ends as it ends
WHOLE_IMAGES = {
    "data.augment.load_scale": 1.0,
    "data.augment.crop_area": (1.0, 1.0),
}
ONE_RATE = {
    f"{TUNE}.groups.{g}.learning_rate_multiplier": 1.0
    for g in ("upper", "lower")
}
RECIPES: dict[str, Mapping[str, Any]] = {
    "defaults": {},
    "logistic regression": {f"{TUNE}.epochs": 0},
    "SVM": {f"{TUNE}.epochs": 0, "model.head": "svm"},
    "Keras guide": {
        **ALWAYS,
        **WHOLE_IMAGES,
        **ONE_RATE,
        "data.augment.rotation_degrees": 36.0,
        f"{PROBE}.method": "fit",
        f"{PROBE}.epochs": 20,
        f"{PROBE}.augment": True,
        f"{PROBE}.optimizer": "adam",
        f"{PROBE}.learning_rate": 1e-3,
        f"{TUNE}.epochs": 10,
        f"{TUNE}.trainable_from": "all",
        f"{TUNE}.optimizer": "adam",
        f"{TUNE}.learning_rate": 1e-5,
        f"{TUNE}.schedule": "constant",
        f"{TUNE}.label_smoothing": 0.0,
    },
    "fastai fine_tune": {
        **ALWAYS,
        "data.augment.crop_area": (0.8, 1.0),
        "data.augment.rotation_degrees": 10.0,
        f"{PROBE}.method": "fit",
        f"{PROBE}.epochs": 1,
        f"{PROBE}.augment": True,
        f"{PROBE}.batch_norm": "train",
        f"{PROBE}.learning_rate": 2e-3,
        f"{PROBE}.weight_decay": 0.01,
        f"{PROBE}.schedule": "one_cycle",
        f"{TUNE}.trainable_from": "all",
        f"{TUNE}.batch_norm": "train",
        f"{TUNE}.learning_rate": 1e-3,
        f"{TUNE}.weight_decay": 0.01,
        f"{TUNE}.schedule": "one_cycle",
        f"{TUNE}.label_smoothing": 0.0,
    },
    "BiT-HyperRule": {
        **ONE_RATE,
        "phases.phase_order": ("fine_tune",),
        "data.augment.crop_area": (0.64, 1.0),
        f"{TUNE}.trainable_from": "all",
        f"{TUNE}.batch_norm": "train",
        f"{TUNE}.optimizer": "sgd",
        f"{TUNE}.schedule": "step",
        f"{TUNE}.label_smoothing": 0.0,
    },
    # Candidates for the defaults.
    "defaults with all layers trained": {f"{TUNE}.trainable_from": "all"},
    "defaults with the upper part trained": {
        f"{TUNE}.trainable_from": "stage4"
    },
    "defaults with RandAugment": {"data.augment.randaugment_layers": 2},
    "defaults with MixUp": {"data.augment.mixup_alpha": 0.2},
    "defaults with no smoothing": {f"{TUNE}.label_smoothing": 0.0},
    FORMER: {f"{TUNE}.learning_rate": 3e-3},
    "defaults with rate 1e-3": {f"{TUNE}.learning_rate": 1e-3},
    "defaults with rate 1e-2": {f"{TUNE}.learning_rate": 1e-2},
    "defaults with one rate 3e-4": {**ONE_RATE, f"{TUNE}.learning_rate": 3e-4},
    "defaults with dropout .5": {"model.dropout": 0.5},
}


def make_config(name: str, recipe: str, seed: int) -> ConfigDict:
    """Returns the config of a recipe on a set; neighbours have the probe's."""
    from tlkeras.config import get_config
    from tlkeras.config.dotted import set_value

    chosen = SETS[name]
    config = get_config()
    config.seed = config.data.split_seed = seed
    folder = assets() / "datasets" / chosen.source
    config.data.source = str(folder) if folder.is_dir() else chosen.source
    config.model.weights = mobilenet_weights()
    config.model.image_size = IMAGE_SIZE
    config.evaluation.test_at_end = False
    config.checks.enabled = config.report.enabled = False
    config.runtime.tensorboard = False
    rows = RECIPES["logistic regression" if recipe == NEAREST else recipe]
    for field, value in {**chosen.fields, **rows}.items():
        set_value(config, field, value)
    if recipe == "BiT-HyperRule":
        set_hyper_rule(config)
    if recipe == FORMER:
        steps = steps_an_epoch(config)
        config.phases.fine_tune.epochs = max(12, round(375 / steps))
    return config


def steps_an_epoch(config: ConfigDict) -> int:
    """Returns how many batches of fine-tuning the training images make."""
    from tlkeras.data.epoch import steps_per_epoch
    from tlkeras.data.load import load_configured

    num_images = len(load_configured(config).splits["train"])
    return steps_per_epoch(num_images, config.phases.fine_tune.batch_size)


def set_hyper_rule(config: ConfigDict) -> None:
    """Sets what the rule gives for fewer than 20 000 images.

    500 steps, the rate divided by ten at 30, 60 and 90 %. Batches are of 64
    images, not of 512, which is half of such a set; the rate falls with them.
    """
    phase = config.phases.fine_tune
    phase.batch_size = 64
    phase.learning_rate = 3e-3 * phase.batch_size / 512
    phase.epochs = max(round(500 / steps_an_epoch(config)), 1)
    phase.schedule_args.drop_every_epochs = 0.3 * phase.epochs

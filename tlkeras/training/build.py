"""From a config to a classifier, and to its phases on that network.

What computes with a config's model begins with `set_up_model`, so that the same
config gives the same numbers, and hits the same cache, whichever command asks.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import devices
from tlkeras.data.dataset import Dataset
from tlkeras.data.means import compute_training_mean
from tlkeras.errors import InputError
from tlkeras.models.backbones import (
    check_image_size,
    find_spec,
    read_network,
)
from tlkeras.models.classifier import Classifier, build_classifier
from tlkeras.models.heads import HEADS, split_model_section
from tlkeras.models.own_contract import measure_contract
from tlkeras.training.phases import Phase, ResolvedPhase, resolve_phase
from tlkeras.training.reading import read_pixels
from tlkeras.training.teacher import require_teacher

CONTRACT_IMAGES = 128
ANYWHERE = nullcontext()


def set_up_model(config: ConfigDict) -> str:
    """Refuses an unknown backbone or size, then seeds and sets the policy.

    Before any file is read.

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
    spec = find_spec(config.model.backbone)
    check_image_size(spec, config.model.image_size or spec.default_size)


def require_fitting_head(config: ConfigDict, dataset: Dataset) -> None:
    """Makes sure that the head can learn a data set's labels.

    Raises:
        InputError: If images carry several labels and the head takes one.
    """
    if dataset.multi_label and not HEADS[config.model.head].multi_label:
        raise InputError(
            f"'{config.data.source}' gives some images several labels; "
            f"expected one each for model.head='{config.model.head}': set "
            "--config.model.head=multi_label."
        )


def require_fitting_teachers(config: ConfigDict, dataset: Dataset) -> None:
    """Makes sure that the teachers of all phases can teach a data set.

    Raises:
        InputError: As `teacher.require_teacher`.
    """
    multi_label = HEADS[config.model.head].multi_label
    for name in config.phases.phase_order:
        phase = config.phases[name]
        if phase.teacher and phase.epochs:
            require_teacher(
                name, Path(phase.teacher), dataset, multi_label=multi_label
            )


def build_from_config(
    config: ConfigDict,
    dataset: Dataset,
    scope: AbstractContextManager[Any] = ANYWHERE,
) -> Classifier:
    """Builds the classifier that a config describes.

    Args:
        config: Its `model` section, its seed, and what `data` says of means.
        dataset: Whose training images give the means.
        scope: In which its variables are made.
    """
    head, settings = split_model_section(config.model.to_dict())
    spec = find_spec(settings["backbone"])
    if settings["contract"] == "auto" and not spec.contract:
        settings["contract"] = _measure_contract(config, dataset)
    mean, std = compute_training_mean(
        dataset.splits["train"],
        kind=config.data.mean,
        divide_by_std=config.data.divide_by_std,
        image_size=settings["image_size"] or spec.default_size,
        num_workers=config.runtime.num_workers or os.cpu_count() or 1,
    )
    with scope:
        return build_classifier(
            settings.pop("backbone"),
            class_names=dataset.class_names,
            head=head,
            mean=mean,
            std=std,
            seed=config.seed,
            **settings,
        )


def _measure_contract(config: ConfigDict, dataset: Dataset) -> str:
    """Returns the contract of a network that does not say what it expects."""
    network, _, size = read_network(config.model.backbone)
    size = network.inputs[0].shape[1] or config.model.image_size or size
    split = dataset.splits["train"].draw(CONTRACT_IMAGES, seed=0)
    return measure_contract(network, read_pixels(split, size))


def resolve_phases(
    phases: Sequence[Phase], classifier: Classifier
) -> tuple[ResolvedPhase, ...]:
    """Resolves every phase on a network.

    A mistyped layer ends a run before its first phase, not before the last.

    Args:
        phases: From `phases.read_phases`.
        classifier: Left frozen as the last phase says.

    Raises:
        InputError: As `phases.resolve_phase`.
    """
    return tuple(resolve_phase(phase, classifier) for phase in phases)

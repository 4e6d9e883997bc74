"""The networks of a space, built before the first trial."""

import fnmatch

from ml_collections import ConfigDict

from tlkeras.models.classifier import Classifier, build_classifier
from tlkeras.models.heads import split_model_section
from tlkeras.training.build import check_backbone, resolve_phases
from tlkeras.training.phases import read_phases
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.space.space import corners

# Fields that decide which layers there are, and which of them train.
NETWORK_FIELDS = ("backbone", "alpha", "features_from", "head")
LAYER_FIELDS = (
    *(f"model.{name}" for name in NETWORK_FIELDS),
    "model.image_size",
    "phases.*.augment",
    "phases.*.groups.*.starts_at",
    "phases.*.layer_decay",
    "phases.*.method",
    "phases.*.trainable_from",
)


def check_networks(plan: SearchPlan) -> None:
    """Tries the cutoffs and groups of a space on its networks.

    A mistyped layer ends the search before its first trial, not each trial.

    Raises:
        InputError: For an unknown backbone, unusable weights, an impossible
            size, or a layer that the network lacks.
    """
    fields = [
        field
        for field in plan.space
        if any(fnmatch.fnmatch(field.name, pattern) for pattern in LAYER_FIELDS)
    ]
    built: dict[tuple, Classifier] = {}
    for values in corners(fields):
        config = plan.trial_config(values)
        check_backbone(config)
        key = tuple(config.model[name] for name in NETWORK_FIELDS)
        if key not in built:
            built[key] = _build(config)
        # Epochs change no layer, so that any number of images will do.
        resolve_phases(read_phases(config.phases, 1), built[key])


def _build(config: ConfigDict) -> Classifier:
    head, settings = split_model_section(config.model.to_dict())
    return build_classifier(
        settings.pop("backbone"), class_names=("a", "b"), head=head, **settings
    )

"""What a phase freezes stays bit-identical: weights, and normalisation.

Decided by the cutoff, not by the layers' `trainable`: a layer that trains
though it should not is what this is for.
"""

from collections.abc import Iterable

import keras

from tlkeras.checks.result import FAIL, PASS, CheckResult
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import batch_norm_layers, topological_layers


def frozen_variables(
    classifier: Classifier, cutoff: int
) -> list[keras.Variable]:
    """Returns the variables of the layers below a cutoff.

    Args:
        classifier: Whole.
        cutoff: As from `graph.find_cutoff`.
    """
    layers = topological_layers(classifier.backbone)
    return [w for layer in layers[:cutoff] for w in layer.weights]


def frozen_statistics(
    classifier: Classifier, cutoff: int, batch_norm: str
) -> list[keras.Variable]:
    """Returns the variables of BatchNormalization that must not change.

    Args:
        classifier: Whole.
        cutoff: As from `graph.find_cutoff`.
        batch_norm: `frozen` and `adapt` fix all of them, `train` those below
            the cutoff only.
    """
    layers = topological_layers(classifier.backbone)
    if batch_norm == "train":
        layers = layers[:cutoff]
    return [w for norm in batch_norm_layers(layers) for w in norm.weights]


def check_unchanged(
    name: str, variables: Iterable[keras.Variable], changed: set[str]
) -> CheckResult:
    """Says whether variables stayed what they were.

    Args:
        name: Of the check: `frozen_variables` or `batch_norm`.
        variables: That must not change.
        changed: Paths of all variables that did, or are set to train.
    """
    paths = [variable.path for variable in variables]
    moved = [path for path in paths if path in changed]
    text = f"{len(paths)} frozen variables are bit-identical after a step."
    if moved:
        text = (
            f"{len(moved)} of {len(paths)} variables that should be frozen "
            f"train, first {moved[0]}."
        )
    return CheckResult(name, FAIL if moved else PASS, len(moved), 0, text)

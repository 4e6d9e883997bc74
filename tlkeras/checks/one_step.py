"""One step of plain gradient descent, looked at from all sides."""

import dataclasses
import math
import warnings
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from tlkeras.checks.result import FAIL, PASS, SKIP, WARN, CheckResult
from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import topological_layers
from tlkeras.models.layer_groups import HEAD, LayerGroup
from tlkeras.models.snapshot import checksums, restored
from tlkeras.optim.update_ratio import (
    HEALTHY_RATIO,
    RATIO_BOUNDS,
    sum_of_squares,
    update_ratio,
    values_of,
)


@dataclasses.dataclass(frozen=True)
class Step:
    """What one step did.

    Attributes:
        gradients: Path of each trainable variable -> its gradient, [...] of the
            variable.
        changed: Paths of all variables that are not what they were.
    """

    gradients: Mapping[str, np.ndarray]
    changed: set[str]

    @property
    def touched(self) -> set[str]:
        """Paths that changed, or would where their gradient is not zero."""
        return self.changed | set(self.gradients)

    def norm(self, variables: Sequence[keras.Variable]) -> float:
        """Returns the joint norm of the gradients of some variables."""
        present = [
            self.gradients[v.path]
            for v in variables
            if v.path in self.gradients
        ]
        return math.sqrt(sum(map(sum_of_squares, present)))


def take_step(
    classifier: Classifier, images: np.ndarray, targets: np.ndarray
) -> Step:
    """Takes one step in training mode and puts everything back.

    The whole model runs, eagerly: compiling takes longer than one step. With
    momentum and rate 1 the first velocity is the gradient itself, exactly.

    Args:
        classifier: Frozen as a phase says.
        images: [N, S, S, 3] in 0..255.
        targets: [N, C].
    """
    model = classifier.model
    optimizer = keras.optimizers.SGD(1.0, momentum=0.9)
    with restored(model):
        before = checksums(model.weights)
        model.compile(
            optimizer=optimizer,
            loss=classifier.head.loss.build(0.0),
            run_eagerly=True,
            auto_scale_loss=False,
        )
        with warnings.catch_warnings():
            # A detached gradient is a finding here, not a warning.
            warnings.filterwarnings("ignore", "Gradients do not exist")
            model.train_on_batch(images.astype(np.float32), targets)
        after = checksums(model.weights)
        velocities = dict(
            zip(
                (variable.path for variable in model.trainable_variables),
                map(keras.ops.convert_to_numpy, optimizer.momentums),
                strict=True,
            )
        )
    return Step(
        {path: -velocity for path, velocity in velocities.items()},
        {path for path, value in after.items() if value != before[path]},
    )


def check_gradient(
    step: Step, classifier: Classifier, cutoff: int
) -> CheckResult:
    """The gradient reaches the cutoff and is finite.

    Args:
        step: From `take_step`.
        classifier: Frozen as the phase says.
        cutoff: The phase's, as from `graph.find_cutoff`.
    """
    layers = topological_layers(classifier.backbone)
    above = [*layers[cutoff:], *classifier.head_layers]
    lowest = next(layer for layer in above if layer.trainable_variables)
    norm = step.norm(lowest.trainable_variables)
    everywhere = step.norm(
        [v for layer in above for v in layer.trainable_variables]
    )
    name, expected = "gradient", "above 0 at the cutoff"
    if not math.isfinite(everywhere):
        message = "The gradient is not finite: the loss overflows."
        return CheckResult(name, FAIL, str(everywhere), expected, message)
    if norm == 0:
        message = (
            f"No gradient reaches '{lowest.name}', the lowest layer that "
            "should train: something above it is detached."
        )
        return CheckResult(name, FAIL, 0.0, expected, message)
    message = (
        f"A gradient of norm {norm:.2g} reaches '{lowest.name}', the lowest "
        f"layer that trains; {everywhere:.2g} in all."
    )
    return CheckResult(name, PASS, float(f"{norm:.4g}"), expected, message)


def check_update_ratios(ratios: Mapping[str, float]) -> CheckResult:
    """The ratio of update to weight norm is near 1e-3 in each group.

    Args:
        ratios: Group -> ratio of the first update. The head is not judged: a
            fresh one is all but zero, and any update is large beside that.

    Reference:
        CS231n notes, Neural Networks Part 3, "Ratio of weights:updates".
    """
    name, expected = "update_ratios", f"near {HEALTHY_RATIO:g}"
    shown = {group: float(f"{ratio:.3g}") for group, ratio in ratios.items()}
    judged = {group: r for group, r in ratios.items() if group != HEAD}
    if not judged:
        message = "Only the fresh head trains; its ratio says nothing yet."
        return CheckResult(name, SKIP, shown, expected, message)
    low, high = RATIO_BOUNDS
    off = {g: r for g, r in judged.items() if not low <= r <= high}
    listed = ", ".join(f"{group} {r:.1e}" for group, r in judged.items())
    message = f"A step changes the weights by {listed} of their norm"
    if off:
        group, ratio = next(iter(off.items()))
        change = "small" if ratio < low else "large"
        message += f": too {change} in '{group}' (limits {low:g}..{high:g})"
    return CheckResult(
        name, WARN if off else PASS, shown, expected, f"{message}."
    )


def first_update_ratios(
    step: Step,
    groups: Sequence[LayerGroup],
    optimizer: keras.optimizers.Optimizer,
) -> dict[str, float]:
    """Returns group -> norm of its first update over the norm of its weights.

    Args:
        step: Whose gradients the optimizer is given; weights are put back.
        groups: Of the phase.
        optimizer: The phase's own, built on the groups' variables.
    """
    variables = [v for group in groups for v in group.variables]
    before = values_of(variables)
    gradients = [
        keras.ops.convert_to_tensor(step.gradients[v.path]) for v in variables
    ]
    # Gradients were taken without loss scaling.
    getattr(optimizer, "inner_optimizer", optimizer).apply(gradients, variables)
    ratios = {
        group.name: update_ratio(group.variables, before) for group in groups
    }
    for variable in variables:
        variable.assign(before[variable.path])
    return ratios

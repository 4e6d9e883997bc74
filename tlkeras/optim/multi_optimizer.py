"""One optimizer for several layer groups, on Keras' own `MultiOptimizer`.

What is added: every variable must belong to exactly one group, clipping over
all groups together, float16 loss scaling that callbacks can see through, and
slots that survive a change of phase.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tlkeras.errors import InputError
from tlkeras.optim.optimizers import OptimizerSpec, build_optimizer
from tlkeras.optim.schedules import PhaseSchedule

# Slot key -> value; a key names the optimizer class, the variable and the slot.
Slots = dict[str, np.ndarray]
# Gradients of one replica, from within it -> their means over all replicas.
MeanGradients = Callable[[Sequence[Any]], list[Any]]


@dataclasses.dataclass(frozen=True)
class SharedStep:
    """A step that several replicas take, each on its part of a batch.

    Attributes:
        num_replicas: n.
        mean: Of gradients over the replicas. Keras sums what each replica ends
            with, so that n equal means are the gradient of the whole batch.
    """

    num_replicas: int
    mean: MeanGradients

    def bound(self, clipnorm: float | None) -> float | None:
        """Returns the bound of a mean's norm that is a bound of the sum's."""
        return None if clipnorm is None else clipnorm / self.num_replicas


@keras.saving.register_keras_serializable("tlkeras")
class GroupOptimizer(keras.optimizers.MultiOptimizer):
    """`MultiOptimizer` with clipping by the norm over all groups.

    Keras applies `global_clipnorm` inside each inner optimizer, so that two
    groups at 1 have a joint norm of up to 1.41; here it is done before the
    gradients are dispatched.

    Args:
        optimizer_map: A `keras.optimizers.OptimizerMap` by exact paths.
        joint_clipnorm: Bound of the norm over all gradients, or None.
        **kwargs: Of `keras.optimizers.MultiOptimizer`.
    """

    mean_gradients: MeanGradients | None = None  # before anything else

    def __init__(
        self,
        optimizer_map: Any,
        joint_clipnorm: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer_map, **kwargs)
        self.joint_clipnorm = joint_clipnorm

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Clips over all groups, then lets each group's optimizer step."""
        if self.mean_gradients:
            grads = self.mean_gradients(grads)
        if self.joint_clipnorm:
            present = [g for g in grads if g is not None]
            norm = ops.sqrt(
                sum(
                    ops.sum(ops.square(ops.cast(g, "float32"))) for g in present
                )
            )
            scale = ops.minimum(1.0, self.joint_clipnorm / (norm + 1e-12))
            grads = [
                None if g is None else g * ops.cast(scale, g.dtype)
                for g in grads
            ]
        super().apply(grads, trainable_variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "joint_clipnorm": self.joint_clipnorm}


@keras.saving.register_keras_serializable("tlkeras")
class GroupLossScaleOptimizer(keras.optimizers.LossScaleOptimizer):
    """Float16 loss scaling whose inner groups callbacks can reach.

    Keras wraps any optimizer under `mixed_float16`; without `optimizers`,
    `LearningRateScheduler` and `ReduceLROnPlateau` fail on the wrapper.
    """

    mean_gradients: MeanGradients | None = None  # before anything else

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Takes the step if the gradients of all replicas are finite.

        Keras looks at those of the first.
        """
        if self.mean_gradients:
            grads = self.mean_gradients(grads)
        super().apply(grads, trainable_variables)

    @property
    def optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The optimizers of the layer groups."""
        return self.inner_optimizer.optimizers


def build_group_optimizer(
    variables_by_group: Mapping[str, Sequence[keras.Variable]],
    specs: Mapping[str, OptimizerSpec],
    trainable_variables: Sequence[keras.Variable],
    *,
    joint_clipnorm: float | None = None,
    scale_loss: bool = False,
    shared: SharedStep | None = None,
) -> keras.optimizers.Optimizer:
    """Builds one optimizer for all groups.

    Args:
        variables_by_group: Group name -> its trainable variables.
        specs: Group name -> its optimizer.
        trainable_variables: Of the model; each must be in one group.
        joint_clipnorm: Bound of the gradient norm over all groups, or None.
        scale_loss: Whether to scale the loss, for float16 gradients.
        shared: Where several replicas step together. What clips, or looks
            whether gradients are finite, must see those of all.

    Raises:
        InputError: If a group is empty, or a variable is in no group or two.
    """
    check_coverage(variables_by_group, trainable_variables)
    if shared:
        joint_clipnorm = shared.bound(joint_clipnorm)
        specs = {
            name: dataclasses.replace(
                spec, clipnorm=shared.bound(spec.clipnorm)
            )
            for name, spec in specs.items()
        }
    optimizers = {
        name: build_optimizer(specs[name], name=name, variables=list(variables))
        for name, variables in variables_by_group.items()
    }
    table = {
        variable.path: optimizers[name]
        for name, variables in variables_by_group.items()
        for variable in variables
    }
    default = next(iter(optimizers.values()))
    group_optimizer: keras.optimizers.Optimizer = GroupOptimizer(
        keras.optimizers.OptimizerMap(default, table),
        joint_clipnorm=joint_clipnorm,
        name="groups",
    )
    if scale_loss:
        group_optimizer = GroupLossScaleOptimizer(group_optimizer)
    clips = joint_clipnorm or any(spec.clipnorm for spec in specs.values())
    if shared and (clips or scale_loss):
        group_optimizer.mean_gradients = shared.mean
    return group_optimizer


def check_coverage(
    variables_by_group: Mapping[str, Sequence[keras.Variable]],
    trainable_variables: Sequence[keras.Variable],
) -> None:
    """Makes sure that every trainable variable belongs to exactly one group.

    Raises:
        InputError: Naming the group or the variable.
    """
    owner: dict[str, str] = {}
    for name, variables in variables_by_group.items():
        if not variables:
            raise InputError(
                f"The layer group '{name}' matches no trainable layer; "
                "expected at least one: remove it or lower trainable_from."
            )
        for variable in variables:
            if variable.path in owner:
                raise InputError(
                    f"The variable '{variable.path}' is in two layer groups, "
                    f"'{owner[variable.path]}' and '{name}'; expected one."
                )
            owner[variable.path] = name
    paths = {variable.path for variable in trainable_variables}
    for path in sorted(paths - set(owner)):
        raise InputError(
            f"The trainable variable '{path}' is in no layer group; expected "
            "groups that cover all: let one start at 'all'."
        )
    for path in sorted(set(owner) - paths):
        raise InputError(
            f"The variable '{path}' of layer group '{owner[path]}' does not "
            "train; expected trainable variables: raise the group's start."
        )


def inner_optimizers(
    optimizer: keras.optimizers.Optimizer,
) -> list[keras.optimizers.Optimizer]:
    """Returns the groups' optimizers, through loss scaling if there is any."""
    return list(optimizer.optimizers)


def current_rates(optimizer: keras.optimizers.Optimizer) -> dict[str, float]:
    """Returns group name -> learning rate of the next step."""
    return {
        inner.name: float(keras.ops.convert_to_numpy(inner.learning_rate))
        for inner in inner_optimizers(optimizer)
    }


def _slot_keys(inner: keras.optimizers.Optimizer) -> dict[str, keras.Variable]:
    kind = type(inner).__name__
    return {
        f"{kind}/{variable.path.removeprefix(inner.name + '/')}": variable
        for variable in inner.variables
        if variable is not inner.iterations and len(variable.shape) > 0
    }


def export_slots(optimizer: keras.optimizers.Optimizer) -> Slots:
    """Returns the slots of all groups, and the iterations behind them."""
    slots: Slots = {}
    for inner in inner_optimizers(optimizer):
        iterations = keras.ops.convert_to_numpy(inner.iterations)
        for key, variable in _slot_keys(inner).items():
            slots[key] = keras.ops.convert_to_numpy(variable)
            slots[f"{key}/iterations"] = iterations
    return slots


def import_slots(
    optimizer: keras.optimizers.Optimizer, slots: Slots
) -> dict[str, int]:
    """Carries slots over to a new phase's optimizer, group by group.

    A group takes over its slots and its iterations when all of its variables
    had the same slots under the same optimizer class for the same number of
    steps; else it starts afresh, because Adam's bias correction would be wrong
    for a mixture. Its schedule is moved so that it starts at its beginning.

    Args:
        optimizer: Built on the model's trainable variables.
        slots: From `export_slots` of the phase before.

    Returns:
        Group name -> iterations taken over, for the groups that did.
    """
    carried = {}
    for inner in inner_optimizers(optimizer):
        keys = _slot_keys(inner)
        steps = {
            int(slots[f"{key}/iterations"]) if key in slots else -1
            for key in keys
        }
        if len(steps) != 1 or -1 in steps:
            continue
        for key, variable in keys.items():
            variable.assign(slots[key])
        iterations = steps.pop()
        inner.iterations.assign(iterations)
        set_first_step(inner, iterations)
        carried[inner.name] = iterations
    return carried


def set_first_step(inner: keras.optimizers.Optimizer, iterations: int) -> None:
    """Lets a group's schedule begin at an iteration other than 0."""
    schedule = inner._learning_rate  # the public property evaluates it
    if isinstance(schedule, PhaseSchedule):
        schedule.first_step = iterations

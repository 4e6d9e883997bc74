"""Several networks over one shared lower part, as one classifier.

Networks that were trained from one start are equal below the first layer that
changed. Everything above it is there once a network, and what they end in lies
side by side, [N, h, w, K c]. The mean of K linear heads is then one linear head
on all of it, with kernels W_k / K: the ensemble is a classifier like any other,
whose logits are the mean of its members'.

Reference:
    Lakshminarayanan et al., Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles, 2017.
"""

from collections.abc import Sequence

import keras
import numpy as np

from tlkeras.models.cells import find_backbone
from tlkeras.models.graph import (
    frontiers,
    graph_nodes,
    num_multiplications,
    topological_layers,
)
from tlkeras.models.heads import LOGITS, POOLING


def build_ensemble(members: Sequence[keras.Model]) -> keras.Model:
    """Builds the classifier whose logits are the mean of its members'.

    Args:
        members: Classifiers of one architecture with a linear head: float32
            [N, S, S, 3] in 0..255 -> logits [N, C]. The first one's layers are
            shared, the others' copied.
    """
    first = members[0]
    backbones = [find_backbone(member) for member in members]
    (call,) = [
        node for node in graph_nodes(first) if node.operation is backbones[0]
    ]
    joined = _join(backbones)
    x = joined(call.input_tensors[0])
    map_shape = call.output_tensors[0].shape[1:]
    for layer in first.layers:
        if layer.name in (f"{POOLING}_tokens", POOLING):
            x = type(layer).from_config(layer.get_config())(x)
    heads = [member.get_layer(LOGITS).get_weights() for member in members]
    is_joined = joined is not backbones[0]
    layer = keras.layers.Dense(heads[0][1].size, dtype="float32", name=LOGITS)
    logits = layer(x)
    kernels = [kernel for kernel, _ in heads]
    kernel = (
        _lay_out(kernels, map_shape[-1])
        if is_joined
        else np.sum(kernels, axis=0)
    )
    mean = [kernel / len(members), np.mean([bias for _, bias in heads], axis=0)]
    layer.set_weights([weight.astype(np.float32) for weight in mean])
    return keras.Model(first.inputs[0], logits, name=first.name)


def _lay_out(kernels: Sequence[np.ndarray], channels: int) -> np.ndarray:
    """Orders kernels [d, C] as their features lie: channels of all, a cell."""
    num_classes = kernels[0].shape[1]
    by_cell = [kernel.reshape(-1, channels, num_classes) for kernel in kernels]
    return np.concatenate(by_cell, axis=1).reshape(-1, num_classes)


def find_change(backbones: Sequence[keras.Model]) -> int:
    """Returns the first layer in which networks differ.

    First in the order of the calls, by which frontiers are found: of branches
    side by side, layers may be listed in another one.

    Args:
        backbones: Of one architecture.

    Returns:
        Its index in topological order; the number of layers for none.
    """
    own = topological_layers(backbones[0])
    places = {
        id(node.operation): place
        for place, node in enumerate(graph_nodes(backbones[0]))
    }
    columns = zip(*map(topological_layers, backbones), strict=True)
    changed = [i for i, layers in enumerate(columns) if _differ(layers)]
    return min(changed, key=lambda i: places[id(own[i])], default=len(own))


def _differ(layers: Sequence[keras.layers.Layer]) -> bool:
    first, *others = (layer.get_weights() for layer in layers)
    return any(not all(map(np.array_equal, first, o)) for o in others)


def _join(backbones: Sequence[keras.Model]) -> keras.Model:
    """Returns images -> what all backbones end in, side by side."""
    first, *others = backbones
    cut = find_change(backbones)
    if cut == len(topological_layers(first)):
        return first
    shared = frontiers(first)[cut].before
    outputs = [first.outputs[0]]
    for number, other in enumerate(others, 2):
        upper = keras.Model(frontiers(other)[cut].before, other.outputs[0])
        outputs.append(_copy_onto(upper, shared, f"member_{number}"))
    joined = keras.layers.Concatenate(axis=-1, name="members")(outputs)
    return keras.Model(first.inputs[0], joined, name=first.name)


def _copy_onto(
    model: keras.Model, tensors: Sequence[keras.KerasTensor], name: str
) -> keras.KerasTensor:
    """Builds copies of a model's layers, with their weights, on tensors.

    As layers of their own: a model inside would hide its strides.
    """
    made = dict(zip(map(id, model.inputs), tensors, strict=True))
    copies: dict[int, keras.Operation] = {}
    for node in graph_nodes(model):
        if node.is_input:
            continue
        operation = node.operation
        copy = copies.setdefault(id(operation), _copy(operation, name))
        arguments, options = node.arguments.fill_in(made)
        outputs = keras.tree.flatten(copy(*arguments, **options))
        made |= zip(map(id, node.output_tensors), outputs, strict=True)
        if isinstance(operation, keras.layers.Layer):
            copy.set_weights(operation.get_weights())
    return made[id(model.outputs[0])]


def _copy(operation: keras.Operation, name: str) -> keras.Operation:
    config = operation.get_config()
    return type(operation).from_config(
        {**config, "name": f"{operation.name}_{name}"}
    )


def compute_cost(ensemble: keras.Model, member: keras.Model) -> float:
    """Returns multiplications of an ensemble over those of one member."""
    both = (
        sum(map(num_multiplications, topological_layers(find_backbone(model))))
        for model in (ensemble, member)
    )
    return next(both) / next(both)

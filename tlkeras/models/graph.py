"""Walking a functional backbone: order, strides, and frontiers."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import keras

from tlkeras.errors import InputError
from tlkeras.tables import suggest


def topological_layers(backbone: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers of a functional model, each after its inputs.

    Nested models (ConvNeXt's Sequentials) count as one layer.
    """
    return [
        layer
        for layer in backbone.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def leaf_layers(layer: keras.layers.Layer) -> Iterator[keras.layers.Layer]:
    """Yields the layer, or the layers inside it if it is a nested model."""
    if isinstance(layer, keras.Model):
        for inner in layer.layers:
            yield from leaf_layers(inner)
    else:
        yield layer


def batch_norm_layers(
    layers: list[keras.layers.Layer],
) -> list[keras.layers.Layer]:
    """Returns the BatchNormalization layers, nested ones too."""
    return [
        leaf
        for layer in layers
        for leaf in leaf_layers(layer)
        if isinstance(leaf, keras.layers.BatchNormalization)
    ]


def num_parameters(layer: keras.layers.Layer) -> int:
    """Returns the number of weights of a layer, trainable or not."""
    return sum(math.prod(weight.shape) for weight in layer.weights)


def num_multiplications(layer: keras.layers.Layer) -> int:
    """Returns weights times output positions, for one image."""
    return num_parameters(layer) * math.prod(layer.output.shape[1:-1])


def graph_nodes(backbone: keras.Model) -> list[Any]:
    """Returns the calls of layers and operations in topological order.

    Only calls that belong to this functional graph, whatever else their layers
    are used for. Each has `operation`, `input_tensors`, `output_tensors`.
    """
    # Keras has no public walk of calls; a Sequential wraps a graph of its own.
    by_depth = getattr(backbone, "_functional", backbone)._nodes_by_depth
    return [
        node
        for depth in sorted(by_depth, reverse=True)
        for node in by_depth[depth]
    ]


def layer_tensors(backbone: keras.Model) -> list[keras.KerasTensor]:
    """Returns what each layer gives in this graph, in topological order.

    The attribute `output` of a model inside another one is a tensor of its own
    graph.

    Args:
        backbone: A functional model.

    Returns:
        Symbolic, each [N, ...].
    """
    given = {
        id(node.operation): node.output_tensors[0]
        for node in graph_nodes(backbone)
    }
    return [given[id(layer)] for layer in topological_layers(backbone)]


def layer_stages(backbone: keras.Model) -> list[int]:
    """Returns log2 of each layer's output stride, in topological order.

    Strides come from the layers' own settings, not from sizes: padding and
    small images do not change them, and the 1 x 1 squeeze-and-excitation
    branches stay in their block. A layer never has a lower stage than one
    before it.
    """
    strides: dict[int, int] = {}
    by_operation: dict[int, int] = {}
    for node in graph_nodes(backbone):
        inputs = [strides[id(tensor)] for tensor in node.input_tensors]
        stride = max(inputs, default=1) * _own_stride(node.operation)
        by_operation[id(node.operation)] = stride
        strides.update((id(tensor), stride) for tensor in node.output_tensors)
    stages, highest = [], 0
    for layer in topological_layers(backbone):
        highest = max(highest, round(math.log2(by_operation[id(layer)])))
        stages.append(highest)
    return stages


def _own_stride(operation: Any) -> int:
    """Returns by how much a layer, or a nested model, shrinks the image."""
    if not isinstance(operation, keras.layers.Layer):
        return 1
    product = 1
    for leaf in leaf_layers(operation):
        stride = getattr(leaf, "strides", 1)
        product *= stride if isinstance(stride, int) else stride[0]
    return product


@dataclasses.dataclass(frozen=True)
class Frontier:
    """The tensors [N, ...] that live on either side of a layer.

    Attributes:
        before: Produced before the layer, consumed by it or after it.
        after: Produced up to the layer, consumed after it, or put out. Where
            this is one tensor, all of what follows depends on it only.
    """

    before: list[keras.KerasTensor]
    after: list[keras.KerasTensor]


def frontiers(backbone: keras.Model) -> list[Frontier]:
    """Returns the frontier at each layer, in topological order.

    The tensors after one layer and before the next differ where plain
    operations stand between them.
    """
    nodes = graph_nodes(backbone)
    last_use: dict[int, int] = {}
    for index, node in enumerate(nodes):
        last_use.update((id(tensor), index) for tensor in node.input_tensors)
    last_use.update((id(tensor), len(nodes)) for tensor in backbone.outputs)
    alive: list[keras.KerasTensor] = []
    found: dict[int, Frontier] = {}
    for index, node in enumerate(nodes):
        before = alive
        alive = [
            tensor
            for tensor in [*alive, *node.output_tensors]
            if last_use.get(id(tensor), -1) > index
        ]
        found[id(node.operation)] = Frontier(before, alive)
    return [found[id(layer)] for layer in topological_layers(backbone)]


def layer_index(backbone: keras.Model, name: str, *, what: str) -> int:
    """Returns a layer's place in topological order.

    Raises:
        InputError: If the backbone has no such layer.
    """
    names = [layer.name for layer in topological_layers(backbone)]
    if name not in names:
        raise InputError(
            f"{what} '{name}' is no layer of {backbone.name}."
            f"{suggest(name, names)} Expected a layer name or a stage: list "
            "them with tlkeras doctor --layers."
        )
    return names.index(name)

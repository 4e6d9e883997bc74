"""Walking a functional backbone: order, strides, and cutoffs.

A cutoff names the first layer that trains; it and all layers after it in
topological order form the trainable part.
"""

import dataclasses
import math
import re
from collections.abc import Iterator
from typing import Any

import keras

from tlkeras.errors import InputError
from tlkeras.tables import suggest

STAGE = re.compile(r"stage(\d+)")


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


def stage_start(backbone: keras.Model, stage: int, *, what: str) -> int:
    """Returns the index of the first layer whose output stride is 2^stage.

    Raises:
        InputError: If no layer has that stride.
    """
    stages = layer_stages(backbone)
    if stage not in stages:
        known = ", ".join(f"stage{s}" for s in sorted(set(stages)) if s)
        raise InputError(
            f"{what} 'stage{stage}' does not exist in {backbone.name}; "
            f"expected one of: {known}."
        )
    return stages.index(stage)


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


def find_cutoff(
    backbone: keras.Model, trainable_from: str, *, what: str = "trainable_from"
) -> int:
    """Returns the index of the first trainable layer in topological order.

    Args:
        backbone: A functional model.
        trainable_from: `none`, `all`, a layer's name, `stageN` (first layer of
            output stride 2^N), `-20` (the last 20 layers that own weights), or
            `0.3` (the smallest top part that holds at least 30 % of the
            parameters).
        what: The field's name, for messages.

    Returns:
        0 .. number of layers; the latter means that nothing trains.

    Raises:
        InputError: If the text means none of these.
    """
    layers = topological_layers(backbone)
    if trainable_from == "none":
        return len(layers)
    if trainable_from == "all":
        return 0
    if match := STAGE.fullmatch(trainable_from):
        return stage_start(backbone, int(match.group(1)), what=what)
    try:
        number = float(trainable_from)
    except ValueError:
        return layer_index(backbone, trainable_from, what=what)
    if number <= -1 and number.is_integer():
        return _last_layers(backbone, -int(number), what)
    if 0 < number <= 1:
        return _top_share(backbone, number)
    raise InputError(
        f"{what}='{trainable_from}' is out of range; expected a negative "
        "number of layers such as -20 or a share of parameters in (0, 1]."
    )


def _last_layers(backbone: keras.Model, count: int, what: str) -> int:
    owners = [
        index
        for index, layer in enumerate(topological_layers(backbone))
        if layer.weights
    ]
    if count > len(owners):
        raise InputError(
            f"{what}='-{count}' asks for more layers than {backbone.name} "
            f"has; expected at most {len(owners)}: use 'all'."
        )
    return owners[-count]


def _top_share(backbone: keras.Model, share: float) -> int:
    layers = topological_layers(backbone)
    sizes = [num_parameters(layer) for layer in layers]
    held, total = 0, sum(sizes)
    for index in range(len(layers) - 1, -1, -1):
        held += sizes[index]
        if held >= share * total and sizes[index]:
            return index
    return 0


def _last_bottleneck(backbone: keras.Model, stage: int) -> int:
    """Returns the last layer of a stage that all of the rest depends on.

    Padding for the next stage does not count. Where a network has no
    bottleneck in the stage, its last layer is taken.
    """
    members = [
        index
        for index, (layer, s) in enumerate(
            zip(
                topological_layers(backbone),
                layer_stages(backbone),
                strict=True,
            )
        )
        if s == stage and not isinstance(layer, keras.layers.ZeroPadding2D)
    ]
    alive = frontiers(backbone)
    narrow = [index for index in members if len(alive[index].after) == 1]
    return (narrow or members)[-1]


def truncate(backbone: keras.Model, features_from: str) -> keras.Model:
    """Returns the backbone up to a layer, or to the last layer of a stage.

    Args:
        backbone: A functional model with one output.
        features_from: `""` (the top), a layer's name or `stageN`: the last
            layer of the stage that all of the rest depends on.

    Raises:
        InputError: If there is no such layer or stage.
    """
    if not features_from:
        return backbone
    what = "model.features_from"
    layers = topological_layers(backbone)
    if match := STAGE.fullmatch(features_from):
        stage = int(match.group(1))
        stage_start(backbone, stage, what=what)
        index = _last_bottleneck(backbone, stage)
    else:
        index = layer_index(backbone, features_from, what=what)
    return keras.Model(
        backbone.inputs, layers[index].output, name=backbone.name
    )

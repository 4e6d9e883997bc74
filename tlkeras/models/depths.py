"""The depths of a backbone at which everything above depends on one tensor."""

import re

import keras

from tlkeras.errors import InputError
from tlkeras.models.graph import (
    frontiers,
    layer_index,
    layer_stages,
    num_multiplications,
    topological_layers,
)

BLOCK = re.compile(r".*block_?\d+[a-z]?")
PADDING = (keras.layers.ZeroPadding2D,)


def block_ends(backbone: keras.Model) -> list[str]:
    """Returns the names of layers that end a block, from the stem to the top.

    After such a layer one tensor, a map or tokens, carries all that is known of
    the image, and what comes next has a kernel of its own, or branches. Where
    names number blocks (`block_3_add`, `conv2_block1_out`), the last such layer
    of each block counts.
    """
    layers = topological_layers(backbone)
    alive = [frontier.after for frontier in frontiers(backbone)]
    ends: dict[str, str] = {}
    has_begun = False
    for index, layer in enumerate(layers):
        has_begun |= _has_kernel(layer)
        if isinstance(layer, PADDING) or len(alive[index]) != 1:
            continue
        if not has_begun:
            continue  # scaling of the pixels
        has_places = len(layer.output.shape) in (3, 4)
        if has_places and _is_followed(layers, alive, index):
            match = BLOCK.match(layer.name)
            key = match.group() if match else layer.name
            ends.pop(key, None)
            ends[key] = layer.name
    return list(ends.values())


def _has_kernel(layer: keras.layers.Layer) -> bool:
    return hasattr(layer, "kernel") or isinstance(layer, keras.Model)


def _is_followed(layers: list, alive: list, index: int) -> bool:
    """Says whether a new unit begins after a layer, or nothing at all."""
    following = [
        position
        for position in range(index + 1, len(layers))
        if not isinstance(layers[position], PADDING)
    ]
    if not following:
        return True
    after = following[0]
    return len(alive[after]) > 1 or _has_kernel(layers[after])


def is_isotropic(backbone: keras.Model) -> bool:
    """Whether a network keeps one resolution, as vision transformers do.

    That is, whether most of its layers give tokens [N, T, d].
    """
    ranks = [len(layer.output.shape) for layer in topological_layers(backbone)]
    return ranks.count(3) > ranks.count(4)


def block_starts(backbone: keras.Model) -> list[int]:
    """Returns where the blocks of a network begin, from the stem to the top.

    Args:
        backbone: A functional model.

    Returns:
        Of each block above the stem, the index of its first layer in
        topological order.
    """
    names = [layer.name for layer in topological_layers(backbone)]
    return [names.index(end) + 1 for end in block_ends(backbone)[:-1]]


def upper_start(backbone: keras.Model) -> int:
    """Returns where the upper part of a network begins.

    That is its last stage, the highest output stride; where it keeps one
    resolution, the upper third of its blocks.

    Args:
        backbone: A functional model.

    Returns:
        Index of the first layer in topological order.
    """
    if not is_isotropic(backbone):
        stages = layer_stages(backbone)
        return stages.index(stages[-1])
    starts = block_starts(backbone)
    return starts[-max(1, round(len(starts) / 3))] if starts else 0


def depth_sections(backbone: keras.Model) -> dict[str, int]:
    """Returns the parts of a network by depth, from the stem to the top.

    Args:
        backbone: A functional model.

    Returns:
        Where each begins, as for `cutoffs.find_cutoff` (`all`, `stageN` or a
        layer) -> the index of its first layer. Blocks, where the network keeps
        one resolution, else stages.
    """
    if is_isotropic(backbone):
        layers = topological_layers(backbone)
        starts = block_starts(backbone)
        return {"all": 0, **{layers[start].name: start for start in starts}}
    stages = layer_stages(backbone)
    return {
        f"stage{stage}" if stage else "all": stages.index(stage)
        for stage in sorted(set(stages))
    }


def layer_work(backbone: keras.Model) -> list[int]:
    """Returns the multiplications of each layer, in topological order."""
    return [
        num_multiplications(layer) for layer in topological_layers(backbone)
    ]


def activation_input(
    backbone: keras.Model, name: str, *, what: str
) -> keras.KerasTensor:
    """Returns what goes into a layer's nonlinearity, [N, ...].

    Args:
        backbone: A functional model.
        name: A layer that is, or ends in, an activation.
        what: The field's name, for messages.

    Raises:
        InputError: If the layer has no nonlinearity.
    """
    layer = topological_layers(backbone)[layer_index(backbone, name, what=what)]
    if isinstance(layer, (keras.layers.ReLU, keras.layers.Activation)):
        return layer.input
    function = getattr(layer, "activation", None)
    if function is None or function is keras.activations.linear:
        raise InputError(
            f"{what} '{name}' has no nonlinearity, so nothing comes before "
            "one; expected a ReLU or a layer with an activation: choose "
            "another layer, or leave out --before_activation."
        )
    config = {**layer.get_config(), "activation": None}
    copy = type(layer).from_config({**config, "name": f"{name}_linear"})
    tensor = copy(layer.input)
    copy.set_weights(layer.get_weights())
    return tensor

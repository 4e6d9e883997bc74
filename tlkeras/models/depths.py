"""The depths of a backbone at which everything above depends on one tensor."""

import re

import keras

from tlkeras.errors import InputError
from tlkeras.models.graph import frontiers, layer_index, topological_layers

BLOCK = re.compile(r".*block_?\d+[a-z]?")
PADDING = (keras.layers.ZeroPadding2D,)


def block_ends(backbone: keras.Model) -> list[str]:
    """Returns the names of layers that end a block, from the stem to the top.

    After such a layer one tensor carries all that is known of the image, and
    what comes next has a kernel of its own, or branches. Where names number
    blocks (`block_3_add`, `conv2_block1_out`), the last such layer of each
    block counts.
    """
    layers = topological_layers(backbone)
    alive = [frontier.after for frontier in frontiers(backbone)]
    ends: dict[str, str] = {}
    has_begun = False
    for index, layer in enumerate(layers):
        has_begun |= hasattr(layer, "kernel") or isinstance(layer, keras.Model)
        if isinstance(layer, PADDING) or len(alive[index]) != 1:
            continue
        if not has_begun:
            continue  # scaling of the pixels
        if len(layer.output.shape) == 4 and _is_followed(layers, alive, index):
            match = BLOCK.match(layer.name)
            key = match.group() if match else layer.name
            ends.pop(key, None)
            ends[key] = layer.name
    return list(ends.values())


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
    return len(alive[after]) > 1 or hasattr(layers[after], "kernel")


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

"""Where a backbone is cut: a layer, a stage, a count, a share.

A cutoff names the first layer that trains; it and all layers after it in
topological order form the trainable part.
"""

import re

import keras

from tlkeras.errors import InputError
from tlkeras.models.depths import block_starts, is_isotropic, upper_start
from tlkeras.models.graph import (
    frontiers,
    layer_index,
    layer_stages,
    layer_tensors,
    num_parameters,
    topological_layers,
)

STAGE = re.compile(r"stage(\d+)")
# Where fine-tuning begins by default (`config/defaults.py`): the one stage that
# means something in a network of one resolution.
DEFAULT_START = "stage3"


def stage_start(backbone: keras.Model, stage: int, *, what: str) -> int:
    """Returns the index of the first layer whose output stride is 2^stage.

    Raises:
        InputError: If no layer has that stride.
    """
    if is_isotropic(backbone):
        names = [
            topological_layers(backbone)[start].name
            for start in block_starts(backbone)
        ]
        raise InputError(
            f"{what} 'stage{stage}' does not exist in {backbone.name}, which "
            f"keeps one resolution; expected one of: {', '.join(names)}."
        )
    stages = layer_stages(backbone)
    if stage not in stages:
        known = ", ".join(f"stage{s}" for s in sorted(set(stages)) if s)
        raise InputError(
            f"{what} 'stage{stage}' does not exist in {backbone.name}; "
            f"expected one of: {known}."
        )
    return stages.index(stage)


def find_cutoff(
    backbone: keras.Model, trainable_from: str, *, what: str = "trainable_from"
) -> int:
    """Returns the index of the first trainable layer in topological order.

    Args:
        backbone: A functional model.
        trainable_from: `none`, `all`, a layer's name, `stageN` (first layer of
            output stride 2^N; `stage3`, the default, means the upper third of
            the blocks where a network keeps one resolution), `-20` (the last
            20 layers that own weights), or `0.3` (the smallest top part that
            holds at least 30 % of the parameters).
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
    if trainable_from == DEFAULT_START and is_isotropic(backbone):
        return upper_start(backbone)
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
    if match := STAGE.fullmatch(features_from):
        stage = int(match.group(1))
        stage_start(backbone, stage, what=what)
        index = _last_bottleneck(backbone, stage)
    else:
        index = layer_index(backbone, features_from, what=what)
    return keras.Model(
        backbone.inputs, layer_tensors(backbone)[index], name=backbone.name
    )


def explain_start(backbone: keras.Model, trainable_from: str) -> str:
    """Returns what the default start means in a network of one resolution.

    Args:
        backbone: A functional model.
        trainable_from: As for `find_cutoff`.

    Returns:
        For people; "" where it means what it says.
    """
    if trainable_from != DEFAULT_START or not is_isotropic(backbone):
        return ""
    name = topological_layers(backbone)[upper_start(backbone)].name
    return (
        f"'{trainable_from}' is '{name}' in {backbone.name}, which keeps one "
        "resolution: the upper third of its blocks"
    )

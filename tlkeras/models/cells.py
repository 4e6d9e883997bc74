"""Where a classifier has cells: of a map, or the patches of a transformer."""

import keras

from tlkeras.errors import InputError
from tlkeras.models.depths import is_isotropic
from tlkeras.models.graph import graph_nodes, layer_stages
from tlkeras.models.heads import POOLING
from tlkeras.models.tokens import (
    count_prefix_tokens,
    has_tokens,
    token_grid,
)


def find_backbone(model: keras.Model) -> keras.Model:
    """Returns the pretrained part of a classifier, the model inside it."""
    (backbone,) = [
        layer for layer in model.layers if isinstance(layer, keras.Model)
    ]
    return backbone


def find_stride(model: keras.Model) -> int:
    """Returns the pixels from one cell of a classifier's backbone to the next.

    A multiple of it is a size at which the cells cover the image.
    """
    backbone = find_backbone(model)
    grid = token_grid(backbone) if is_isotropic(backbone) else None
    if grid:
        return backbone.inputs[0].shape[1] // grid[0]
    return 2 ** layer_stages(backbone)[-1]


def has_cells(model: keras.Model) -> bool:
    """Whether a classifier pools over the cells of a map, or over patches."""
    backbone = find_backbone(model)
    features = backbone.outputs[0]
    if has_tokens(features):
        return _are_pooled(model) and token_grid(backbone) is not None
    return len(features.shape) == 4


def _are_pooled(model: keras.Model) -> bool:
    """Whether all patches are pooled, not the class token taken."""
    taken = [x for x in model.layers if x.name == f"{POOLING}_tokens"]
    return not any(layer.cropping[1] for layer in taken)


def find_cells(
    model: keras.Model,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Finds what the head of a classifier is applied to in each cell.

    Args:
        model: As for `dense.build_dense`.

    Returns:
        The images, and the cells [N, h, w, c] that its backbone makes of them.

    Raises:
        InputError: If there are none, or the head does not read them.
    """
    backbone = find_backbone(model)
    (call,) = [
        node for node in graph_nodes(model) if node.operation is backbone
    ]
    (features,) = call.output_tensors
    if len(features.shape) == 2:
        raise InputError(
            "This classifier's head cannot be dense: its backbone ends in "
            f"{features.shape[-1]} numbers an image; expected a map of cells: "
            "train with another --config.model.features_from."
        )
    if not has_cells(model):
        raise InputError(
            "This classifier's head cannot be dense: it reads the class token, "
            "or tokens of no known grid; expected one that pools patches: "
            "train with --config.model.pooling=average."
        )
    if has_tokens(features):
        grid = token_grid(backbone)
        start = count_prefix_tokens(backbone)
        shape = (-1, *(grid or ()), features.shape[-1])
        features = keras.ops.reshape(features[:, start:], shape)
    return model.inputs[0], features

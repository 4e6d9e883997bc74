"""Tokens [N, T, d] of a transformer: which are patches, and their grid.

Before the patches may come tokens of no place: a class token, registers.
"""

import keras

from tlkeras.models.graph import graph_nodes


def has_tokens(tensor: keras.KerasTensor) -> bool:
    """Whether a tensor is tokens [N, T, d]."""
    return len(tensor.shape) == 3


def token_grid(backbone: keras.Model) -> tuple[int, int] | None:
    """Returns the grid of the patches that tokens were made of.

    That of the last map below the tokens.

    Args:
        backbone: A functional model.

    Returns:
        (h, w); None where no map says it.
    """
    maps = [
        tensor
        for node in graph_nodes(backbone)
        if not node.is_input
        for tensor in node.output_tensors
        if len(tensor.shape) == 4
    ]
    if not maps or None in maps[-1].shape[1:3]:
        return None
    height, width = maps[-1].shape[1:3]
    return height, width


def count_prefix_tokens(
    backbone: keras.Model, tokens: keras.KerasTensor | None = None
) -> int:
    """Returns the number of tokens before the patches, k.

    Args:
        backbone: A functional model.
        tokens: Of its graph, [N, k + h w, d]; None = its output.

    Returns:
        0 also where the grid is not known.
    """
    tokens = backbone.outputs[0] if tokens is None else tokens
    grid = token_grid(backbone)
    if grid is None or not has_tokens(tokens):
        return 0
    return max(0, tokens.shape[1] - grid[0] * grid[1])


def take_tokens(
    tokens: keras.KerasTensor, first: int, end: int, *, name: str
) -> keras.KerasTensor:
    """Returns the tokens first .. end - 1 of [N, T, d].

    Args:
        tokens: Symbolic.
        first: In 0 .. T - 1.
        end: In 1 .. T.
        name: Of the layer that takes them; there is none where all are taken.
    """
    cut = (first, tokens.shape[1] - end)
    if cut == (0, 0):
        return tokens
    return keras.layers.Cropping1D(cut, name=name)(tokens)

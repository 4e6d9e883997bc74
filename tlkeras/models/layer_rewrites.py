"""Layers with variables of their own, written in Keras' layers.

Each row names a class of KerasHub and says how its answer is made. What a
vision transformer adds to its patches (class token, registers, positions) is
one table, which is learnt: a token's value and its position are only ever
added.

References:
    Dosovitskiy et al., An Image Is Worth 16x16 Words, 2021, section 3.1.
    Darcet et al., Vision Transformers Need Registers, 2024.
    Zhai et al., Scaling Vision Transformers, 2022 (attention pooling).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True)
class LayerRewrite:
    """How a layer is written in Keras' own.

    Attributes:
        write: The layer and its input [N, ...] -> its output.
        is_spread: Whether the layers are part of the graph around it, instead
            of a model of their own.
    """

    write: Callable[[Any, keras.KerasTensor], keras.KerasTensor]
    is_spread: bool = True


def _values(variable: Any, width: int) -> np.ndarray:
    """Returns a variable as a table [T, width]."""
    return keras.ops.convert_to_numpy(variable).reshape(-1, width)


def _learned_table(
    values: np.ndarray, like: keras.KerasTensor, name: str
) -> keras.KerasTensor:
    """Returns a table [T, d] that is learnt, once an image.

    As the kernel of a layer of Keras, times one.

    Args:
        values: [T, d].
        like: [N, ...], of which only N counts.
        name: Of the layer.

    Returns:
        [N, T, d].
    """
    axes = tuple(range(1, len(like.shape)))
    one = keras.ops.expand_dims(keras.ops.max(like, axis=axes), -1)
    layer = keras.layers.EinsumDense("nk,ktd->ntd", values.shape, name=name)
    tables = layer(keras.ops.ones_like(one))
    layer.set_weights([values[None]])
    return tables


def _embed(
    images: keras.KerasTensor,
    patches: keras.layers.Layer,
    tokens: np.ndarray,
    positions: np.ndarray,
    dropout: keras.layers.Layer | None = None,
) -> keras.KerasTensor:
    """Returns the tokens of images, [N, k + h w, d].

    Args:
        images: [N, S, S, 3].
        patches: The convolution that gives [N, h, w, d].
        tokens: [k, d], those before the patches with their positions.
        positions: [h w, d], those of the patches.
        dropout: At the end, if any.
    """
    x = patches(images)
    x = keras.layers.Reshape(positions.shape, name="patches")(x)
    if len(tokens):
        x = keras.layers.ZeroPadding1D((len(tokens), 0), name="tokens")(x)
    table = _learned_table(
        np.concatenate([tokens, positions]), images, "position_embedding"
    )
    x = keras.layers.Add(name="embedded")([x, table])
    return dropout(x) if dropout else x


def _vit(layer: Any, images: keras.KerasTensor) -> keras.KerasTensor:
    width = layer.hidden_dim
    positions = _values(layer.position_embedding.embeddings, width)
    tokens = np.zeros((0, width), positions.dtype)
    if layer.use_class_token:
        tokens = _values(layer.class_token, width) + positions[:1]
        positions = positions[1:]
    return _embed(images, layer.patch_embedding, tokens, positions)


def _dinov2(layer: Any, images: keras.KerasTensor) -> keras.KerasTensor:
    width = layer.hidden_dim
    positions = _values(layer.interpolated_position_embeddings, width)
    tokens = _values(layer.cls_token, width) + positions[:1]
    if layer.num_register_tokens:  # without positions
        registers = _values(layer.register_tokens, width)
        tokens = np.concatenate([tokens, registers])
    return _embed(
        images,
        layer.patch_embeddings.projection,
        tokens,
        positions[1:],
        layer.dropout,
    )


def _clip(layer: Any, images: keras.KerasTensor) -> keras.KerasTensor:
    width = layer.hidden_dim
    positions = _indexed_positions(layer)
    tokens = _values(layer.class_embedding, width) + positions[:1]
    return _embed(images, layer.patch_embedding, tokens, positions[1:])


def _siglip(layer: Any, images: keras.KerasTensor) -> keras.KerasTensor:
    positions = _indexed_positions(layer)
    return _embed(images, layer.patch_embedding, positions[:0], positions)


def _indexed_positions(layer: Any) -> np.ndarray:
    """Returns the positions [T, d] of a layer that keeps their order apart."""
    table = keras.ops.convert_to_numpy(layer.position_embedding.embeddings)
    order = keras.ops.convert_to_numpy(layer.position_ids).reshape(-1)
    return table[order]


def _attention_pooling(
    layer: Any, tokens: keras.KerasTensor
) -> keras.KerasTensor:
    """Returns what one learnt query finds in the tokens, [N, d]."""
    query = _learned_table(
        _values(layer.probe, layer.hidden_dim), tokens, "query"
    )
    found = layer.attention(query, tokens, tokens)
    found = found + layer.mlp(layer.layer_norm(found))
    return keras.ops.squeeze(found, axis=1)


def _layer_scale(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns x times a vector that is learnt."""
    values = keras.ops.convert_to_numpy(layer.lambda1)
    scale = keras.layers.EinsumDense("ntd,d->ntd", x.shape[1:], name="scale")
    scaled = scale(x)
    scale.set_weights([values])
    return scaled


def _drop_path(layer: Any, x: keras.KerasTensor) -> keras.KerasTensor:
    """Returns x with stochastic depth, a whole branch an image."""
    shape = (None,) + (1,) * (len(x.shape) - 1)
    return keras.layers.Dropout(layer.rate, noise_shape=shape)(x)


LAYER_REWRITES = {
    "ViTPatchingAndEmbedding": LayerRewrite(_vit),
    "DINOV2Embedding": LayerRewrite(_dinov2),
    "DINOV2LayerScale": LayerRewrite(_layer_scale),
    "DINOV2DropPath": LayerRewrite(_drop_path),
    "CLIPVisionEmbedding": LayerRewrite(_clip),
    "SigLIPVisionEmbedding": LayerRewrite(_siglip),
    "SigLIPMultiHeadAttentionPooling": LayerRewrite(
        _attention_pooling, is_spread=False
    ),
}

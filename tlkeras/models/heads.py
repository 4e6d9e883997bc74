"""The new layers on top of a backbone: linear, MLP, SVM and multi-label.

All heads end in logits (scores) in float32, whatever the precision policy.
With the default initializer, the lecture's N(0, 0.001) and zero biases, the
first softmax loss is ln C.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.models.tokens import has_tokens, take_tokens
from tlkeras.optim.losses import LOSSES, Loss
from tlkeras.tables import lookup

LOGITS = "logits"  # name of the last layer of every classifier


@dataclasses.dataclass(frozen=True)
class Pooling:
    """A way from what a backbone ends in to codes [N, d].

    Attributes:
        of_map: The layer for maps [N, h, w, c]; None where it takes tokens
            only.
        of_tokens: The layer for tokens [N, T, d].
        takes: Which tokens: `patches` or the `first` one.
    """

    of_map: type[keras.layers.Layer] | None
    of_tokens: type[keras.layers.Layer]
    takes: str = "patches"


POOLINGS = {
    "average": Pooling(
        keras.layers.GlobalAveragePooling2D, keras.layers.GlobalAveragePooling1D
    ),
    "max": Pooling(
        keras.layers.GlobalMaxPooling2D, keras.layers.GlobalMaxPooling1D
    ),
    "flatten": Pooling(keras.layers.Flatten, keras.layers.Flatten),
    "class_token": Pooling(None, keras.layers.Flatten, takes="first"),
}
POOLING = "pooling"  # name of the layer

INITIALIZERS: dict[str, Callable[[int], keras.initializers.Initializer]] = {
    "glorot_uniform": lambda seed: keras.initializers.GlorotUniform(seed),
    "he_normal": lambda seed: keras.initializers.HeNormal(seed),
    "small_normal": lambda seed: keras.initializers.RandomNormal(
        0.0, 1e-3, seed
    ),
}


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """A kind of head; each row names what may be done with it.

    Attributes:
        loss: That it trains with.
        has_hidden: Whether adaptation layers come before the last layer.
        is_solvable: Whether `method="solve"` can fit it.
        is_batchable: Whether `linear.batched_heads` trains it as Keras would.
    """

    loss: Loss
    has_hidden: bool
    is_solvable: bool
    is_batchable: bool

    @property
    def multi_label(self) -> bool:
        """Whether an image may carry several labels."""
        return self.loss.multi_label


HEADS = {
    "linear": HeadSpec(
        LOSSES["softmax"], has_hidden=False, is_solvable=True, is_batchable=True
    ),
    "svm": HeadSpec(
        LOSSES["squared_hinge"],
        has_hidden=False,
        is_solvable=True,
        is_batchable=True,
    ),
    "multi_label": HeadSpec(
        LOSSES["binary"], has_hidden=False, is_solvable=True, is_batchable=True
    ),
    "mlp": HeadSpec(
        LOSSES["softmax"],
        has_hidden=True,
        is_solvable=False,
        is_batchable=False,
    ),
}


@dataclasses.dataclass(frozen=True)
class HeadConfig:
    """The head that is wanted.

    Attributes:
        kind: Key of `HEADS`. `mlp` adds ReLU layers after Oquab et al. 2014.
        pooling: Key of `POOLINGS`; how [N, h, w, c] or tokens [N, T, d] become
            codes [N, d].
        hidden_units: Widths of the adaptation layers of an `mlp`.
        dropout: Rate in [0, 1) before the last layer and after each
            adaptation layer.
        initializer: Key of `INITIALIZERS`, for the last layer's kernel.
        l1: Penalty on the kernels' absolute values.
        l2: Penalty lambda / 2 ||W||^2.
        max_norm: Upper bound of each unit's weight norm, or None.

    Reference:
        Oquab et al., Learning and Transferring Mid-Level Image
        Representations, 2014, section 3.1.
    """

    kind: str = "linear"
    pooling: str = "average"
    hidden_units: Sequence[int] = (256,)
    dropout: float = 0.2
    initializer: str = "small_normal"
    l1: float = 0.0
    l2: float = 0.0
    max_norm: float | None = None


DEFAULT_HEAD = HeadConfig()
# Field of a config's section `model` -> field of `HeadConfig`.
HEAD_FIELDS = {
    "head": "kind",
    "pooling": "pooling",
    "hidden_units": "hidden_units",
    "dropout": "dropout",
    "head_initializer": "initializer",
    "head_l1": "l1",
    "head_l2": "l2",
    "head_max_norm": "max_norm",
}


def split_model_section(
    model: Mapping[str, Any],
) -> tuple[HeadConfig, dict[str, Any]]:
    """Returns the head of a config's section `model`, and its other fields."""
    head = {HEAD_FIELDS[name]: model[name] for name in HEAD_FIELDS}
    rest = {k: v for k, v in model.items() if k not in HEAD_FIELDS}
    return HeadConfig(**head), rest


def kernel_penalty(l1: float, l2: float) -> keras.Regularizer | None:
    """Returns l1 |W| + l2 / 2 ||W||^2, or None when both are zero."""
    if not l1 and not l2:
        return None
    return keras.regularizers.L1L2(l1=l1, l2=l2 / 2)


def build_head(
    features: keras.KerasTensor,
    head: HeadConfig,
    *,
    num_classes: int,
    num_prefix: int = 0,
    seed: int = 0,
) -> keras.KerasTensor:
    """Builds pooling, adaptation layers, dropout and the last layer.

    Args:
        features: Symbolic [N, h, w, c], [N, T, d] or [N, c].
        head: Which, and how it is regularised.
        num_classes: C.
        num_prefix: How many of T tokens come before the patches.
        seed: Of initial values and dropout.

    Returns:
        Symbolic float32 logits [N, C].

    Raises:
        InputError: For an unknown name, or a class token that there is not.
    """
    spec = lookup(HEADS, head.kind, what="head")
    dropout = head.dropout
    penalty = functools.partial(kernel_penalty, head.l1, head.l2)
    x = pool_features(features, head.pooling, num_prefix=num_prefix)
    bound = head.max_norm
    constraint = keras.constraints.MaxNorm(bound) if bound else None
    hidden_units = head.hidden_units if spec.has_hidden else ()
    for number, units in enumerate(hidden_units, 1):
        x = keras.layers.Dense(
            units,
            activation="relu",
            kernel_initializer=INITIALIZERS["he_normal"](seed + number),
            kernel_regularizer=penalty(),
            kernel_constraint=constraint,
            name=f"adaptation_{number}",
        )(x)
        if dropout:
            x = keras.layers.Dropout(
                dropout, seed=seed + number, name=f"dropout_{number}"
            )(x)
    if dropout and not spec.has_hidden:
        x = keras.layers.Dropout(dropout, seed=seed, name="dropout")(x)
    make = lookup(INITIALIZERS, head.initializer, what="head initializer")
    return keras.layers.Dense(
        num_classes,
        kernel_initializer=make(seed),
        kernel_regularizer=penalty(),
        kernel_constraint=constraint,
        dtype="float32",
        name=LOGITS,
    )(x)


def pool_features(
    features: keras.KerasTensor,
    pooling: str,
    *,
    num_prefix: int = 0,
    name: str = POOLING,
) -> keras.KerasTensor:
    """Pools what a backbone ends in.

    Args:
        features: Symbolic [N, h, w, c] or [N, T, d]; [N, c] stays as it is.
        pooling: Key of `POOLINGS`.
        num_prefix: How many of T tokens come before the patches; those are
            left out, but for the class token that is asked for.
        name: Of the layer.

    Returns:
        Symbolic codes [N, d].

    Raises:
        InputError: For an unknown name, or a class token that there is not.
    """
    row = lookup(POOLINGS, pooling, what="pooling")
    if row.takes == "first" and not (has_tokens(features) and num_prefix):
        raise InputError(
            f"model.pooling='{pooling}' needs a backbone that ends in tokens, "
            "the first of them of the class; this one ends in "
            f"{tuple(features.shape[1:])} and has none: set "
            "--config.model.pooling=average."
        )
    if has_tokens(features):
        taken = (num_prefix, features.shape[1])
        if row.takes == "first":
            taken = (0, 1)
        x = take_tokens(features, *taken, name=f"{name}_tokens")
        return row.of_tokens(name=name)(x)
    if len(features.shape) == 4 and row.of_map is not None:
        return row.of_map(name=name)(features)
    return features


def move_logits(
    layer: keras.layers.Dense,
    temperature: Sequence[float],
    shift: Sequence[float],
) -> None:
    """Makes the last layer answer logits / temperature + shift, by its weights.

    Args:
        layer: From `build_head`; changed in place.
        temperature: [1], or [C] one a class; above 0.
        shift: Likewise.
    """
    factors = np.asarray(temperature, np.float64)
    kernel, bias = layer.get_weights()
    moved = [kernel / factors, bias / factors + np.asarray(shift)]
    layer.set_weights([weight.astype(kernel.dtype) for weight in moved])

"""The new layers on top of a backbone: linear, MLP, SVM and multi-label.

All heads end in logits (scores) in float32, whatever the precision policy.
With the default initializer, the lecture's N(0, 0.001) and zero biases, the
first softmax loss is ln C.
"""

import dataclasses
from collections.abc import Callable, Sequence

import keras

from tlkeras.tables import lookup

POOLINGS: dict[str, Callable[[], keras.layers.Layer]] = {
    "average": lambda: keras.layers.GlobalAveragePooling2D(name="pooling"),
    "max": lambda: keras.layers.GlobalMaxPooling2D(name="pooling"),
    "flatten": lambda: keras.layers.Flatten(name="pooling"),
}

INITIALIZERS: dict[str, Callable[[int], keras.initializers.Initializer]] = {
    "glorot_uniform": lambda seed: keras.initializers.GlorotUniform(seed),
    "he_normal": lambda seed: keras.initializers.HeNormal(seed),
    "small_normal": lambda seed: keras.initializers.RandomNormal(
        0.0, 1e-3, seed
    ),
}


@dataclasses.dataclass(frozen=True)
class HeadSpec:
    """A kind of head.

    Attributes:
        loss: Key of `optim.losses.LOSSES`.
        has_hidden: Whether adaptation layers come before the last layer.
        is_solvable: Whether `method="solve"` can fit it.
    """

    loss: str
    has_hidden: bool = False
    is_solvable: bool = True


HEADS = {
    "linear": HeadSpec("softmax"),
    "svm": HeadSpec("squared_hinge"),
    "multi_label": HeadSpec("binary"),
    "mlp": HeadSpec("softmax", has_hidden=True, is_solvable=False),
}


def kernel_penalty(l1: float, l2: float) -> keras.Regularizer | None:
    """Returns l1 |W| + l2 / 2 ||W||^2, or None when both are zero."""
    if not l1 and not l2:
        return None
    return keras.regularizers.L1L2(l1=l1, l2=l2 / 2)


def build_head(
    features: keras.KerasTensor,
    *,
    kind: str,
    num_classes: int,
    pooling: str = "average",
    hidden_units: Sequence[int] = (256,),
    dropout: float = 0.2,
    initializer: str = "small_normal",
    l1: float = 0.0,
    l2: float = 0.0,
    max_norm: float | None = None,
    seed: int = 0,
) -> keras.KerasTensor:
    """Builds pooling, adaptation layers, dropout and the last layer.

    Args:
        features: Symbolic [N, h, w, c] or [N, c].
        kind: Key of `HEADS`. `mlp` adds ReLU layers after Oquab et al. 2014.
        num_classes: C.
        pooling: Key of `POOLINGS`; how [N, h, w, c] becomes codes [N, d].
        hidden_units: Widths of the adaptation layers of an `mlp`.
        dropout: Rate before the last layer and after each adaptation layer.
        initializer: Key of `INITIALIZERS`, for the last layer's kernel.
        l1: Penalty on the kernels' absolute values.
        l2: Penalty lambda / 2 ||W||^2.
        max_norm: Upper bound of each unit's weight norm, or None.
        seed: Of initial values and dropout.

    Returns:
        Symbolic float32 logits [N, C].

    Reference:
        Oquab et al., Learning and Transferring Mid-Level Image
        Representations, 2014, section 3.1.
    """
    spec = lookup(HEADS, kind, what="head")
    x = features
    if len(x.shape) == 4:
        x = lookup(POOLINGS, pooling, what="pooling")()(x)
    constraint = keras.constraints.MaxNorm(max_norm) if max_norm else None
    for number, units in enumerate(hidden_units if spec.has_hidden else (), 1):
        x = keras.layers.Dense(
            units,
            activation="relu",
            kernel_initializer=INITIALIZERS["he_normal"](seed + number),
            kernel_regularizer=kernel_penalty(l1, l2),
            kernel_constraint=constraint,
            name=f"adaptation_{number}",
        )(x)
        if dropout:
            x = keras.layers.Dropout(
                dropout, seed=seed + number, name=f"dropout_{number}"
            )(x)
    if dropout and not spec.has_hidden:
        x = keras.layers.Dropout(dropout, seed=seed, name="dropout")(x)
    make = lookup(INITIALIZERS, initializer, what="head initializer")
    return keras.layers.Dense(
        num_classes,
        kernel_initializer=make(seed),
        kernel_regularizer=kernel_penalty(l1, l2),
        kernel_constraint=constraint,
        dtype="float32",
        name="logits",
    )(x)

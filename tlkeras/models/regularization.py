"""Switching regularisation off for a while: penalties and dropout."""

import contextlib
from collections.abc import Iterator

import keras

from tlkeras.models.graph import leaf_layers


@contextlib.contextmanager
def penalties_replaced(
    layers: list[keras.layers.Layer], penalty: keras.Regularizer | None
) -> Iterator[None]:
    """Lets the kernels of some layers have another penalty, or none.

    Args:
        layers: Nested models count with the layers inside.
        penalty: Of each kernel; where it is None, no weight has any.
    """
    weights = [w for layer in layers for w in layer.weights]
    saved = [(weight, weight.regularizer) for weight in weights]
    kernels = [x.kernel for x in layers if hasattr(x, "kernel")]
    try:
        for weight in weights:
            weight.regularizer = None
        for kernel in kernels if penalty else ():
            kernel.regularizer = penalty
        yield
    finally:
        for weight, regularizer in saved:
            weight.regularizer = regularizer


@contextlib.contextmanager
def without_dropout(layers: list[keras.layers.Layer]) -> Iterator[None]:
    """Switches dropout and stochastic depth off, training mode or not."""
    dropouts = [
        leaf
        for layer in layers
        for leaf in leaf_layers(layer)
        if isinstance(leaf, keras.layers.Dropout)
    ]
    rates = [(dropout, dropout.rate) for dropout in dropouts]
    try:
        for dropout in dropouts:
            dropout.rate = 0.0
        yield
    finally:
        for dropout, rate in rates:
            dropout.rate = rate

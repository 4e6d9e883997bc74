"""Functions that stay apart in the graphs that call them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def apart(*signature: tf.TensorSpec) -> Callable[[Callable], Any]:
    """Makes a decorator for what is seldom computed.

    TensorFlow merges a branch into the graph around it, and then spends time
    on each of its ops when the other branch is taken. A function that is not
    inlined is one op.

    Args:
        signature: Of the function's arguments.
    """
    return tf.function(
        input_signature=signature,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )

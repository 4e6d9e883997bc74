"""A network's graph and weights as one hash."""

import hashlib
from typing import Any

import keras
import numpy as np

from tlkeras.features.recipe import canonical
from tlkeras.models.graph import graph_nodes

NOT_COMPUTED = ("name", "trainable", "build_config")


def graph_hash(prefix: keras.Model) -> str:
    """Returns 24 hex digits of a model's calls, settings and weights."""
    digest = hashlib.blake2b(digest_size=12)
    _update_with_graph(digest, prefix)
    return digest.hexdigest()


def _update_with_graph(digest: Any, model: keras.Model) -> None:
    numbers: dict[int, int] = {}
    for node in graph_nodes(model):
        operation = node.operation
        inputs = [numbers[id(tensor)] for tensor in node.input_tensors]
        for tensor in node.output_tensors:
            numbers[id(tensor)] = len(numbers)
        digest.update(f"{type(operation).__name__}{inputs}".encode())
        digest.update(canonical(_call_arguments(node)).encode())
        if isinstance(operation, keras.Model):
            _update_with_graph(digest, operation)
            continue
        # Of the layer only: a numeric policy has a name too, which counts.
        config = {
            key: value
            for key, value in operation.get_config().items()
            if key not in NOT_COMPUTED
        }
        digest.update(canonical(config).encode())
        for weight in getattr(operation, "weights", ()):
            values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
            digest.update(f"{values.dtype}{values.shape}".encode())
            digest.update(values.tobytes())
    digest.update(str([numbers[id(t)] for t in model.outputs]).encode())


def _call_arguments(node: Any) -> Any:
    """Returns what a call was given besides tensors."""
    return keras.tree.map_structure(
        lambda x: "tensor" if isinstance(x, keras.KerasTensor) else x,
        [list(node.arguments.args), dict(node.arguments.kwargs)],
    )

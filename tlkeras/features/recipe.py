"""What a cached activation depends on, as one hash.

A hit must always be right, and nothing else may miss: the hash takes the
prefix's weights and graph (names of layers left out: Keras counts them up), the
image definition, the augmentation and its seed where views are augmented, the
engine and its precision, and how the numbers are stored. An image is known by
the hash of its bytes.
"""

import dataclasses
import hashlib
import json
from typing import Any

import keras
import numpy as np

from tlkeras.data.definition import ImageDefinition
from tlkeras.data.views import Views
from tlkeras.models.graph import graph_nodes

NOT_COMPUTED = ("name", "trainable", "build_config")


def recipe_hash(
    graph: str,
    *,
    engine: str,
    precision: str,
    storage: str,
    views: Views,
    definition: ImageDefinition,
) -> str:
    """Returns 24 hex digits for everything but the image and its view.

    Args:
        graph: From `graph_hash`.
        engine: Its name; engines agree to rounding only.
        precision: What the engine computes in.
        storage: dtype on disk.
        views: Their seed counts only where they are augmented; how many there
            are does not.
        definition: What the pixels of an image are; counts up when
            `data/preprocess.py` or `data/augment.py` gives others.
    """
    augmentation = views.augmentation
    parts = {
        "image_definition": definition.recipe,
        "graph": graph,
        "engine": engine,
        "precision": precision,
        "storage": storage,
        "views": augmentation
        and [views.seed, dataclasses.asdict(augmentation)],
    }
    if views.copies:  # nothing is drawn, so that no seed counts
        parts["views"] = [dataclasses.asdict(copy) for copy in views.copies]
    return hashlib.blake2b(
        _canonical(parts).encode(), digest_size=12
    ).hexdigest()


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
        digest.update(_canonical(_call_arguments(node)).encode())
        if isinstance(operation, keras.Model):
            _update_with_graph(digest, operation)
            continue
        # Of the layer only: a numeric policy has a name too, which counts.
        config = {
            key: value
            for key, value in operation.get_config().items()
            if key not in NOT_COMPUTED
        }
        digest.update(_canonical(config).encode())
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


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """Returns what JSON can hold; an array by all of its values."""
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(value))
        digest = hashlib.blake2b(array.tobytes(), digest_size=12).hexdigest()
        return [str(array.dtype), array.shape, digest]
    return str(value)

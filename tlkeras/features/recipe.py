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

import numpy as np

from tlkeras.data.definition import ImageDefinition
from tlkeras.data.views import Views


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
        canonical(parts).encode(), digest_size=12
    ).hexdigest()


def canonical(value: Any) -> str:
    """Returns a value as JSON that is equal wherever the value is.

    Args:
        value: What JSON can hold, arrays and tensors, or anything by its text.
    """
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """Returns what JSON can hold; an array by all of its values."""
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        digest = hashlib.blake2b(array.tobytes(), digest_size=12).hexdigest()
        return [str(array.dtype), array.shape, digest]
    return str(value)

"""CNN codes: what a layer says of an image, as a vector."""

import keras

from tlkeras.models.classifier import Classifier
from tlkeras.models.depths import activation_input
from tlkeras.models.graph import (
    graph_nodes,
    layer_index,
    layer_tensors,
    topological_layers,
)
from tlkeras.models.heads import POOLINGS, pool_features
from tlkeras.models.tokens import count_prefix_tokens
from tlkeras.tables import lookup

SPATIAL = "spatial"  # pooling that leaves codes as they are


def build_code_model(
    classifier: Classifier,
    layers: list[str],
    *,
    pooling: str = "average",
    before_activation: bool = False,
) -> keras.Model:
    """Builds images -> codes at some layers, all from one pass.

    Args:
        classifier: Its backbone and input contract are shared.
        layers: Names of backbone layers; "" is the top.
        pooling: Key of `heads.POOLINGS`, or `SPATIAL`; what has no space is
            left as it is.
        before_activation: Take what goes into each layer's nonlinearity.

    Returns:
        Images [N, S, S, 3] in 0..255 -> a list of codes [N, d], or
        [N, h, w, c] and tokens [N, T, d] for `SPATIAL`.

    Raises:
        InputError: For an unknown layer or pooling.
    """
    known = dict.fromkeys([*POOLINGS, SPATIAL])
    lookup(known, pooling, what="pooling")
    backbone = classifier.backbone
    members = topological_layers(backbone)
    given = layer_tensors(backbone)
    tensors = []
    for number, name in enumerate(layers):
        name = name or members[-1].name
        if before_activation:
            tensor = activation_input(backbone, name, what="--layer")
        else:
            tensor = given[layer_index(backbone, name, what="--layer")]
        if pooling != SPATIAL:
            tensor = pool_features(
                tensor,
                pooling,
                num_prefix=count_prefix_tokens(backbone, tensor),
                name=f"codes_{number}",
            )
        tensors.append(tensor)
    (call,) = [
        node
        for node in graph_nodes(classifier.model)
        if node.operation is backbone
    ]
    images = classifier.model.inputs[0]
    contract = keras.Model(images, call.input_tensors[0], name="contract")
    lower = keras.Model(backbone.inputs[0], tensors, name="layers")
    outputs = lower(contract(images), training=False)
    return keras.Model(images, outputs, name="codes")

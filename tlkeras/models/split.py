"""Splitting a classifier at a cutoff into a frozen prefix and a suffix.

At each position of a functional backbone in topological order the *frontier*
is the set of tensors produced before it and consumed at or after it. The
prefix maps images to the frontier, the suffix maps the frontier to logits; both
share the layers of the classifier, so training the suffix trains it.
"""

import dataclasses
import math
from typing import Any

import keras

from tlkeras.models.classifier import Classifier
from tlkeras.models.graph import (
    frontiers,
    graph_nodes,
    leaf_layers,
    num_multiplications,
    topological_layers,
)
from tlkeras.models.heads import POOLING

MIN_SHARE_BELOW = 0.8


@dataclasses.dataclass(frozen=True)
class SplitClassifier:
    """A classifier in two parts that share its layers.

    Attributes:
        prefix: float32 [N, S, S, 3] in 0..255 -> the frontier tensor, or a list
            where there are several.
        suffix: The frontier -> float32 logits [N, C].
        suffix_with_codes: The frontier -> [CNN codes [N, d], logits [N, C]],
            the codes as they enter the last layer.
    """

    prefix: keras.Model
    suffix: keras.Model
    suffix_with_codes: keras.Model

    @property
    def frontier_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the frontier tensors, without the batch dimension."""
        return [tuple(tensor.shape[1:]) for tensor in self.prefix.outputs]


def split_classifier(classifier: Classifier, cutoff: int) -> SplitClassifier:
    """Splits a classifier in front of a layer of its backbone.

    Args:
        classifier: Whole; its layers are shared, not copied.
        cutoff: Index of the first suffix layer in topological order, as from
            `cutoffs.find_cutoff`. The number of layers puts the whole backbone
            and the pooling, which has no weights, into the prefix.

    Returns:
        The two parts: suffix(prefix(images)) equals the classifier.
    """
    backbone = classifier.backbone
    images = classifier.model.inputs
    logits = classifier.model.outputs
    # Where the codes enter the suffix, Keras refuses them as its output too.
    both = [keras.layers.Identity()(classifier.codes), *logits]
    (call,) = [
        node
        for node in graph_nodes(classifier.model)
        if node.operation is backbone
    ]
    if cutoff >= len(topological_layers(backbone)):
        codes = _pooled(classifier)
        return SplitClassifier(
            _cut_out(images, [codes], "prefix"),
            _cut_out([codes], logits, "suffix"),
            _cut_out([codes], both, "suffix_with_codes"),
        )
    tensors = frontiers(backbone)[cutoff].before
    lower = _cut_out(backbone.inputs, tensors, "lower")
    upper = _cut_out(tensors, backbone.outputs, "upper")
    head = _cut_out(call.output_tensors, logits, "head")
    head_with_codes = _cut_out(call.output_tensors, both, "head_with_codes")
    contract = _cut_out(images, call.input_tensors, "contract")
    inputs = [keras.Input(t.shape[1:], dtype=t.dtype) for t in tensors]
    # Inference mode: stochastic depth below the cutoff is off, so that the
    # prefix is a constant function of the image.
    frontier = lower(contract(alone(images)), training=False)
    features = upper(alone(inputs))
    return SplitClassifier(
        _cut_out(images, frontier, "prefix"),
        _cut_out(inputs, [head(features)], "suffix"),
        _cut_out(inputs, head_with_codes(features), "suffix_with_codes"),
    )


def choose_cut(backbone: keras.Model, cutoff: int) -> int:
    """Returns where to cut so that little is stored and little done again.

    The narrowest frontier at or below the cutoff that leaves at least
    `MIN_SHARE_BELOW` of the frozen multiplications in the prefix: in front of
    an expanding layer a frontier may be six times smaller. Of equals, the
    highest. Layers with dropout are not crossed: above the cut they would be
    active.

    Args:
        backbone: A functional model.
        cutoff: Index of the first trainable layer, at least 1; the number of
            layers, where none trains, stays what it is.
    """
    layers = topological_layers(backbone)
    if cutoff >= len(layers):
        return cutoff
    work = [num_multiplications(layer) for layer in layers[:cutoff]]
    sizes = [_num_values(frontier.before) for frontier in frontiers(backbone)]
    best = cutoff
    below = sum(work)
    for cut in range(cutoff - 1, 0, -1):
        below -= work[cut]
        drops = any(map(_drops, leaf_layers(layers[cut])))
        if drops or below < MIN_SHARE_BELOW * sum(work):
            break
        if sizes[cut] < sizes[best]:
            best = cut
    return best


def _drops(layer: keras.layers.Layer) -> bool:
    """Whether a layer drops units in training, as attention may too."""
    rate = getattr(layer, "dropout", 0.0)
    return isinstance(layer, keras.layers.Dropout) or rate > 0


def _num_values(tensors: list[keras.KerasTensor]) -> int:
    return sum(math.prod(tensor.shape[1:]) for tensor in tensors)


def _pooled(classifier: Classifier) -> keras.KerasTensor:
    """Returns the CNN codes [N, d]: pooled, before dropout and new layers."""
    layers = {layer.name: layer for layer in classifier.head_layers}
    if POOLING in layers:
        return layers[POOLING].output
    return classifier.head_layers[0].input


def _cut_out(inputs: Any, outputs: Any, name: str) -> keras.Model:
    return keras.Model(alone(inputs), alone(outputs), name=name)


def alone(tensors: Any) -> Any:
    """Unpacks a list of one tensor: models of one tensor take no lists.

    Args:
        tensors: One, or a structure of several.
    """
    tensors = keras.tree.flatten(tensors)
    return tensors[0] if len(tensors) == 1 else tensors

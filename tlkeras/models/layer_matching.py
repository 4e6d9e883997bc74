"""Which layers of one network are which of another, whoever named them.

Layers are matched by name. Names that Keras makes (`conv2d_94`) count layers
of a process, so of these the distance from the network's first is compared.
"""

import dataclasses
import re
from collections.abc import Iterable

import keras

from tlkeras.models.graph import graph_nodes


@dataclasses.dataclass(frozen=True)
class WeightedGraph:
    """The layers of a network that own weights, and what lies below what.

    Attributes:
        layers: Name -> layer, in topological order.
        below: Name -> names of the layers that its output depends on, and its
            own.
        cuts: What lies below each place in the network, as sets of names.
    """

    layers: dict[str, keras.layers.Layer]
    below: dict[str, frozenset[str]]
    cuts: frozenset[frozenset[str]]

    def shapes(self, name: str) -> list[tuple[int, ...]]:
        """Returns the shapes of a layer's variables."""
        return [tuple(v.shape) for v in self.layers[name].weights]


def read_graph(model: keras.Model) -> WeightedGraph:
    """Reads the graph of a functional or sequential model."""
    nodes = graph_nodes(model)
    owners = [n.operation for n in nodes if getattr(n.operation, "weights", ())]
    names = dict(
        zip(map(id, owners), _names_of(owners), strict=True)
    )  # a layer that is called twice has one
    of_tensor: dict[int, frozenset[str]] = {}
    below: dict[str, frozenset[str]] = {}
    for node in nodes:
        found = frozenset().union(
            *(of_tensor.get(id(x), frozenset()) for x in node.input_tensors)
        )
        if name := names.get(id(node.operation)):
            found |= {name}
            below[name] = found
        of_tensor.update((id(x), found) for x in node.output_tensors)
    layers = {names[id(layer)]: layer for layer in owners}
    return WeightedGraph(layers, below, frozenset(of_tensor.values()))


def _names_of(layers: Iterable[keras.layers.Layer]) -> list[str]:
    """Returns names that are the same in every process."""
    split = [_split_name(layer) for layer in layers]
    firsts: dict[str, int] = {}
    for base, number in split:
        if number is not None:
            firsts[base] = min(number, firsts.get(base, number))
    return [
        base if number is None else f"{base}_{number - firsts[base]}"
        for base, number in split
    ]


def _split_name(layer: keras.layers.Layer) -> tuple[str, int | None]:
    """Returns what Keras called a layer, and its number; None = a user did."""
    match = re.fullmatch(r"(.+?)(?:_(\d+))?", layer.name)
    assert match
    base, number = match.groups()
    if base.replace("_", "") != type(layer).__name__.lower():
        return layer.name, None
    return base, int(number or 0)


def nested_graphs(model: keras.Model) -> list[WeightedGraph]:
    """Returns the graphs of a model and of all models inside it."""
    found = []
    if hasattr(getattr(model, "_functional", model), "_nodes_by_depth"):
        found.append(read_graph(model))
    for layer in getattr(model, "layers", ()):
        if isinstance(layer, keras.Model):
            found += nested_graphs(layer)
    return found


def match_layers(source: WeightedGraph, target: WeightedGraph) -> list[str]:
    """Returns the names that are the same layer, with the same shapes."""
    return [
        name
        for name in target.layers
        if name in source.layers and source.shapes(name) == target.shapes(name)
    ]


def first_gap(
    source: WeightedGraph, target: WeightedGraph, matched: Iterable[str]
) -> str:
    """Returns a layer below matched ones that only one network has, or "".

    A layer that normalizes images before the network is no part of it.
    """
    names = frozenset(matched)
    for graph in (target, source):
        for name in names:
            for other in sorted(graph.below[name] - names):
                kind = type(graph.layers[other]).__name__
                if graph is target or kind != "Normalization":
                    return other
    if names not in target.cuts:  # some branches end lower than others
        return next(name for name in target.layers if name not in names)
    return ""

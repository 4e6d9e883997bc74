"""A network in Keras' own layers, whatever layers it was written with.

KerasHub hides the blocks of a transformer in one layer, so that nothing could
be cut between them, and many of its layers cannot be read back from a file one
by one. So its networks are written anew: the code of a layer runs once on
symbolic tensors, and the calls of Keras' layers and operations that it makes
are the network. A layer that holds a list of blocks is spread out; each block
becomes a model of its own. What has variables of its own, beside those of the
layers inside it, stands in the table `LAYER_REWRITES`.

The result is proved: it must answer as the original does.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.models.graph import graph_nodes
from tlkeras.models.layer_rewrites import LAYER_REWRITES
from tlkeras.models.weights import first_line

PROBE_SIDE = 96  # pixels, where a network takes any size
# Largest difference to the original, relative to its largest value.
TOLERANCE = 1e-4
HALF_TOLERANCE = 5e-2  # of bfloat16 and float16


def rewrite_in_keras_layers(
    network: keras.Model,
    output: keras.KerasTensor,
    scaling: keras.layers.Layer | None = None,
) -> keras.Model:
    """Writes a functional network anew, in Keras' own layers alone.

    Args:
        network: With one input [N, S, S, 3]; left as it is.
        output: The tensor of its graph to end in.
        scaling: A layer that becomes the first one.

    Returns:
        A functional model with copies of the weights, [N, S, S, 3] -> what the
        network answers, whose blocks are layers of the graph.

    Raises:
        InputError: If one of its layers cannot be written so, or the answers
            differ.
    """
    (source,) = network.inputs
    original = keras.Model(source, output, name=network.name)
    images = keras.Input(source.shape[1:], dtype=source.dtype, name="images")
    writer = _Writer()
    scaled = scaling(images) if scaling else images
    made = writer.replay(original, {id(source): scaled})
    written = keras.Model(images, made[id(output)], name=network.name)
    writer.copy_weights()
    _prove_equal(original, written, scaling)
    return written


class _Writer:
    """Writes the calls of one graph.

    Args:
        prefix: Of all names of layers: variables of two blocks must not share
            a path.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._names: set[str] = set()
        # id of a layer -> what is called in its place.
        self._copies: dict[int, Callable[..., Any]] = {}
        self._pairs: list[tuple[keras.layers.Layer, keras.layers.Layer]] = []

    def replay(
        self, model: keras.Model, made: dict[int, Any]
    ) -> dict[int, Any]:
        """Makes the calls of a graph again.

        Args:
            model: Whose calls.
            made: id of a tensor of its graph -> the one in its place.

        Returns:
            Likewise, of all its tensors.
        """
        for node in graph_nodes(model):
            if node.is_input:
                continue
            arguments, options = node.arguments.fill_in(made)
            outputs = self._call(node.operation, arguments, options)
            places = map(id, node.output_tensors)
            made |= zip(places, keras.tree.flatten(outputs), strict=True)
        return made

    def copy_weights(self) -> None:
        """Gives the copies of layers the weights of the originals."""
        for copy, original in self._pairs:
            copy.set_weights(original.get_weights())

    def _call(
        self, operation: Any, arguments: Any, options: dict[str, Any]
    ) -> Any:
        if not isinstance(operation, keras.layers.Layer):
            return operation(*arguments, **options)
        try:
            is_own = type(operation).__module__.startswith("keras.")
            if is_own and not isinstance(operation, keras.Model):
                return self._call_own(operation, arguments, options)
            return self._call_foreign(operation, arguments, options)
        except InputError:
            raise
        except Exception as error:  # of layers: many kinds
            raise InputError(
                f"The layer '{operation.name}' ({type(operation).__name__}) "
                "cannot be written in Keras' own layers "
                f"({first_line(error)}); expected one of the networks in "
                "docs/backbones.md: choose another one."
            ) from None

    def _call_own(
        self, layer: keras.layers.Layer, arguments: Any, options: dict[str, Any]
    ) -> Any:
        """Calls a copy of a layer of Keras."""
        if _does_nothing(layer):
            return arguments[0]
        function = getattr(layer, "activation", None)
        foreign = None
        if not getattr(function, "__module__", "keras.").startswith("keras."):
            foreign = function
        if foreign and isinstance(layer, keras.layers.Activation):
            return foreign(*arguments)
        if id(layer) not in self._copies:
            config = {**layer.get_config(), "name": self._name(layer.name)}
            if foreign:
                config["activation"] = None
            copy = type(layer).from_config(config)
            self._copies[id(layer)] = copy
            self._pairs.append((copy, layer))
        outputs = self._copies[id(layer)](*arguments, **options)
        return foreign(outputs) if foreign else outputs

    def _call_foreign(
        self, layer: keras.layers.Layer, arguments: Any, options: dict[str, Any]
    ) -> Any:
        """Makes the calls that a layer's code makes."""
        kind = type(layer).__name__
        options = {k: v for k, v in options.items() if k != "training"}
        call, is_spread = layer.call, _holds_blocks(layer)
        if kind in LAYER_REWRITES:
            row = LAYER_REWRITES[kind]
            call, is_spread = row.write, row.is_spread
            arguments, options = (layer, *arguments[:1]), {}
        elif _has_variables(layer):
            raise InputError(
                f"The layer '{layer.name}' ({kind}) has variables of its own, "
                "and how to write it in Keras' own layers is not known; "
                "expected one of the networks in docs/backbones.md: choose "
                "another one."
            )
        if is_spread:
            return self._spread(call, arguments, options)
        tensors = _tensors_of((arguments, options))
        if id(layer) not in self._copies:
            self._copies[id(layer)] = self._write_block(
                call, arguments, options, self._name(layer.name)
            )
        return self._copies[id(layer)](*tensors)

    def _spread(
        self, call: Callable[..., Any], arguments: Any, options: dict[str, Any]
    ) -> Any:
        """Makes the calls of some code as part of this graph."""
        given = _tensors_of((arguments, options))
        inputs = [keras.Input(x.shape[1:], dtype=x.dtype) for x in given]
        places = dict(zip(map(id, given), inputs, strict=True))
        arguments, options = keras.tree.map_structure(
            lambda x: places.get(id(x), x), (arguments, options)
        )
        outputs = call(*arguments, **options)
        tensors = _tensors_of(outputs)
        made = dict(zip(map(id, inputs), given, strict=True))
        if any(id(tensor) not in made for tensor in tensors):
            made = self.replay(keras.Model(inputs, tensors), made)
        return keras.tree.map_structure(lambda x: made.get(id(x), x), outputs)

    def _write_block(
        self,
        call: Callable[..., Any],
        arguments: Any,
        options: dict[str, Any],
        name: str,
    ) -> Callable[..., Any]:
        """Returns a model with the calls of some code in it."""
        given = _tensors_of((arguments, options))
        inputs = [keras.Input(x.shape[1:], dtype=x.dtype) for x in given]
        places = dict(zip(map(id, given), inputs, strict=True))
        arguments, options = keras.tree.map_structure(
            lambda x: places.get(id(x), x), (arguments, options)
        )
        inner = _Writer(f"{name}_")
        outputs = inner._spread(call, arguments, options)
        self._pairs += inner._pairs
        if len(inputs) == 1 and outputs is inputs[0]:
            return lambda tensor: tensor
        if len(inputs) == 1:
            return keras.Model(inputs[0], outputs, name=name)
        block = keras.Model(inputs, outputs, name=name)
        return lambda *tensors: block(list(tensors))

    def _name(self, name: str) -> str:
        """Returns a name for a layer that none in this graph has."""
        name = unique = f"{self._prefix}{name}"
        number = 1
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique


def _tensors_of(structure: Any) -> list[keras.KerasTensor]:
    """Returns the symbolic tensors in a structure, each once."""
    tensors = {
        id(x): x
        for x in keras.tree.flatten(structure)
        if isinstance(x, keras.KerasTensor)
    }
    return list(tensors.values())


def _does_nothing(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.Identity) or (
        isinstance(layer, keras.layers.Dropout) and not layer.rate
    )


def _holds_blocks(layer: keras.layers.Layer) -> bool:
    """Says whether a layer is a list of blocks, one upon the other."""
    return any(
        isinstance(value, list)
        and value
        and all(isinstance(part, keras.layers.Layer) for part in value)
        for name, value in vars(layer).items()
        if not name.startswith("_")
    )


def _has_variables(layer: keras.layers.Layer) -> bool:
    """Says whether a layer has weights beside those of layers inside it."""
    # Keras has no public list of the layers inside a layer.
    inside = layer._flatten_layers(include_self=False)
    known = {id(weight) for part in inside for weight in part.weights}
    return any(id(weight) not in known for weight in layer.weights)


def _prove_equal(
    original: keras.Model,
    written: keras.Model,
    scaling: keras.layers.Layer | None,
) -> None:
    """Makes sure that two networks answer alike, on an image of noise.

    Raises:
        InputError: If they do not.
    """
    side = original.inputs[0].shape[1] or PROBE_SIDE
    images = np.random.default_rng(0).random((2, side, side, 3), np.float32)
    scaled = scaling(images) if scaling else images
    try:
        answers, expected = (
            np.asarray(keras.ops.cast(model(x, training=False), "float32"))
            for model, x in ((written, images), (original, scaled))
        )
    except Exception as error:  # of layers: many kinds
        raise InputError(
            f"The network '{original.name}' cannot be written in Keras' own "
            f"layers ({first_line(error)}); expected one of those in "
            "docs/backbones.md: choose another one."
        ) from None
    is_full = original.outputs[0].dtype == "float32"
    difference = float(np.abs(answers - expected).max())
    allowed = TOLERANCE if is_full else HALF_TOLERANCE
    if not difference <= allowed * float(np.abs(expected).max()):
        raise InputError(
            f"The network '{original.name}' written in Keras' own layers "
            f"answers otherwise than itself (by {difference:.2g}, where its "
            f"largest value is {np.abs(expected).max():.2g}); expected the "
            "same: choose another network, or another version of keras-hub."
        )

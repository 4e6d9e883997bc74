"""A Keras model of one's own as the backbone: what of it, and what it expects.

Taken is a functional model from images to a feature map, tokens or a vector,
with or without its own top: the network inside a classifier, if there is one,
up to its last pooling. What it expects of its input is measured
(`own_contract.py`).

No code of a file is run: Keras' safe mode, and no Lambda layers.
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.models.graph import graph_nodes, leaf_layers, topological_layers
from tlkeras.models.own_contract import recognise_contract
from tlkeras.models.weights import first_line, read_model

MODEL_SUFFIXES = (".keras", ".h5", ".hdf5")
TOP_POOLINGS = (
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.Flatten,
)
RESCALING = (keras.layers.Rescaling, keras.layers.Normalization)


def is_own(backbone: str) -> bool:
    """Says whether a backbone is named by a file or a run directory."""
    path = Path(backbone)
    return path.suffix in MODEL_SUFFIXES or (path.is_dir() and bool(path.name))


def read_file(backbone: str) -> tuple[keras.Model, str]:
    """Reads the network in a file, and the contract of its input.

    Args:
        backbone: A `.keras` or `.h5` file, or the directory of a run.

    Returns:
        A functional model [N, S, S, 3] -> features, with an output
        [N, h, w, c], tokens [N, T, d] or [N, d], whose weights are the file's:
        not to be changed. And a key of `CONTRACTS`, or "" where nothing before
        the network says what it takes.

    Raises:
        InputError: If it cannot be read, or is no such network.
    """
    path = Path(backbone)
    path = path / workdir.MODEL if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            f"model.backbone='{backbone}' does not exist; expected a network "
            "of keras.applications, a .keras or .h5 file, or a run directory."
        )
    stat = path.stat()
    return _read_once(path, (stat.st_mtime_ns, stat.st_size))


@functools.lru_cache(maxsize=2)  # a run asks for it three times
def _read_once(path: Path, stamp: tuple[int, int]) -> tuple[keras.Model, str]:
    model = _read(path)
    core, front = _find_core(model, path)
    contract = "" if front is None else recognise_contract(front, path)
    if any(isinstance(layer, RESCALING) for layer in _first_layers(core)):
        contract = contract or "none"
    return _without_top(core, path), contract


def build_own(
    network: keras.Model, named: str, *, image_size: int, with_weights: bool
) -> keras.Model:
    """Builds a network that was read, for a size of images.

    Args:
        network: From `backbones.read_network`; left as it is.
        named: As the user named it.
        image_size: S, pixels.
        with_weights: Whether it gets the network's weights; random otherwise.

    Returns:
        A functional model of its own, [N, S, S, 3] -> features.

    Raises:
        InputError: If the network refuses the size.
    """
    shape = (image_size, image_size, 3)
    images = keras.Input(shape, name=network.inputs[0].name)
    try:
        built = keras.models.clone_model(
            network, input_tensors=images, clone_function=_clone
        )
        if with_weights:
            built.set_weights(network.get_weights())
    except Exception as error:  # of layers: many kinds
        raise InputError(
            f"The network in '{named}' cannot be built for images of "
            f"{image_size} pixels ({first_line(error)}); expected "
            f"{network.inputs[0].shape[1]}: leave out model.image_size."
        ) from None
    return built


class _DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """As files of Keras 2 describe it, with a field that is no more."""

    def __init__(self, *args: Any, groups: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def _read(path: Path) -> keras.Model:
    custom = {}
    if path.suffix != ".keras":
        _refuse_code(path)
        custom = {"DepthwiseConv2D": _DepthwiseConv2D}
    return read_model(
        path,
        expected="one of Keras' own layers, saved by model.save()",
        custom_objects=custom,
    )


def _refuse_code(path: Path) -> None:
    """Makes sure that a file of Keras 2 holds no Lambda layer."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except OSError:  # whoever reads it says so
        return
    if text is None:
        raise InputError(
            f"'{path}' holds weights alone, no network; expected a whole "
            "model, saved by model.save(): pass weights as "
            "--config.model.weights, with the name of their network."
        )
    try:
        # Written anew, so that no escape hides a name.
        plain = json.dumps(json.loads(text))
    except (ValueError, RecursionError):  # Keras refuses it
        return
    if '"Lambda"' in plain:
        raise InputError(
            f"'{path}' has a Lambda layer, which is code; expected a network "
            "of Keras' own layers: replace it, and save the model again."
        )


def _find_core(
    model: keras.Model, path: Path
) -> tuple[keras.Model, keras.Model | None]:
    """Returns the network itself, and what stands before it in a classifier.

    Raises:
        InputError: If it is not one graph from one batch of images.
    """
    core, front = model, None
    while True:
        _require_images(core, path)
        inner = max(
            (
                node
                for node in graph_nodes(core)
                if isinstance(node.operation, keras.Model)
                and len(node.input_tensors) == 1
                and node.input_tensors[0].shape[-1] == 3
            ),
            key=lambda node: node.operation.count_params(),
            default=None,
        )
        share = inner.operation.count_params() if inner else 0
        if inner is None or 2 * share <= core.count_params():
            return core, front
        before = keras.Model(core.inputs[0], inner.input_tensors[0])
        front = before if front is None else keras.Sequential([front, before])
        core = inner.operation


def _require_images(model: keras.Model, path: Path) -> None:
    shapes = [tuple(x.shape) for x in getattr(model, "inputs", None) or ()]
    fits = (
        isinstance(model, (keras.Sequential, keras.Model))
        and hasattr(getattr(model, "_functional", model), "_nodes_by_depth")
        and len(shapes) == 1
        and len(shapes[0]) == 4
        and shapes[0][-1] == 3
        and shapes[0][1] == shapes[0][2]
    )
    if not fits:
        raise InputError(
            f"'{path}' is no network for images: its inputs are "
            f"{shapes or 'not known'}; expected a functional or sequential "
            "model with one input [N, S, S, 3]."
        )


def _first_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers below the first one with a kernel."""
    for layer in topological_layers(network):
        if any(len(weight.shape) > 1 for weight in layer.weights):
            return
        yield from leaf_layers(layer)


def _without_top(core: keras.Model, path: Path) -> keras.Model:
    """Returns a network up to its last pooling.

    A pooling after which a map is used again, as in squeeze-and-excitation,
    is none.
    """
    nodes = graph_nodes(core)
    last_map = max(
        (
            index
            for index, node in enumerate(nodes)
            for tensor in node.output_tensors
            if len(tensor.shape) == 4 and 1 not in tensor.shape[1:3]
        ),
        default=-1,
    )
    output = core.outputs[0]
    for node in nodes[last_map + 1 :]:
        if isinstance(node.operation, TOP_POOLINGS):
            output = node.input_tensors[0]
            break
    if len(core.outputs) != 1 or len(output.shape) not in (2, 3, 4):
        raise InputError(
            f"The network in '{path}' ends with "
            f"{[tuple(x.shape) for x in core.outputs]}; expected one feature "
            "map [N, h, w, c], tokens [N, T, d] or a vector [N, d]."
        )
    return keras.Model(core.inputs[0], output, name=core.name)


def _clone(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Copies a layer; augmentation is the pipeline's and passes on images."""
    is_random = type(layer).__name__.startswith("Random")
    if is_random and layer.__module__.startswith("keras."):
        return keras.layers.Identity(name=layer.name)
    kind = type(layer)
    if kind is _DepthwiseConv2D:
        kind = keras.layers.DepthwiseConv2D
    return kind.from_config(layer.get_config())

"""Where a backbone's weights come from: a file, the package, or a run."""

import warnings
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import keras

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.models.layer_matching import (
    WeightedGraph,
    first_gap,
    match_layers,
    nested_graphs,
    read_graph,
)
from tlkeras.tables import suggest

EMBEDDED = {"letters": "letters_mobilenet.weights.h5"}
NAMED = ("imagenet", "none", *EMBEDDED)


def load_backbone_weights(backbone: keras.Model, weights: str) -> int:
    """Loads weights into a whole backbone, before any truncation.

    Args:
        backbone: Built by `backbones.build_backbone`.
        weights: `letters`, a weights file (.h5, .weights.h5, .keras), or the
            directory of a finished run.

    Returns:
        The number of variables that were filled: all, or from a run those
        below the layer at which it was cut.

    Raises:
        InputError: If there is no such file, or it belongs to another network.
    """
    if weights in EMBEDDED:
        package = resources.files("tlkeras") / "assets" / EMBEDDED[weights]
        with resources.as_file(package) as path:
            _load_file(backbone, path, weights)
        return len(backbone.weights)
    path = Path(weights)
    if path.is_dir():
        path = path / workdir.MODEL
    if not path.is_file():
        raise InputError(
            f"model.weights='{weights}' is neither a name nor a file."
            f"{suggest(weights, NAMED)} Expected {', '.join(NAMED)}, a weights "
            "file (.h5, .weights.h5, .keras) or the directory of a finished "
            "run."
        )
    if path.suffix == ".keras":
        return _copy_from_model(backbone, path)
    _load_file(backbone, path, weights)
    return len(backbone.weights)


def _load_file(backbone: keras.Model, path: Path, named: str) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns where a file lacks the weights of a layer.
            warnings.simplefilter("error", UserWarning)
            backbone.load_weights(str(path))
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise InputError(
            f"The weights '{named}' do not fit {backbone.name} "
            f"({first_line(error)}); expected a file saved from the same "
            "network, with the same model.alpha and without its top."
        ) from None


def read_model(
    path: Path,
    *,
    expected: str = "the model.keras of a finished run: restore the file, or "
    "train again in a new directory",
    custom_objects: Mapping[str, Any] | None = None,
) -> keras.Model:
    """Loads a whole model; no code of the file is run.

    Args:
        path: Of a `.keras` or `.h5` file.
        expected: What it should be, for the error.
        custom_objects: Name in the file -> class in its place.

    Raises:
        InputError: If it is none, or is damaged.
    """
    try:
        return keras.saving.load_model(
            path,
            compile=False,
            custom_objects=custom_objects,
            safe_mode=True,
        )
    except MemoryError:
        raise
    except Exception as error:  # of Keras, zip, HDF5 and JSON: many kinds
        raise InputError(
            f"'{path}' cannot be read as a Keras model "
            f"({first_line(error)}); expected {expected}."
        ) from None


def _copy_from_model(backbone: keras.Model, path: Path) -> int:
    """Copies the weights of the same layers out of a saved model.

    The backbone may lie in it as a model of its own or layer by layer, have
    another image size, and end lower; then the lower part is filled.

    Returns:
        The number of variables that were filled.
    """
    target = read_graph(backbone)
    source = max(
        nested_graphs(read_model(path)),
        key=lambda graph: len(match_layers(graph, target)),
        default=WeightedGraph({}, {}, frozenset()),
    )
    matched = match_layers(source, target)
    both = [name for name in target.layers if name in source.layers]
    if not both:
        stranger = next(iter(source.layers), "")
        raise InputError(
            f"'{path}' holds another network than {backbone.name} (layer "
            f"'{stranger}'); expected a run with the same model.backbone."
        )
    for name in both:
        if name not in matched:
            raise InputError(
                f"The layer '{name}' of '{path}' has another shape than in "
                f"{backbone.name} ({source.shapes(name)}, not "
                f"{target.shapes(name)}); expected a run with the same "
                "model.backbone and model.alpha."
            )
    if gap := first_gap(source, target, matched):
        raise InputError(
            f"'{path}' holds another network than {backbone.name}: only one "
            f"of the two has the layer '{gap}', below layers of both, and "
            f"{len(matched)} of {len(target.layers)} layers would be filled; "
            "expected a run with the same model.backbone."
        )
    for name in matched:
        weights = source.layers[name].get_weights()
        target.layers[name].set_weights(weights)
    return sum(len(target.layers[name].weights) for name in matched)


def first_line(error: Exception) -> str:
    """Returns the first line of what an error says, or its kind."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

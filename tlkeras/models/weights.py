"""Where a backbone's weights come from: a file, the package, or a run."""

import warnings
import zipfile
from importlib import resources
from pathlib import Path

import keras

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.tables import suggest

EMBEDDED = {"letters": "letters_mobilenet.weights.h5"}
NAMED = ("imagenet", "none", *EMBEDDED)


def load_backbone_weights(backbone: keras.Model, weights: str) -> None:
    """Loads weights into a whole backbone, before any truncation.

    Args:
        backbone: Built by `backbones.build_backbone`.
        weights: `letters`, a weights file (.h5, .weights.h5, .keras), or the
            directory of a finished run.

    Raises:
        InputError: If there is no such file, or it belongs to another network.
    """
    if weights in EMBEDDED:
        package = resources.files("tlkeras") / "assets" / EMBEDDED[weights]
        with resources.as_file(package) as path:
            _load_file(backbone, path, weights)
        return
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
        _copy_from_model(backbone, path)
    else:
        _load_file(backbone, path, weights)


def _load_file(backbone: keras.Model, path: Path, named: str) -> None:
    try:
        with warnings.catch_warnings():
            # Keras only warns where a file lacks the weights of a layer.
            warnings.simplefilter("error", UserWarning)
            backbone.load_weights(str(path))
    except (ValueError, OSError, KeyError, UserWarning) as error:
        raise InputError(
            f"The weights '{named}' do not fit {backbone.name} "
            f"({_first_line(error)}); expected a file saved from the same "
            "network, with the same model.alpha and without its top."
        ) from None


def _copy_from_model(backbone: keras.Model, path: Path) -> None:
    """Copies weights by layer name out of a saved model.

    A run that was cut with `features_from` fills the lower part only.
    """
    try:
        saved = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"'{path}' cannot be read as a Keras model "
            f"({_first_line(error)}); expected the model.keras of a run."
        ) from None
    nested = [x for x in saved.layers if isinstance(x, keras.Model)]
    source = next((x for x in nested if x.name == backbone.name), saved)
    sources = {layer.name: layer for layer in source.layers if layer.weights}
    targets = {layer.name: layer for layer in backbone.layers if layer.weights}
    stranger = next((n for n in sources if n not in targets), None)
    if not set(sources) & set(targets) or (nested and stranger):
        raise InputError(
            f"'{path}' holds another network than {backbone.name} (layer "
            f"'{stranger}'); expected a run with the same model.backbone."
        )
    for name, layer in sources.items():
        if name not in targets:
            continue
        try:
            targets[name].set_weights(layer.get_weights())
        except ValueError as error:
            raise InputError(
                f"The layer '{name}' of '{path}' has another shape than in "
                f"{backbone.name} ({_first_line(error)}); expected a run with "
                "the same model.backbone and model.alpha."
            ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]

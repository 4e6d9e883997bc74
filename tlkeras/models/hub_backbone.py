"""A preset of KerasHub as the backbone: `hub:NAME`, or `hub:DIRECTORY`.

A preset is whatever KerasHub's `from_preset` takes. Its network is written
anew in Keras' own layers (`native_layers.py`), so that it can be cut between
blocks, and `model.keras` of a run loads without KerasHub. What it expects of
its input is what its image converter does to pixels.
"""

import dataclasses
import difflib
import functools
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkeras.config.values import HUB
from tlkeras.config.weight_files import preset_files
from tlkeras.errors import InputError, quote
from tlkeras.models.native_layers import rewrite_in_keras_layers
from tlkeras.models.preprocessing import CONTRACTS, contract_values
from tlkeras.models.weights import first_line

# Class of KerasHub -> the part of it that sees images. Held by a test, with
# those that cannot be written in Keras' own layers.
HUB_NETWORKS: dict[str, Callable[[Any], keras.Model]] = {
    **dict.fromkeys(
        (
            "CSPNetBackbone",
            "DINOV2Backbone",
            "DenseNetBackbone",
            "EfficientNetBackbone",
            "MobileNetBackbone",
            "ResNetBackbone",
            "VGGBackbone",
            "ViTBackbone",
            "XceptionBackbone",
            "CLIPVisionEncoder",
            "SigLIPVisionEncoder",
        ),
        lambda backbone: backbone,
    ),
    "CLIPBackbone": lambda backbone: backbone.vision_encoder,
    "SigLIPBackbone": lambda backbone: backbone.vision_encoder,
}
NUM_NEAR = 3  # names of presets in a message
NEAR = 0.6  # of 1, as difflib counts
SAME_CONTRACT = 1e-3  # of the largest value that it gives


@dataclasses.dataclass(frozen=True)
class HubPreset:
    """What KerasHub says of a preset of its own, before anything is fetched.

    Attributes:
        parameters: Of the whole preset, of towers for text too; 0 = not said.
        handle: Where it is kept, `kaggle://...`.
    """

    parameters: int
    handle: str

    @property
    def cache(self) -> Path:
        """The folder into which Kaggle's client downloads it."""
        usual = Path.home() / ".cache" / "kagglehub"
        root = Path(os.environ.get("KAGGLEHUB_CACHE") or usual)
        return root / "models" / self.handle.partition("://")[2]


def is_preset(backbone: str) -> bool:
    """Says whether a backbone is named by a preset of KerasHub."""
    return backbone.startswith(HUB)


def hub_presets() -> dict[str, HubPreset]:
    """Returns the built-in presets of KerasHub that fit, by name.

    Raises:
        InputError: If KerasHub is not installed.
    """
    models = _import_hub(HUB).models
    return {
        name: HubPreset(
            preset.get("metadata", {}).get("params", 0),
            preset["kaggle_handle"],
        )
        for kind in HUB_NETWORKS
        for name, preset in sorted(getattr(models, kind).presets.items())
    }


def read_preset(
    backbone: str, image_size: int | None = None
) -> tuple[keras.Model, str, int]:
    """Reads the network of a preset, the contract of its input, and its size.

    Args:
        backbone: `hub:` and a preset's name, or its directory.
        image_size: Side of the images, pixels, for a network that is built for
            one; None = the preset's own.

    Returns:
        A functional model of Keras' own layers, [N, S, S, 3] -> a map
        [N, h, w, c], tokens [N, T, d] or a vector [N, d], whose weights are
        the preset's: not to be changed. A key of `CONTRACTS`, or "" where no
        image converter says it. The preset's own S, pixels; 0 = not known.

    Raises:
        InputError: If there is no such preset, it cannot be had, or it is no
            network for images that can be written in Keras' own layers.
    """
    preset = backbone.removeprefix(HUB)
    stamp = tuple(
        (path.stat().st_mtime_ns, path.stat().st_size)
        for path in preset_files(Path(preset))
    )
    # Layers take the policy that holds when they are built.
    policy = keras.config.dtype_policy().name
    network, contract, size = _read_once(preset, None, stamp, policy)
    if image_size and network.inputs[0].shape[1] not in (None, image_size):
        network, _, _ = _read_once(preset, image_size, stamp, policy)
    return network, contract, size


@functools.lru_cache(maxsize=2)  # a run asks for it three times
def _read_once(
    preset: str, image_size: int | None, stamp: Any, policy: str
) -> tuple[keras.Model, str, int]:
    hub = _import_hub(f"{HUB}{preset}")
    sized = {}
    if image_size:
        sized["image_shape"] = (image_size, image_size, 3)
    try:
        whole = hub.models.Backbone.from_preset(preset, **sized)
        converter = _read_converter(hub, preset)
    except Exception as error:  # of networks, files and layers: many kinds
        raise _explain(hub, preset, image_size, error) from None
    kind = type(whole).__name__
    if kind not in HUB_NETWORKS:
        raise InputError(
            f"The preset '{quote(preset)}' is a {kind}, which is no backbone "
            "for images that tlkeras can take; expected one of "
            f"{', '.join(HUB_NETWORKS)}: choose another preset."
        )
    network = HUB_NETWORKS[kind](whole)
    contract, scaling = _find_contract(converter)
    written = rewrite_in_keras_layers(network, network.outputs[0], scaling)
    size = written.inputs[0].shape[1] or getattr(converter, "image_size", None)
    side = size if isinstance(size, int) else (size or (0,))[0]
    return written, contract, side


def _import_hub(backbone: str) -> Any:
    """Returns KerasHub.

    Raises:
        InputError: If it is not installed.
    """
    if importlib.util.find_spec("keras_hub") is None:
        raise InputError(
            f"model.backbone='{quote(backbone)}' needs the package keras-hub, "
            "which is not installed; expected the extra hub: run pip install "
            "'tlkeras[hub]'."
        )
    return importlib.import_module("keras_hub")


def _read_converter(hub: Any, preset: str) -> Any:
    """Returns what prepares images for a preset; None where nothing does."""
    try:
        return hub.layers.ImageConverter.from_preset(preset)
    except FileNotFoundError:
        return None
    except ValueError as error:
        if "Unable to find a subclass" in str(error):  # of a tower alone
            return None
        raise


def _find_contract(
    converter: Any,
) -> tuple[str, keras.layers.Layer | None]:
    """Returns the contract that a converter amounts to, or its scaling.

    A scaling that no contract has becomes a layer of the network, which then
    takes pixels as they are.
    """
    if converter is None:
        return "", None
    one = 1.0 if converter.scale is None else converter.scale
    zero = 0.0 if converter.offset is None else converter.offset
    scale, offset = (
        np.broadcast_to(np.asarray(x, np.float64), 3) for x in (one, zero)
    )
    ends = np.array([[0.0] * 3, [255.0] * 3])
    values = ends * scale + offset
    for contract, (_, _, is_bgr) in CONTRACTS.items():
        wanted = contract_values(ends, contract)
        if not is_bgr and np.allclose(
            values, wanted, rtol=0, atol=SAME_CONTRACT * np.abs(wanted).max()
        ):
            return contract, None
    return "none", keras.layers.Rescaling(
        scale.tolist(), offset.tolist(), dtype="float32", name="image_converter"
    )


def _explain(
    hub: Any, preset: str, image_size: int | None, error: Exception
) -> Exception:
    """Turns what KerasHub says of a preset into one sentence."""
    named = f"model.backbone='{HUB}{quote(preset)}'"
    reason = first_line(error)
    if image_size:
        return InputError(
            f"{named} cannot be built for images of {image_size} pixels "
            f"({reason}); expected the preset's own size: leave out "
            "model.image_size."
        )
    if preset and Path(preset).is_dir():
        return InputError(
            f"{named} cannot be read ({reason}); expected the directory of a "
            "preset, as KerasHub's save_to_preset writes it, with config.json "
            "and its weights."
        )
    known = hub_presets()
    if preset in known or "://" in preset:
        return InputError(
            f"{named} cannot be downloaded ({reason}); expected access to "
            "where KerasHub keeps it: save it with save_to_preset where there "
            f"is, and pass --config.model.backbone={HUB}DIRECTORY."
        )
    return InputError(
        f"{named} names no preset of KerasHub for images, and no directory."
        f"{_list_near(preset, known)} Expected one of those that tlkeras "
        "doctor --backbones lists."
    )


def _list_near(preset: str, known: Iterable[str]) -> str:
    """Returns ` Near it are ...`, by how names begin: they end in a source."""
    scores = {
        name: difflib.SequenceMatcher(None, preset, name[: len(preset)]).ratio()
        for name in known
    }
    near = sorted(scores, key=lambda name: -scores[name])[:NUM_NEAR]
    near = [name for name in near if scores[name] >= NEAR]
    return f" Near it are {', '.join(near)}." if near and preset else ""

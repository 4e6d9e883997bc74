"""Every backbone, with what it expects of its input.

Those of `keras.applications` stand in a table; others are read from a file, a
run or a preset of KerasHub.
"""

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import keras

from tlkeras.errors import InputError
from tlkeras.models.hub_backbone import is_preset, read_preset
from tlkeras.models.own_backbone import build_own, is_own, read_file
from tlkeras.tables import lookup


@dataclasses.dataclass(frozen=True)
class BackboneSpec:
    """One network of `keras.applications`.

    Attributes:
        name: Of the builder in `keras.applications`.
        family: Networks of a family share their structure.
        contract: What its ImageNet weights were trained on, a key of
            `preprocessing.CONTRACTS`: none = takes 0..255 itself;
            minus_one_one = x / 127.5 - 1; caffe = BGR minus the ImageNet mean;
            torch = 0..1, normalised by ImageNet's mean and deviation; "" = not
            known, of one's own networks only.
        default_size: Image size of the ImageNet weights, pixels.
        min_size: Smallest image size that the network allows, pixels.
        takes_alpha: Whether it has a width multiplier.
        preprocesses: Whether its builder takes `include_preprocessing`.
    """

    name: str
    family: str
    contract: str
    default_size: int
    min_size: int = 32
    takes_alpha: bool = False
    preprocesses: bool = False


def _family(
    family: str, contract: str, sizes: dict[str, int], **rest: Any
) -> list[BackboneSpec]:
    return [
        BackboneSpec(name, family, contract, size, **rest)
        for name, size in sizes.items()
    ]


_SPECS = [
    BackboneSpec("Xception", "Xception", "minus_one_one", 299, min_size=71),
    *_family("VGG", "caffe", {"VGG16": 224, "VGG19": 224}),
    *_family(
        "ResNet", "caffe", {"ResNet50": 224, "ResNet101": 224, "ResNet152": 224}
    ),
    *_family(
        "ResNetV2",
        "minus_one_one",
        {"ResNet50V2": 224, "ResNet101V2": 224, "ResNet152V2": 224},
    ),
    BackboneSpec(
        "InceptionV3", "InceptionV3", "minus_one_one", 299, min_size=75
    ),
    BackboneSpec(
        "InceptionResNetV2",
        "InceptionResNetV2",
        "minus_one_one",
        299,
        min_size=75,
    ),
    BackboneSpec(
        "MobileNet", "MobileNet", "minus_one_one", 224, takes_alpha=True
    ),
    BackboneSpec(
        "MobileNetV2", "MobileNetV2", "minus_one_one", 224, takes_alpha=True
    ),
    *_family(
        "MobileNetV3",
        "none",
        {"MobileNetV3Small": 224, "MobileNetV3Large": 224},
        takes_alpha=True,
        preprocesses=True,
    ),
    *_family(
        "DenseNet",
        "torch",
        {"DenseNet121": 224, "DenseNet169": 224, "DenseNet201": 224},
    ),
    *_family(
        "NASNet", "minus_one_one", {"NASNetMobile": 224, "NASNetLarge": 331}
    ),
    *_family(
        "EfficientNet",
        "none",
        {
            "EfficientNetB0": 224,
            "EfficientNetB1": 240,
            "EfficientNetB2": 260,
            "EfficientNetB3": 300,
            "EfficientNetB4": 380,
            "EfficientNetB5": 456,
            "EfficientNetB6": 528,
            "EfficientNetB7": 600,
        },
    ),
    *_family(
        "EfficientNetV2",
        "none",
        {
            "EfficientNetV2B0": 224,
            "EfficientNetV2B1": 240,
            "EfficientNetV2B2": 260,
            "EfficientNetV2B3": 300,
            "EfficientNetV2S": 384,
            "EfficientNetV2M": 480,
            "EfficientNetV2L": 480,
        },
        preprocesses=True,
    ),
    *_family(
        "ConvNeXt",
        "none",
        {
            "ConvNeXtTiny": 224,
            "ConvNeXtSmall": 224,
            "ConvNeXtBase": 224,
            "ConvNeXtLarge": 224,
            "ConvNeXtXLarge": 224,
        },
        preprocesses=True,
    ),
]
BACKBONES = {spec.name: spec for spec in _SPECS}
OWN = "own"  # family of networks that are not in the table

# The cheapest member of each family, for tests and first tries.
SMALLEST = {
    "Xception": "Xception",
    "VGG": "VGG16",
    "ResNet": "ResNet50",
    "ResNetV2": "ResNet50V2",
    "InceptionV3": "InceptionV3",
    "InceptionResNetV2": "InceptionResNetV2",
    "MobileNet": "MobileNet",
    "MobileNetV2": "MobileNetV2",
    "MobileNetV3": "MobileNetV3Small",
    "DenseNet": "DenseNet121",
    "NASNet": "NASNetMobile",
    "EfficientNet": "EfficientNetB0",
    "EfficientNetV2": "EfficientNetV2B0",
    "ConvNeXt": "ConvNeXtTiny",
}


def find_spec(name: str) -> BackboneSpec:
    """Returns what is known of a backbone.

    Args:
        name: Of a network in `BACKBONES`, `hub:` and a preset of KerasHub, or
            what `own_backbone.is_own` takes.

    Raises:
        InputError: If there is no such network.
    """
    if name in BACKBONES or not (is_preset(name) or is_own(name)):
        return lookup(BACKBONES, name, what="backbone")
    network, contract, size = read_network(name)
    return BackboneSpec(network.name, OWN, contract, size, min_size=1)


def read_network(
    name: str, image_size: int | None = None
) -> tuple[keras.Model, str, int]:
    """Reads a network that is not in the table: from a file or a preset.

    Args:
        name: What `find_spec` takes, but for names of `BACKBONES`.
        image_size: Side of the images, pixels, for which it will be built.

    Returns:
        As `hub_backbone.read_preset`.

    Raises:
        InputError: As it, or as `own_backbone.read_file`.
    """
    if is_preset(name):
        return read_preset(name, image_size)
    network, contract = read_file(name)
    return network, contract, network.inputs[0].shape[1] or 0


def check_image_size(spec: BackboneSpec, image_size: int) -> None:
    """Makes sure that the network allows an image size.

    Raises:
        InputError: If the size is below the network's minimum, or 0: not known.
    """
    if not image_size:
        raise InputError(
            f"The network '{spec.name}' takes any size of images; expected "
            "one: pass --config.model.image_size, the size it was trained on."
        )
    if image_size < spec.min_size:
        raise InputError(
            f"The image size {image_size} is too small for {spec.name}; "
            f"expected at least {spec.min_size} pixels: raise "
            "--config.model.image_size."
        )


def build_backbone(
    name: str,
    *,
    image_size: int | None = None,
    alpha: float = 1.0,
    imagenet: bool = False,
) -> keras.Model:
    """Builds a backbone without its top.

    Args:
        name: As for `find_spec`.
        image_size: Side of the square input, pixels; None = the default.
        alpha: Width multiplier, where the network has one.
        imagenet: Whether to load the ImageNet weights, or those of the file;
            random otherwise.

    Returns:
        A functional model, [N, size, size, 3] -> a map [N, h, w, c] (of those
        not in the table, tokens [N, T, d] or a vector [N, d] too), that takes
        what `BackboneSpec.contract` says.

    Raises:
        InputError: If the name is unknown, the size too small, alpha does not
            apply, or the weights cannot be had.
    """
    spec = find_spec(name)
    size = image_size or spec.default_size
    check_image_size(spec, size)
    arguments: dict[str, Any] = {}
    if spec.takes_alpha:
        arguments["alpha"] = alpha
    elif alpha != 1.0:
        raise InputError(
            f"{name} has no width multiplier; expected model.alpha=1.0: remove "
            f"--config.model.alpha={alpha} or choose MobileNet, MobileNetV2 or "
            "MobileNetV3."
        )
    if spec.family == OWN:
        network, _, _ = read_network(name, size)
        return build_own(network, name, image_size=size, with_weights=imagenet)
    if spec.preprocesses:
        arguments["include_preprocessing"] = True
    builder = getattr(keras.applications, name)
    try:
        return builder(
            include_top=False,
            weights="imagenet" if imagenet else None,
            input_shape=(size, size, 3),
            **arguments,
        )
    except Exception as error:
        if imagenet:
            raise _weights_error(name, error) from None
        if isinstance(error, ValueError) and alpha != 1.0:
            raise InputError(
                f"{name} cannot be built with model.alpha={alpha} "
                f"({str(error).splitlines()[0]}); expected a usual width such "
                "as 0.25, 0.5, 0.75 or 1.0."
            ) from None
        raise


def weight_cache() -> Path:
    """Returns the folder where Keras looks for downloaded weights."""
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    return Path(home) / "models"


def _weights_error(name: str, error: Exception) -> Exception:
    """Turns a failed download into one sentence; passes other errors on."""
    match = re.search(r"(https?://\S+?)(?::|\s|$)", str(error))
    if not match and not isinstance(error, ValueError):
        return error
    if not match:
        return InputError(
            f"{name} has no ImageNet weights for this configuration "
            f"({str(error).splitlines()[0]}); use another model.alpha or "
            "--config.model.weights=none."
        )
    file = Path(match.group(1)).name
    folder = weight_cache()
    return InputError(
        f"The ImageNet weights of {name} cannot be downloaded; expected the "
        f"file '{file}' in '{folder}': copy it there, or pass "
        "--config.model.weights=FILE, =RUN_DIRECTORY or =none."
    )

"""The distance of `tlkeras advise` for backbones and sets of images.

Command: TLKERAS_ASSETS=DIR python benchmarks/source_distance.py
"""

import os
import sys
from pathlib import Path

ASSETS = Path(os.environ.get("TLKERAS_ASSETS", ""))
MODELS = ASSETS / "keras_home" / "models"
# Backbone -> width, weights, side of the images.
BACKBONES = {
    "MobileNetV2": (
        1.0,
        MODELS
        / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
        160,
    ),
    "MobileNet": (0.25, MODELS / "mobilenet_2_5_224_tf_no_top.h5", 160),
    "MobileNet, letters": (0.25, "letters", 32),
}
SOURCES = (
    "clothing",
    "sign_digits",
    "blood_cells",
    "omniglot",
    "digits",
    "letters",
)
BUILT_IN = ("digits", "letters")


def main() -> None:
    """Prints a row a set of images: its distance from each source."""
    if not ASSETS.is_dir():
        sys.exit("TLKERAS_ASSETS names no folder of real weights and photos")
    from tlkeras.startup import import_frameworks

    import_frameworks()
    print("| images |", " | ".join(BACKBONES), "|")
    print("|---" * (len(BACKBONES) + 1) + "|")
    for source in SOURCES:
        cells = [measure(source, name) for name in BACKBONES]
        print("|", source, "|", " | ".join(cells), "|", flush=True)


def measure(source: str, name: str) -> str:
    """Returns the distance and what it means, as a cell."""
    from tlkeras.config import get_config
    from tlkeras.console import Console
    from tlkeras.data.load import load_configured
    from tlkeras.studies.similarity import measure_similarity
    from tlkeras.training.build import build_from_config, set_up_model

    config = get_config()
    folder = ASSETS / "datasets" / source
    config.data.source = source if source in BUILT_IN else str(folder)
    config.model.backbone = name.split(",")[0]
    alpha, weights, size = BACKBONES[name]
    config.model.alpha = alpha
    config.model.weights = str(weights)
    config.model.image_size = size
    set_up_model(config)
    dataset = load_configured(config)
    similarity = measure_similarity(
        config,
        build_from_config(config, dataset),
        dataset.splits["train"],
        Console(quiet=True),
    )
    return f"{similarity.distance:.3f} {similarity.as_dict()['reading']}"


if __name__ == "__main__":
    main()

"""Pretrain the embedded source network on printed letters.

Purpose: the weights that `model.weights = "letters"` loads: MobileNet with
width multiplier 0.25 at 32 px, trained from scratch to tell 52 printed letters
in 22 fonts apart (26 000 drawings).

Command: python configs/pretrain_letters.py
(trains in runs/pretrain_letters, then writes
tlkeras/assets/letters_mobilenet.weights.h5)
"""

from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.config import defaults

WORKDIR = "runs/pretrain_letters"
ASSETS = Path(__file__).parent.parent / "tlkeras" / "assets"


def get_config(source: str = "letters") -> ConfigDict:
    """Returns the experiment.

    Args:
        source: Built-in data set.
    """
    config = defaults.get_config()
    config.data.source = source
    config.data.split = (0.9, 0.1, 0.0)
    config.data.augment.load_scale = 1.0
    config.data.augment.crop_area = (0.7, 1.0)
    config.data.augment.horizontal_flip = False
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "none"
    config.phases.linear_probe.epochs = 0
    train = config.phases.fine_tune
    train.epochs = 12
    train.trainable_from = "all"
    train.batch_norm = "train"
    train.batch_size = 128
    train.learning_rate = 4e-3
    train.weight_decay = 1e-2
    for group in ("upper", "lower"):
        train.groups[group].learning_rate_multiplier = 1.0
    return config


def main() -> None:
    """Trains, and saves the backbone's weights into the package."""
    import keras

    import tlkeras
    from tlkeras.console import Console
    from tlkeras.models.weights import EMBEDDED

    tlkeras.train_and_evaluate(get_config(), WORKDIR, console=Console())
    model = tlkeras.load_run(WORKDIR).model
    backbone = next(x for x in model.layers if isinstance(x, keras.Model))
    backbone.save_weights(ASSETS / EMBEDDED["letters"])


if __name__ == "__main__":
    main()

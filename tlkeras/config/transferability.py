"""What `tlkeras transferability` runs without --config: printed letters.

Its `data`, `model`, `features` and `runtime` sections and its seed count; how
networks are trained is the command's own flags.
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns a narrow MobileNet at 32 px, from scratch, on `letters`."""
    config = defaults.get_config()
    config.data.source = "letters"
    config.data.images_per_class = 75
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "none"
    config.model.dropout = 0.0
    return config

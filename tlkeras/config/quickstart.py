"""The embedded default, `tlkeras quickstart`: letters become digits.

Purpose: a recipe that needs no download. A narrow MobileNet that
knows printed letters becomes a reader of handwritten digits (scikit-learn's,
8 x 8 pixels) from 100 labelled images. The letters' top layer is too specific
for that: a linear classifier on it loses to raw pixels. Features from an
earlier stage (conv_pw_5, stride 8), kept as a 4 x 4 map, and then fine-tuned,
win: the lectures' "linear classifier from different stages".
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults

TAP = "conv_pw_5_relu"


def get_config(arguments: str = "seed=0") -> ConfigDict:
    """Returns the chosen recipe.

    Args:
        arguments: `seed=N`, of the division, the subset and the training.
    """
    seed = int(arguments.partition("=")[2] or 0)
    config = defaults.get_config()
    config.seed = seed
    config.data.source = "digits"
    config.data.split = (0.2, 0.3, 0.5)
    config.data.split_seed = seed
    config.data.images_per_class = 10
    config.data.augment.load_scale = 1.0
    config.data.augment.crop_area = (0.7, 1.0)
    config.data.augment.horizontal_flip = False
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.model.features_from = TAP
    config.model.pooling = "flatten"
    config.phases.linear_probe.epochs = 20
    config.phases.fine_tune.epochs = 40
    config.phases.fine_tune.batch_size = 20
    config.phases.fine_tune.trainable_from = "all"
    # As it was measured.
    config.phases.fine_tune.learning_rate = 3e-3
    config.phases.fine_tune.schedule_args.warmup_epochs = 1.0
    return config

"""The winner of a search.

Purpose: these values, found on validation:
  phases.linear_probe.learning_rate = 0.00310174991900114
  model.head_l2 = 0.3575860651460222

Result: validation 0.2640 in the search.

Command: tlkeras train --config=search/tuned.py
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns the experiment."""
    config = defaults.get_config()
    with config.unlocked():
        config.data.images_per_class = 4
        config.data.source = "digits"
        config.evaluation.bootstrap_samples = 50
        config.model.alpha = 0.25
        config.model.backbone = "MobileNet"
        config.model.features_from = "conv_pw_5_relu"
        config.model.head_l2 = 0.3575860651460222
        config.model.image_size = 32
        config.model.weights = "letters"
        config.phases.fine_tune.batch_size = 8
        config.phases.fine_tune.epochs = 0
        config.phases.fine_tune.learning_rate = 0.001
        config.phases.linear_probe.learning_rate = 0.00310174991900114
        config.phases.linear_probe.method = "fit"
        config.runtime.tensorboard = False
    return config

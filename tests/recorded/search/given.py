"""The config of a search, with its space, as its workers read it.

Command: tlkeras train --config=search/given.py
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
        config.model.image_size = 32
        config.model.weights = "letters"
        config.phases.fine_tune.batch_size = 8
        config.phases.fine_tune.epochs = 2
        config.phases.fine_tune.learning_rate = 0.001
        config.runtime.tensorboard = False
        config.tuning.final_seeds = 2
        config.tuning.final_trials = 2
        config.tuning.noise_seeds = 2
        config.tuning.num_trials = 6
        config.tuning.space = {
            "model": {"head_l2": "1e-06:10:log"},
            "phases": {"linear_probe": {"learning_rate": "1e-05:0.1:log"}},
        }
    return config

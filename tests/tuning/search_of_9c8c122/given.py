"""The config of a search, with its space, as its workers read it.

Command: tlkeras train --config=out/old_killed/given.py
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns the experiment."""
    config = defaults.get_config()
    with config.unlocked():
        config.data.source = "digits"
        config.model.alpha = 0.25
        config.model.backbone = "MobileNet"
        config.model.image_size = 32
        config.model.weights = "letters"
        config.phases.fine_tune.epochs = 1
        config.phases.linear_probe.epochs = 3
        config.phases.linear_probe.optimizer = "rmsprop"
        config.tuning.compare = False
        config.tuning.final_seeds = 2
        config.tuning.final_trials = 2
        config.tuning.num_trials = 14
        config.tuning.space = {
            "model": {"head": "linear|mlp", "head_l2": "1e-06:1:log"}
        }
    return config

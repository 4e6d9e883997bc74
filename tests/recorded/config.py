"""The recorded run and search: handwritten digits, 4 labels a class."""

from tlkeras.config import defaults


def get_config(arguments=""):
    """Returns the config."""
    config = defaults.get_config()
    config.data.images_per_class = 4
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.model.features_from = "conv_pw_5_relu"
    config.phases.fine_tune.epochs = 2
    config.phases.fine_tune.batch_size = 8
    config.phases.fine_tune.learning_rate = 1e-3
    config.evaluation.bootstrap_samples = 50
    config.runtime.tensorboard = False
    config.tuning.num_trials = 6
    config.tuning.noise_seeds = 2
    config.tuning.final_trials = 2
    config.tuning.final_seeds = 2
    return config

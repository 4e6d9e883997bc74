"""A search of a hundred trials, at random in log space, from coarse to fine.

Purpose: rate and regularisation of the head as the lectures find them: random,
not a grid; rates and strengths in log space; many short trials over wide
ranges, then longer ones in the best region; a trial whose loss passes three
times the initial one is quit. All trials are heads on the same codes.

Source: CS231n notes, Neural networks part 3, "Hyperparameter optimization";
Bergstra and Bengio 2012, Random search for hyper-parameter optimization.

Command: tlkeras tune --config=configs/lecture_search.py --data=photos

Result (clothing photos, MobileNetV2 1.0, 160 px, 341 validation images): 100
trials in half a minute; the winner has .833 and the config as given .836, a
difference well within what the seed alone makes (.035). The page shows the
region in which rate and strength do not matter, and where they begin to.
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns the experiment."""
    config = defaults.get_config()
    probe = config.phases.linear_probe
    probe.method = "fit"
    probe.divergence_factor = 3.0
    config.tuning.num_trials = 100
    config.tuning.space = {
        "model": {"head_l2": "1e-5:1e2:log", "dropout": "0:0.7"},
        "phases": {
            "linear_probe": {
                "learning_rate": "1e-6:1e-1:log",
                "optimizer": "adamw|sgd",
            }
        },
    }
    return config

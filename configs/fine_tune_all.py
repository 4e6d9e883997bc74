"""A new head, then its fine-tuning together with the whole network.

Purpose: a large set, similar to the source or not: there are images enough to
move every layer, and nothing is gained by holding some still. The lower a
layer, the smaller its rate: head 1, upper layers 1/10, lower layers 1/100.

Source: CS231n notes, Transfer learning, "When and how to fine-tune?" 3 and 4.

Command: tlkeras train --config=configs/fine_tune_all.py --data=photos

Result (clothing photos, MobileNetV2 1.0, 160 px, seed 0, 341 validation
images): .889; the linear classifier before it .821, the upper part alone .877.
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns the experiment."""
    config = defaults.get_config()
    config.phases.fine_tune.trainable_from = "all"
    return config

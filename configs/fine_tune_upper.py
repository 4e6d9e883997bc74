"""A new head, then its fine-tuning together with the upper layers.

Purpose: a set of medium size, or one that resembles the source: the lower
layers hold what all images share, and too few images would spoil them. They
stay as they are, so that their output is computed once.

Source: CS231n notes, Transfer learning, "Fine-tuning the ConvNet": keep some
of the earlier layers fixed and fine-tune a higher-level portion.

Command: tlkeras train --config=configs/fine_tune_upper.py --data=photos
with more layers: --config=configs/fine_tune_upper.py:stage4

Result (clothing photos, MobileNetV2 1.0, 160 px, seed 0, 341 validation
images): .877; the linear classifier before it .821.
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config(first: str = "stage5") -> ConfigDict:
    """Returns the experiment.

    Args:
        first: First layer that trains, or a stage: all of it.
    """
    config = defaults.get_config()
    config.phases.fine_tune.trainable_from = first
    return config

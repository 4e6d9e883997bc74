"""Ten images of a class.

Purpose: what can be had from very few labels: a classifier on codes that are
computed once, its strength chosen on validation, and fine-tuning of the upper
layers that is given up where validation says that it is worse.

Source: CS231n notes, Transfer learning, "When and how to fine-tune?" 1: few
images would be learnt by heart.

Command: tlkeras train --config=configs/few_shot.py --data=photos
with more images: --config=configs/few_shot.py:20

Result (clothing photos, ten a class, MobileNetV2 1.0, 160 px, seed 0, 341
validation images): .674; the classifier before it .669, and from stage3 on .686
in 2.6 times the time. That is within the noise of so many images.
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config(images: str = "10") -> ConfigDict:
    """Returns the experiment.

    Args:
        images: For training, of each class; validation and test are whole.
    """
    config = defaults.get_config()
    config.data.images_per_class = int(images)
    config.phases.fine_tune.trainable_from = "stage5"
    return config

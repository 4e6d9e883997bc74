"""One's own network as the source: train it on a large set, then transfer it.

Purpose: a field with many images of a kind that ImageNet lacks, microscopy or
drawings, say, and a task with few of them. The first command trains on the
large set from scratch; the second starts from the network of that run. A
related source is worth more than a larger one.

Source: CS231n notes, Transfer learning, "Pretrained models"; Oquab et al. 2014,
table 2 (more, and more related, pretraining).

Commands:
  tlkeras train --config=configs/own_source.py --data=large --workdir=runs/own
  tlkeras train --config=configs/own_source.py:runs/own --data=small

Result (printed letters as the source, handwritten digits, ten labels a class,
test accuracy): .949 against .784 from random weights, README.md.
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config(source: str = "") -> ConfigDict:
    """Returns the training of a source, or the transfer from one.

    Args:
        source: Run directory of the first; "" is that one itself.
    """
    config = defaults.get_config()
    if source:
        config.model.weights = source
        return config
    config.model.weights = "none"
    config.phases.phase_order = ("fine_tune",)
    train = config.phases.fine_tune
    train.trainable_from = "all"
    train.batch_norm = "train"
    train.weight_decay = 1e-2
    for group in ("upper", "lower"):  # no layer knows anything yet
        train.groups[group].learning_rate_multiplier = 1.0
    return config

"""A linear classifier on the features of an earlier layer.

Purpose: a small set that differs much from the source. The top of the network
is specific to its own classes there; what an earlier stage knows, edges,
textures, parts, is of more use. `tlkeras probe` says which depth is best for a
set, `tlkeras advise` whether it is such a set.

Source: CS231n notes, Transfer learning, "When and how to fine-tune?" 2;
Yosinski et al. 2014, How transferable are features in deep neural networks?

Command: tlkeras train --config=configs/earlier_layer.py --data=photos
with another layer: --config=configs/earlier_layer.py:stage3

Result (omniglot, MobileNetV2 1.0, 160 px, seed 0, 431 validation images):
.789 from block_14_add, .766 from the top (out_relu).
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config(layer: str = "stage4") -> ConfigDict:
    """Returns the experiment.

    Args:
        layer: Whose output feeds the classifier, or a stage: its last layer.
    """
    config = defaults.get_config()
    config.model.features_from = layer
    config.phases.phase_order = ("linear_probe",)
    return config

"""Images that carry several labels each.

Purpose: a manifest whose column `label` joins names by `|`: one sigmoid a
label, mean average precision instead of accuracy, a temperature a label.

Source: Oquab et al. 2014, section 3 (Pascal VOC: one output a class, each a
question of its own); CS231n notes, Neural networks part 2, "Attribute
classification".

Command: tlkeras train --config=configs/multi_label.py --data=photos.csv

Result (pictures of two pieces of clothing each, probe): labels taken at .5 are
right for 87.9 % of the answers on test; docs/measurements.md, "Calibration".
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns the experiment."""
    config = defaults.get_config()
    config.model.head = "multi_label"
    return config

"""Networks to try a property on: quick ones by default, the others slow."""

import pytest

# Each kind of block that there is (plain, residual, depthwise, inverted with
# squeeze and excitation), in the network of the kind that is built soonest.
QUICK = ("VGG16", "ResNet50", "MobileNet", "MobileNetV3Small")


def by_cost(names, quick=QUICK):
    """Parameters of a test; all but the quick ones are marked slow."""
    return [
        pytest.param(name, marks=[] if name in quick else pytest.mark.slow)
        for name in names
    ]

"""Small networks of KerasHub with random weights, saved as presets."""

import numpy as np
import pytest

SIDE = 32
BLOCKS = 3
ODD = (1 / 64, -2.0)  # a scaling that no contract has


def import_hub():
    return pytest.importorskip("keras_hub", reason="keras-hub is missing")


def build_vit(side=SIDE, **changes):
    fields = {
        "image_shape": (side, side, 3),
        "patch_size": 8,
        "num_layers": BLOCKS,
        "num_heads": 2,
        "hidden_dim": 16,
        "mlp_dim": 32,
        **changes,
    }
    return import_hub().models.ViTBackbone(**fields)


def build_resnet():
    return import_hub().models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )


def transformer(kind, **changes):
    """A vision tower of KerasHub, as small as it gets."""
    fields = {
        "patch_size": 8,
        "num_layers": BLOCKS,
        "hidden_dim": 16,
        "num_heads": 2,
        "intermediate_dim": 32,
        "image_shape": (SIDE, SIDE, 3),
        **changes,
    }
    return getattr(import_hub().models, kind)(**fields)


def save_preset(network, directory, *, family="", scale=None, offset=None):
    """Saves a network, and the image converter of a family if there is one."""
    network.save_to_preset(str(directory))
    if family:
        kind = getattr(import_hub().layers, f"{family}ImageConverter")
        converter = kind(image_size=(SIDE, SIDE), scale=scale, offset=offset)
        converter.save_to_preset(str(directory))
    return f"hub:{directory}"


def noise(side=SIDE):
    """Two images, float32 [2, side, side, 3] in 0..255."""
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3))
    return images.astype(np.float32)

"""Tokens of a transformer: pooled, and as cells of class maps."""

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.models.backbones import build_backbone
from tlkeras.models.classifier import build_classifier
from tlkeras.models.dense import build_dense, resize_classifier
from tlkeras.models.heads import HeadConfig
from tlkeras.models.tokens import count_prefix_tokens, token_grid

from .hub_presets import SIDE, build_vit, noise, save_preset

CLASSES = ["cat", "dog"]
GRID = (4, 4)


@pytest.mark.parametrize(
    ("name", "pooling"),
    [
        ("vit", "max"),
        ("vit", "class_token"),
        ("dinov2", "average"),
    ],
)
def test_tokens_are_pooled_over_patches_or_by_the_class(
    small_presets, name, pooling
):
    built = build_classifier(
        small_presets[name],
        class_names=CLASSES,
        contract="none",
        head=HeadConfig(pooling=pooling),
    )
    tokens = np.asarray(built.backbone(noise()))
    patches = tokens[:, -16:]
    wanted = {
        "average": patches.mean(1),
        "max": patches.max(1),
        "class_token": tokens[:, 0],
    }[pooling]
    np.testing.assert_allclose(built.code_model(noise()), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["siglip", "resnet"])
def test_without_a_class_token_it_is_refused(small_presets, name):
    with pytest.raises(InputError, match=r"the first of them of the class"):
        build_classifier(
            small_presets[name],
            class_names=CLASSES,
            contract="none",
            head=HeadConfig(pooling="class_token"),
        )


def test_a_vision_transformer_may_have_patches_alone(tmp_path):
    path = save_preset(build_vit(use_class_token=False), tmp_path / "vit")
    built = build_backbone(path)
    assert built.output_shape == (None, 16, 16)
    assert (count_prefix_tokens(built), token_grid(built)) == (0, GRID)


@pytest.mark.parametrize("pooling", ["max", "flatten"])
def test_the_mean_of_the_maps_over_patches_is_the_logits(
    small_presets, pooling
):
    built = build_classifier(
        small_presets["vit"],
        class_names=CLASSES,
        head=HeadConfig(pooling=pooling),
    )
    dense = build_dense(built.model)
    assert dense.stride == 8
    maps = np.asarray(dense.model(noise()))
    assert maps.shape[1:3] == (GRID if pooling != "flatten" else (1, 1))
    np.testing.assert_allclose(
        maps.mean((1, 2)), built.model(noise()), atol=1e-5
    )
    with pytest.raises(InputError, match="a position for each patch"):
        resize_classifier(built.model, 2 * SIDE)


def test_the_class_token_has_no_map(small_presets):
    built = build_classifier(
        small_presets["vit"],
        class_names=CLASSES,
        head=HeadConfig(pooling="class_token"),
    )
    with pytest.raises(InputError, match="it reads the class token"):
        build_dense(built.model)

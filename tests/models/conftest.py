"""Small presets of KerasHub, saved once for all tests."""

import keras
import pytest

from tlkeras.models.classifier import build_classifier

from .hub_presets import (
    ODD,
    build_resnet,
    build_vit,
    import_hub,
    save_preset,
    transformer,
)


@pytest.fixture(scope="session")
def small_presets(tmp_path_factory):
    """Name -> a preset, with random weights."""
    root = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(0)
    imagenet = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale = [1 / (255 * std) for std in imagenet[1]]
    offset = [-m / std for m, std in zip(*imagenet, strict=True)]
    clip = import_hub().models.CLIPBackbone(
        vision_encoder=transformer("CLIPVisionEncoder"),
        text_encoder=import_hub().models.CLIPTextEncoder(
            vocabulary_size=9,
            embedding_dim=16,
            hidden_dim=16,
            num_layers=1,
            num_heads=2,
            intermediate_dim=16,
            max_sequence_length=4,
        ),
        projection_dim=8,
    )
    return {
        "vit": save_preset(
            build_vit(),
            root / "vit",
            family="ViT",
            scale=1 / 127.5,
            offset=-1.0,
        ),
        "resnet": save_preset(
            build_resnet(),
            root / "resnet",
            family="ResNet",
            scale=scale,
            offset=offset,
        ),
        "dinov2": save_preset(
            transformer(
                "DINOV2Backbone",
                num_register_tokens=2,
                drop_path_rate=0.1,
                position_embedding_shape=(48, 48, 3),
            ),
            root / "dinov2",
            family="DINOV2",
            scale=ODD[0],
            offset=ODD[1],
        ),
        "siglip": save_preset(
            transformer("SigLIPVisionEncoder"), root / "siglip"
        ),
        "clip": save_preset(clip, root / "clip"),
    }


@pytest.fixture(scope="session")
def vit(small_presets):
    return build_classifier(small_presets["vit"], class_names=["cat", "dog"])

"""Presets of KerasHub: written in Keras' own layers, cut, pooled, named."""

import importlib.util
import shutil

import keras
import numpy as np
import pytest

from tlkeras.config import get_config
from tlkeras.config.hashing import config_hash, identity
from tlkeras.errors import InputError
from tlkeras.features.network_hash import graph_hash
from tlkeras.models import native_layers
from tlkeras.models.backbones import build_backbone, find_spec
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.cutoffs import (
    DEFAULT_START,
    explain_start,
    find_cutoff,
    truncate,
)
from tlkeras.models.depths import block_ends, depth_sections
from tlkeras.models.graph import topological_layers
from tlkeras.models.hub_backbone import HUB_NETWORKS, hub_presets
from tlkeras.models.layer_groups import group_layers, section_group_starts
from tlkeras.models.native_layers import rewrite_in_keras_layers
from tlkeras.models.split import split_classifier
from tlkeras.models.tokens import count_prefix_tokens

from .hub_presets import (
    BLOCKS,
    ODD,
    SIDE,
    build_vit,
    import_hub,
    noise,
    save_preset,
    transformer,
)

CLASSES = ["cat", "dog"]


@pytest.mark.parametrize(
    ("name", "shape", "prefix"),
    [
        ("vit", (17, 16), 1),
        ("dinov2", (19, 16), 3),
        ("clip", (17, 16), 1),
        ("siglip", (16,), 0),
        ("resnet", (4, 4, 64), 0),
    ],
)
def test_a_preset_answers_as_kerashub_does(small_presets, name, shape, prefix):
    built = build_backbone(small_presets[name], image_size=SIDE, imagenet=True)
    assert built.output_shape == (None, *shape)
    assert count_prefix_tokens(built) == prefix
    directory = small_presets[name].removeprefix("hub:")
    whole = import_hub().models.Backbone.from_preset(directory)
    original = getattr(whole, "vision_encoder", whole)
    images = noise() / 255
    values = images
    if name == "dinov2":  # its scaling is in the network
        values = images * ODD[0] + ODD[1]
    expected = original(
        keras.tree.map_structure(lambda _: values, original.input)
    )
    np.testing.assert_allclose(built(images), expected, atol=1e-4)
    kinds = {type(layer).__module__ for layer in built._flatten_layers()}
    assert all(kind.startswith("keras.") for kind in kinds), kinds
    random = build_backbone(small_presets[name], image_size=SIDE)
    assert not np.allclose(random(images), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "contract", "size"),
    [
        ("vit", "minus_one_one", SIDE),
        ("resnet", "torch", SIDE),
        ("dinov2", "none", SIDE),
        ("siglip", "", SIDE),
    ],
)
def test_the_contract_is_that_of_the_image_converter(
    small_presets, name, contract, size
):
    spec = find_spec(small_presets[name])
    assert (spec.contract, spec.default_size) == (contract, size)


def test_a_saved_network_needs_no_kerashub(vit, tmp_path):
    path = tmp_path / "model.keras"
    vit.model.save(path)
    import zipfile

    assert b"keras_hub" not in zipfile.ZipFile(path).read("config.json")
    loaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(loaded(noise()), vit.model(noise()))


def test_a_transformer_is_cut_between_its_blocks(vit):
    backbone = vit.backbone
    images = noise()
    whole = keras.ops.convert_to_numpy(vit.model(images))
    names = [layer.name for layer in topological_layers(backbone)]
    for name in (*names[-BLOCKS - 1 :], "none"):
        parts = split_classifier(vit, find_cutoff(backbone, name))
        stitched = parts.suffix(parts.prefix(images, training=False))
        np.testing.assert_array_equal(stitched, whole, name)
        if name != "none":
            assert parts.frontier_shapes == [(17, 16)]
    first = truncate(backbone, "transformer_block_1")
    assert first.output_shape == (None, 17, 16)


def test_depth_is_counted_in_blocks(vit):
    backbone = vit.backbone
    blocks = [f"transformer_block_{i + 1}" for i in range(BLOCKS)]
    assert block_ends(backbone) == ["embedded", *blocks[:-1], "ln"]
    assert list(depth_sections(backbone)) == ["all", *blocks]
    with pytest.raises(InputError, match=f"expected one of: {blocks[0]}, "):
        find_cutoff(backbone, "stage4")
    with pytest.raises(InputError, match="keeps one resolution"):
        truncate(backbone, "stage3")
    default = get_config().phases.fine_tune.trainable_from
    assert default == DEFAULT_START
    names = [layer.name for layer in topological_layers(backbone)]
    assert names[find_cutoff(backbone, default)] == blocks[-1]
    assert f"'{blocks[-1]}'" in explain_start(backbone, default)
    assert explain_start(backbone, blocks[0]) == ""
    assert find_cutoff(backbone, "-2") == names.index(blocks[-1])


def test_each_block_is_a_group_for_layer_decay(vit):
    freeze(vit, trainable_from="transformer_block_2", batch_norm="frozen")
    starts = section_group_starts(vit.backbone)
    assert list(starts) == ["transformer_block_3", "transformer_block_2"]
    groups = group_layers(vit.backbone, vit.head_layers, {"head": "", **starts})
    paths = [v.path for group in groups for v in group.variables]
    assert len(paths) == len(set(paths)) == len(vit.model.trainable_variables)
    usual = group_layers(
        vit.backbone, vit.head_layers, {"upper": "auto", "lower": "auto"}
    )
    assert [group.name for group in usual] == ["head", "upper", "lower"]


def test_positions_are_of_one_size_unless_kerashub_fits_them(small_presets):
    assert (
        build_backbone(small_presets["dinov2"], image_size=64).input_shape[1]
        == 64
    )
    assert (
        build_backbone(small_presets["resnet"], image_size=64).input_shape[1]
        == 64
    )
    with pytest.raises(InputError, match="built for images of 64 pixels"):
        build_backbone(small_presets["vit"], image_size=64)


def set_backbone(preset):
    config = get_config()
    config.model.backbone = preset
    return config


def test_a_moved_preset_is_the_same_and_other_weights_are_another(
    small_presets, vit, tmp_path
):
    place = small_presets["vit"].removeprefix("hub:")
    moved = tmp_path / "elsewhere" / "vit"
    shutil.copytree(place, moved)
    was = config_hash(set_backbone(small_presets["vit"]))
    assert config_hash(set_backbone(f"hub:{moved}")) == was
    assert str(tmp_path) not in str(identity(set_backbone(f"hub:{moved}")))
    (moved / "metadata.json").write_text("{}")  # says when it was written
    assert config_hash(set_backbone(f"hub:{moved}")) == was
    other = save_preset(build_vit(), tmp_path / "other" / "vit")
    converter = "image_converter.json"
    shutil.copy(f"{place}/{converter}", tmp_path / "other" / "vit" / converter)
    assert config_hash(set_backbone(other)) != was
    again = build_classifier(other, class_names=CLASSES)
    stored = build_classifier(f"hub:{moved}", class_names=CLASSES)
    assert graph_hash(stored.backbone) == graph_hash(vit.backbone)
    assert graph_hash(again.backbone) != graph_hash(vit.backbone)


def test_every_classifier_of_kerashub_is_known():
    models = import_hub().models
    classified = {
        kind.backbone_cls.__name__
        for name in dir(models)
        if name.endswith("ImageClassifier")
        and (kind := getattr(models, name)).backbone_cls
    }
    refused = {  # docs/backbones.md says so
        "DeiTBackbone",
        "HGNetV2Backbone",
        "MiTBackbone",
        "MobileNetV5Backbone",
        "SwinTransformerBackbone",
    }
    assert classified <= set(HUB_NETWORKS) | refused
    assert not refused & set(HUB_NETWORKS)
    assert all(hasattr(models, name) for name in HUB_NETWORKS)
    preset = hub_presets()["vit_base_patch16_224_imagenet"]
    assert preset.parameters == 85798656
    assert "keras/vit" in preset.cache.as_posix()


def swin():
    return import_hub().models.SwinTransformerBackbone(
        image_shape=(SIDE, SIDE, 3),
        patch_size=4,
        embed_dim=8,
        depths=[1],
        num_heads=[2],
        window_size=4,
    )


def test_what_cannot_be_written_is_named(tmp_path):
    network = swin()
    path = save_preset(network, tmp_path / "swin")
    with pytest.raises(InputError, match="is a SwinTransformerBackbone, which"):
        find_spec(path)
    with pytest.raises(InputError, match=r"The layer '.*' \(Swin.* cannot be"):
        rewrite_in_keras_layers(network, network.outputs[0])
    with_tables = transformer("DINOV3Backbone")
    with pytest.raises(InputError, match="has variables of its own"):
        rewrite_in_keras_layers(with_tables, with_tables.outputs[0])


def test_another_answer_is_refused(monkeypatch):
    rows = native_layers.LAYER_REWRITES
    row = rows["ViTPatchingAndEmbedding"]

    def wrong(layer, images):
        return 2 * row.write(layer, images)

    monkeypatch.setitem(
        rows, "ViTPatchingAndEmbedding", type(row)(wrong, row.is_spread)
    )
    network = build_vit()
    with pytest.raises(InputError, match="answers otherwise than itself"):
        rewrite_in_keras_layers(network, network.outputs[0])


def refuse_network(*arguments, **options):
    raise OSError("Name or service not known")


def test_presets_that_cannot_be_had_are_one_sentence(tmp_path, monkeypatch):
    hub = import_hub()
    with pytest.raises(
        InputError, match=r"Near it are vit_base_patch16_224_imagenet, "
    ):
        find_spec("hub:vit_base_patch16_224")
    with pytest.raises(InputError, match="names no preset of KerasHub"):
        find_spec("hub:")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="as KerasHub's save_to_preset"):
        find_spec(f"hub:{tmp_path}")
    monkeypatch.setattr(hub.models.Backbone, "from_preset", refuse_network)
    with pytest.raises(InputError, match=r"cannot be downloaded .*save_to_pre"):
        find_spec("hub:vit_base_patch16_224_imagenet")


def test_without_kerashub_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'tlkeras\[hub\]'"):
        find_spec("hub:vit_base_patch16_224_imagenet")

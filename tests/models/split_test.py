import keras
import numpy as np
import pytest

from tlkeras.models.backbones import BACKBONES
from tlkeras.models.classifier import build_classifier
from tlkeras.models.graph import frontiers, topological_layers
from tlkeras.models.split import choose_cut, split_classifier

from .families import QUICK, by_cost


def check_split(name):
    """Prefix and suffix together are the classifier, wherever it is cut."""
    keras.utils.set_random_seed(0)
    size = max(BACKBONES[name].min_size, 32)
    classifier = build_classifier(
        name, class_names="abc", weights="none", image_size=size
    )
    images = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3))
    images = images.astype(np.float32)
    whole = keras.ops.convert_to_numpy(classifier.model(images))
    own_codes = keras.ops.convert_to_numpy(classifier.code_model(images))
    count = len(topological_layers(classifier.backbone))
    several = 0
    for cutoff in (count // 3, 5 * count // 6, count):
        parts = split_classifier(classifier, cutoff)
        frontier = parts.prefix(images, training=False)
        several += len(parts.prefix.outputs) > 1
        stitched = parts.suffix(frontier, training=False)
        np.testing.assert_array_equal(stitched, whole, f"{name} at {cutoff}")
        codes, logits = parts.suffix_with_codes(frontier, training=False)
        np.testing.assert_array_equal(logits, whole)
        np.testing.assert_array_equal(codes, own_codes)
        owned = {v.path for v in parts.suffix.variables} | {
            v.path for v in parts.prefix.variables
        }
        assert owned == {v.path for v in classifier.model.variables}
    keras.backend.clear_session()
    return several


@pytest.mark.parametrize("name", by_cost(BACKBONES, (*QUICK, "DenseNet121")))
def test_stitched_is_whole(name):
    several = check_split(name)
    assert several or name not in ("NASNetMobile", "DenseNet121")


def test_the_frontier_of_a_chain_is_one_tensor(small_classifier):
    backbone = small_classifier.backbone
    for cutoff, layer in enumerate(topological_layers(backbone)):
        (tensor,) = frontiers(backbone)[cutoff].before
        assert tensor is layer.input


def test_a_frozen_backbone_is_cut_after_the_pooling(small_classifier):
    count = len(topological_layers(small_classifier.backbone))
    parts = split_classifier(small_classifier, count)
    assert parts.frontier_shapes == [(256,)]


def test_splitting_leaves_the_classifier_as_it_was(small_classifier):
    before = [layer.name for layer in small_classifier.model.layers]
    split_classifier(small_classifier, 20)
    split_classifier(small_classifier, 1000)
    assert [layer.name for layer in small_classifier.model.layers] == before
    assert small_classifier.code_model.output_shape == (None, 256)


def test_the_cut_moves_below_an_expansion_where_the_frontier_is_narrow():
    backbone = build_classifier(
        "MobileNetV2", class_names="ab", weights="none", image_size=96
    ).backbone
    names = [layer.name for layer in topological_layers(backbone)]
    cut = choose_cut(backbone, names.index("block_3_depthwise"))
    assert names[cut] == "block_3_expand"
    (tensor,) = frontiers(backbone)[cut].before
    assert tensor.shape == (None, 24, 24, 24)
    narrow = names.index("block_13_expand")
    assert choose_cut(backbone, narrow) == narrow


def test_the_cut_never_crosses_stochastic_depth():
    backbone = build_classifier(
        "EfficientNetB0", class_names="ab", weights="none", image_size=32
    ).backbone
    layers = topological_layers(backbone)
    for cutoff in range(1, len(layers)):
        between = layers[choose_cut(backbone, cutoff) : cutoff]
        assert not any(isinstance(x, keras.layers.Dropout) for x in between)

import numpy as np
import pytest

from tlkeras.devices import set_up_runtime
from tlkeras.models.backbones import build_backbone
from tlkeras.models.classifier import build_classifier
from tlkeras.studies.transfer_networks import default_cuts, describe_cuts
from tlkeras.studies.transfer_training import (
    Images,
    SharedGraph,
    StudySettings,
    find_cutoff_above,
    initial_weights,
    join_weights,
)

CUT = "conv_pw_1_relu"
SETTINGS = StudySettings(epochs=2, batch_size=8)


def build(seed):
    return build_classifier(
        "MobileNet",
        class_names=("a", "b", "c"),
        weights="none",
        image_size=32,
        alpha=0.25,
        features_from="conv_pw_2_relu",
        seed=seed,
    )


@pytest.fixture
def pixels(batch):
    images, targets = batch
    return Images(images, targets, images, targets)


def test_a_graph_that_is_used_again_trains_as_a_new_one(pixels):
    set_up_runtime(seed=0, precision="float32", deterministic=True)
    one, other = (initial_weights(build, seed, "base") for seed in (0, 1))
    graph = SharedGraph(build(0), 0, SETTINGS, 16)
    first = graph.train(one, pixels, seed=5)
    second = graph.train(other, pixels, seed=5)
    assert second.train_loss != first.train_loss
    assert graph.train(one, pixels, seed=5) == first
    fresh = SharedGraph(build(0), 0, SETTINGS, 16)
    assert fresh.train(one, pixels, seed=5) == first


def test_what_is_frozen_stays_and_the_rest_moves(pixels):
    classifier = build(0)
    cutoff = find_cutoff_above(classifier, CUT)
    graph = SharedGraph(classifier, cutoff, SETTINGS, 16)
    weights = initial_weights(build, 3, "upper")
    graph.put(weights)
    rows = graph.prefix.predict_on_batch(pixels.train)
    seen = Images(rows, pixels.train_targets, rows, pixels.train_targets)
    graph.train(weights, seen, seed=0)
    after = classifier.model.get_weights()
    swapped = join_weights(classifier, weights, after, cutoff)
    # Below the cut nothing moved, so putting it back changes nothing.
    for left, right in zip(swapped, after, strict=True):
        np.testing.assert_array_equal(left, right)
    moved = [
        not np.array_equal(left, right)
        for left, right in zip(weights, after, strict=True)
    ]
    assert any(moved)
    assert not all(moved)


def test_joined_weights_are_one_networks_below_and_anothers_above():
    classifier = build(0)
    low, high = (initial_weights(build, seed, "base") for seed in (0, 1))
    cutoff = find_cutoff_above(classifier, CUT)
    classifier.model.set_weights(join_weights(classifier, low, high, cutoff))
    joined = classifier.model.get_weights()
    classifier.model.set_weights(low)
    lower = classifier.backbone.get_layer("conv_pw_1").get_weights()
    classifier.model.set_weights(joined)
    backbone = classifier.backbone
    np.testing.assert_array_equal(
        backbone.get_layer("conv_pw_1").get_weights()[0], lower[0]
    )
    classifier.model.set_weights(high)
    upper = backbone.get_layer("conv_pw_2").get_weights()
    head = classifier.logits_layer.get_weights()
    classifier.model.set_weights(joined)
    np.testing.assert_array_equal(
        backbone.get_layer("conv_pw_2").get_weights()[0], upper[0]
    )
    np.testing.assert_array_equal(
        classifier.logits_layer.get_weights()[0], head[0]
    )


def test_transferred_parts_get_another_beginning_than_the_base():
    base, again, upper = (
        initial_weights(build, 0, part) for part in ("base", "base", "upper")
    )
    assert all(map(np.array_equal, base, again))
    assert not all(map(np.array_equal, base, upper))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "MobileNet",
            "conv_pw_3_relu conv_pw_5_relu conv_pw_8_relu conv_pw_11_relu "
            "conv_pw_13_relu",
        ),
        ("VGG16", "block2_pool block3_pool block4_pool block5_pool"),
        ("ResNet50", ""),
        ("MobileNetV2", ""),
    ],
)
def test_cuts_are_ends_of_stages_without_the_stem(name, expected):
    backbone = build_backbone(name, image_size=64)
    cuts = default_cuts(backbone)
    stages = [row["stage"] for row in describe_cuts(backbone, cuts)]
    assert stages == sorted(stages)
    if expected:
        assert cuts == expected.split()
    else:
        assert len(cuts) == len(set(stages)) + 1  # the longest has a middle

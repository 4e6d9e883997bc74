"""Weights out of saved models of other sizes, forms and networks."""

import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.models.backbones import build_backbone
from tlkeras.models.classifier import build_classifier
from tlkeras.models.cutoffs import truncate
from tlkeras.models.weights import load_backbone_weights

layers = keras.layers


TOP = "conv_pw_4_relu"


def narrow(image_size=32):
    backbone = build_backbone("MobileNet", image_size=image_size, alpha=0.25)
    return truncate(backbone, TOP)


def guide_style(backbone):
    """As the Keras guide builds it: the backbone is one layer of a model."""
    images = keras.Input((48, 48, 3))
    x = layers.Normalization(mean=0.0, variance=1.0)(images)
    x = layers.GlobalAveragePooling2D()(backbone(x))
    return keras.Model(images, layers.Dense(2)(layers.Dropout(0.2)(x)))


def sequential(backbone):
    return keras.Sequential(
        [
            keras.Input((48, 48, 3)),
            layers.RandomFlip(),
            backbone,
            layers.GlobalMaxPooling2D(),
            layers.BatchNormalization(),
            layers.Dense(3),
        ]
    )


def flat(backbone):
    """Layer by layer: the backbone's own inputs and outputs are gone on."""
    x = layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, layers.Dense(2)(x))


def in_a_run(backbone, features_from=TOP):
    del backbone
    return build_classifier(
        "MobileNet",
        class_names="ab",
        weights="none",
        image_size=48,
        alpha=0.25,
        features_from=features_from,
    ).model


@pytest.mark.parametrize("form", [guide_style, sequential, flat, in_a_run])
def test_a_model_of_any_form_and_size_fills_all(tmp_path, form):
    saved = form(narrow(48))
    saved.save(tmp_path / "model.keras")
    target = narrow(32)
    filled = load_backbone_weights(target, str(tmp_path / "model.keras"))
    assert filled == len(target.weights)
    theirs = {tuple(np.ravel(w)[:5]) for w in saved.get_weights()}
    for weight in target.get_weights():
        assert tuple(np.ravel(weight)[:5]) in theirs


def chain(*blocks, branches=0):
    """A network of the given blocks, each a convolution with a norm."""
    x = images = keras.Input((16, 16, 3))
    for name in blocks:
        x = layers.Conv2D(8, 3, padding="same", name=name)(x)
        x = layers.BatchNormalization(name=name and f"{name}_bn")(x)
    parts = [layers.Conv2D(4, 1)(x) for _ in range(branches)]
    return keras.Model(images, layers.Add()(parts) if parts else x)


@pytest.mark.parametrize(
    ("saved", "wanted"),
    [("1a 2a 3a", "1a 1b 2a 3a"), ("1a 1b 2a", "1a 2a"), ("1a 3a", "1a 2a 3a")],
    ids=["smaller", "larger", "without a middle"],
)
def test_a_sibling_of_another_depth_is_refused(tmp_path, saved, wanted):
    chain(*saved.split()).save(tmp_path / "model.keras")
    target = chain(*wanted.split())
    before = target.get_weights()
    with pytest.raises(InputError, match=r"layer '[123][ab](_bn)?'.*layers"):
        load_backbone_weights(target, str(tmp_path / "model.keras"))
    for weight, old in zip(target.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.slow
def test_an_efficient_net_is_not_the_next_larger_one(tmp_path):
    build_backbone("EfficientNetB0", image_size=32).save(tmp_path / "m.keras")
    target = build_backbone("EfficientNetB1", image_size=32)
    with pytest.raises(InputError, match="holds another network"):
        load_backbone_weights(target, str(tmp_path / "m.keras"))


def test_a_lower_part_is_filled_and_counted(tmp_path):
    chain("1a", "1b").save(tmp_path / "model.keras")
    target = chain("1a", "1b", "2a")
    filled = load_backbone_weights(target, str(tmp_path / "model.keras"))
    assert filled == len(target.weights) - 6


def test_layers_that_keras_named_are_told_apart_by_their_place(tmp_path):
    saved = chain(None, None, branches=2)
    saved.save(tmp_path / "model.keras")
    target = chain(None, None, branches=2)
    assert {x.name for x in saved.layers}.isdisjoint(
        x.name for x in target.layers if x.weights
    )
    load_backbone_weights(target, str(tmp_path / "model.keras"))
    for a, b in zip(saved.get_weights(), target.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_network_with_one_branch_more_is_refused(tmp_path):
    chain("1a", branches=2).save(tmp_path / "model.keras")
    target = chain("1a", branches=3)
    with pytest.raises(InputError, match="holds another network"):
        load_backbone_weights(target, str(tmp_path / "model.keras"))


def test_a_classifier_says_how_many_variables_were_filled(tmp_path):
    in_a_run(None, features_from="").save(tmp_path / "model.keras")
    built = build_classifier(
        "MobileNet",
        class_names="abc",
        weights=str(tmp_path / "model.keras"),
        image_size=32,
        alpha=0.25,
    )
    count = len(built.backbone.weights)
    assert f"{count} of {count} variables of MobileNet" in built.origin

import dataclasses
import inspect

import keras
import numpy as np
import pytest

from tlkeras.config import get_config
from tlkeras.errors import InputError
from tlkeras.models.batch_norm import adapt_batch_norm
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.graph import batch_norm_layers, topological_layers
from tlkeras.models.heads import (
    HEAD_FIELDS,
    HEADS,
    HeadConfig,
    split_model_section,
)
from tlkeras.models.inference import run_batches
from tlkeras.models.layer_groups import group_layers
from tlkeras.models.preprocessing import CONTRACTS, apply_contract, standardize


def build(**changes):
    settings = {
        "class_names": ("a", "b", "c"),
        "weights": "none",
        "image_size": 32,
        "alpha": 0.25,
    }
    return build_classifier("MobileNet", **{**settings, **changes})


@pytest.mark.parametrize("head", HEADS)
def test_a_fresh_head_knows_nothing(head, batch):
    classifier = build(head=HeadConfig(kind=head))
    images, targets = batch
    loss = classifier.head.loss.build(0.0)
    value = float(loss(targets, classifier.model.predict_on_batch(images)))
    expected = classifier.head.loss.expected_at_zero(3)
    assert value == pytest.approx(expected, rel=0.05)


def test_a_config_says_all_that_a_head_and_a_classifier_take():
    section = get_config().model.to_dict()
    head, rest = split_model_section(section)
    fields = {field.name for field in dataclasses.fields(HeadConfig)}
    assert set(HEAD_FIELDS.values()) == fields
    assert head == HeadConfig()  # one default, said twice
    given = {"class_names", "head", "mean", "std", "seed"}
    asked = set(inspect.signature(build_classifier).parameters)
    assert set(rest) == asked - given


def test_a_glorot_head_is_available_and_an_unknown_one_is_not():
    kernel = build(
        head=HeadConfig(initializer="glorot_uniform")
    ).logits_layer.get_weights()[0]
    assert kernel.std() > 0.02
    with pytest.raises(InputError, match="Unknown head initializer"):
        build(head=HeadConfig(initializer="zeros"))
    with pytest.raises(InputError, match="Did you mean 'linear'"):
        build(head=HeadConfig(kind="linaer"))


def test_an_mlp_head_has_its_adaptation_layers():
    classifier = build(
        head=HeadConfig("mlp", hidden_units=(16, 8), max_norm=2.0)
    )
    names = [layer.name for layer in classifier.head_layers]
    assert "adaptation_1" in names
    assert "adaptation_2" in names
    assert classifier.code_model.output_shape == (None, 8)


@pytest.mark.parametrize("pooling", ["average", "max", "flatten"])
def test_poolings_give_codes(pooling, batch):
    classifier = build(
        head=HeadConfig(pooling=pooling), features_from="conv_pw_5_relu"
    )
    width = 4 * 4 * 64 if pooling == "flatten" else 64
    assert classifier.code_model.output_shape == (None, width)


def test_penalties_enter_the_loss(batch):
    plain, penalised = build(), build(head=HeadConfig(l1=1.0, l2=1.0))
    kernel = penalised.logits_layer.get_weights()[0]
    assert not plain.model.losses
    expected = np.abs(kernel).sum() + 0.5 * np.square(kernel).sum()
    assert float(penalised.model.losses[0]) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_logits_are_float32_under_mixed_precision(policy, batch):
    keras.config.set_dtype_policy(policy)
    model = build().model
    assert model.output.dtype == "float32"
    assert model.layers[-1].compute_dtype == "float32"
    assert model.get_layer("input_contract").compute_dtype == "float32"


def images_through(contract, mean=None, std=None):
    inputs = keras.Input((4, 4, 3))
    outputs = apply_contract(inputs, contract)
    if mean is not None:
        outputs = standardize(outputs, contract, mean, std)
    return keras.Model(inputs, outputs)


@pytest.mark.parametrize("contract", CONTRACTS)
@pytest.mark.parametrize("kind", ["channel", "image"])
def test_the_training_mean_becomes_zero_and_the_deviation_one(contract, kind):
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (200, 4, 4, 3)) * [1.0, 0.7, 0.4]
    axes = (0, 1, 2) if kind == "channel" else (0,)
    model = images_through(contract, images.mean(axes), images.std(axes))
    out = model.predict_on_batch(images.astype(np.float32))
    np.testing.assert_allclose(out.mean(axes), 0.0, atol=1e-3)
    np.testing.assert_allclose(out.std(axes), 1.0, atol=1e-3)


def test_batch_norm_policies():
    classifier = build()
    norms = batch_norm_layers(topological_layers(classifier.backbone))
    counts = freeze(classifier, trainable_from="stage4", batch_norm="train")
    assert 0 < counts["batch_norm_training"] < len(norms)
    for policy in ("frozen", "adapt"):
        counts = freeze(classifier, trainable_from="all", batch_norm=policy)
        assert counts["batch_norm_training"] == 0
        assert counts["batch_norm_layers"] == len(norms)


def test_adapted_statistics_are_those_of_the_images(batch):
    classifier = build()
    freeze(classifier, trainable_from="none", batch_norm="adapt")
    images = batch[0]
    count = adapt_batch_norm(classifier, [images[:8], images[8:]])
    norms = batch_norm_layers(topological_layers(classifier.backbone))
    assert count == len(norms)
    first = norms[0]
    before = keras.Model(classifier.backbone.inputs, first.input)
    values = np.concatenate(
        [
            before.predict_on_batch(part / 127.5 - 1)
            for part in (images[:8], images[8:])
        ]
    )
    np.testing.assert_allclose(
        first.moving_mean, values.mean((0, 1, 2)), atol=1e-4
    )
    variance = np.mean(
        [values[:8].var((0, 1, 2)), values[8:].var((0, 1, 2))], axis=0
    )
    np.testing.assert_allclose(first.moving_variance, variance, atol=1e-4)
    assert not first.trainable
    assert first.momentum == pytest.approx(0.99)


def test_running_in_batches_is_running_at_once(small_classifier, batch):
    model, images = small_classifier.model, batch[0]
    parts = run_batches(model, [images[:7], images[7:14], images[14:]])
    np.testing.assert_allclose(parts, model.predict_on_batch(images), atol=1e-5)


def test_groups_are_head_upper_lower(small_classifier):
    freeze(small_classifier, trainable_from="all", batch_norm="frozen")
    groups = group_layers(
        small_classifier.backbone,
        small_classifier.head_layers,
        {"head": "head", "upper": "auto", "lower": "auto"},
    )
    assert [group.name for group in groups] == ["head", "upper", "lower"]
    assert groups[2].layers[0].name == "conv1"


def test_an_empty_group_is_refused_unless_automatic(small_classifier):
    freeze(small_classifier, trainable_from="stage5", batch_norm="frozen")
    backbone, head = small_classifier.backbone, small_classifier.head_layers
    groups = group_layers(
        backbone, head, {"head": "head", "upper": "auto", "lower": "auto"}
    )
    assert [group.name for group in groups] == ["head", "upper"]
    with pytest.raises(
        InputError, match=r"'stem' .* matches no trainable layer"
    ):
        group_layers(backbone, head, {"upper": "stage5", "stem": "all"})
    with pytest.raises(InputError, match="lies below every layer group"):
        group_layers(backbone, head, {"top": "-1"})
    with pytest.raises(InputError, match="which only 'upper' and 'lower' know"):
        group_layers(backbone, head, {"mine": "auto"})

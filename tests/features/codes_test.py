import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.features.code_transforms import (
    TRANSFORMS,
    l2_normalize,
    signed_power,
)
from tlkeras.features.codes import build_code_model
from tlkeras.models.classifier import build_classifier


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 255, (3, 32, 32, 3)).astype(np.float32)


def codes_of(classifier, images, layers, **settings):
    model = build_code_model(classifier, layers, **settings)
    return [
        keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(model(images))
    ]


def test_the_top_is_what_the_head_reads(letters_classifier, images):
    (codes,) = codes_of(letters_classifier, images, [""])
    wanted = letters_classifier.code_model(images)
    np.testing.assert_allclose(codes, wanted, rtol=1e-5, atol=1e-6)


def test_poolings_agree_with_numpy(letters_classifier, images):
    layer = ["conv_pw_5_relu"]
    (spatial,) = codes_of(letters_classifier, images, layer, pooling="spatial")
    assert spatial.shape == (3, 4, 4, 64)
    for pooling, wanted in {
        "average": spatial.mean((1, 2)),
        "max": spatial.max((1, 2)),
        "flatten": spatial.reshape(3, -1),
    }.items():
        (codes,) = codes_of(letters_classifier, images, layer, pooling=pooling)
        np.testing.assert_allclose(codes, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("backbone", "layer"),
    [("MobileNet", "conv_pw_5_relu"), ("VGG16", "block2_conv2")],
)
def test_before_the_nonlinearity_are_its_inputs(backbone, layer, images):
    classifier = build_classifier(
        backbone, class_names="ab", weights="none", image_size=32
    )
    settings = {"pooling": "spatial"}
    (after,) = codes_of(classifier, images, [layer], **settings)
    (before,) = codes_of(
        classifier, images, [layer], before_activation=True, **settings
    )
    assert before.min() < 0
    limit = 6 if backbone == "MobileNet" else np.inf
    np.testing.assert_allclose(
        np.clip(before, 0, limit), after, rtol=1e-4, atol=1e-5
    )


def test_a_layer_without_nonlinearity_or_name_is_refused(letters_classifier):
    with pytest.raises(InputError, match="has no nonlinearity"):
        build_code_model(
            letters_classifier, ["conv_pw_5_bn"], before_activation=True
        )
    with pytest.raises(InputError, match="Did you mean 'conv_pw_5_relu'"):
        build_code_model(letters_classifier, ["conv_pw_5_rel"])
    with pytest.raises(InputError, match="pooling"):
        build_code_model(letters_classifier, [""], pooling="median")


def test_transforms():
    codes = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(l2_normalize(codes), [[0.6, -0.8], [0, 0]])
    np.testing.assert_allclose(signed_power(codes, 0.5)[0], [3**0.5, -2])
    both = TRANSFORMS["l2+power"](codes)
    np.testing.assert_allclose(both[0], [0.6**0.5, -(0.8**0.5)])
    assert TRANSFORMS["none"](codes) is codes

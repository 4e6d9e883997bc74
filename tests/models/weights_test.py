import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.models.backbones import build_backbone
from tlkeras.models.classifier import build_classifier
from tlkeras.models.cutoffs import truncate
from tlkeras.models.weights import load_backbone_weights


def narrow(alpha=0.25):
    return build_backbone("MobileNet", image_size=32, alpha=alpha)


def assert_equal(first, second):
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["x.weights.h5", "x.keras"])
def test_files_round_trip(tmp_path, name):
    source, target = narrow(), narrow()
    if name.endswith(".keras"):
        source.save(tmp_path / name)
    else:
        source.save_weights(tmp_path / name)
    load_backbone_weights(target, str(tmp_path / name))
    assert_equal(source, target)


def test_the_embedded_weights_load_at_any_size():
    small, large = (
        narrow(),
        build_backbone("MobileNet", image_size=64, alpha=0.25),
    )
    load_backbone_weights(small, "letters")
    load_backbone_weights(large, "letters")
    assert_equal(small, large)


def test_a_run_gives_its_backbone(tmp_path):
    built = build_classifier(
        "MobileNet",
        class_names="ab",
        weights="letters",
        image_size=32,
        alpha=0.25,
    )
    built.model.save(tmp_path / "model.keras")
    target = narrow()
    load_backbone_weights(target, str(tmp_path))
    assert_equal(built.backbone, target)


def test_a_truncated_run_fills_the_lower_part(tmp_path):
    built = build_classifier(
        "MobileNet",
        class_names="ab",
        weights="letters",
        image_size=32,
        alpha=0.25,
        features_from="conv_pw_5_relu",
    )
    built.model.save(tmp_path / "model.keras")
    target = narrow()
    top = target.get_layer("conv_pw_13").get_weights()[0]
    load_backbone_weights(target, str(tmp_path))
    assert_equal(built.backbone.get_layer("conv1"), target.get_layer("conv1"))
    np.testing.assert_array_equal(
        target.get_layer("conv_pw_13").get_weights()[0], top
    )


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "wide.weights.h5"
    wide, target = narrow(alpha=0.5), narrow()
    wide.save_weights(path)
    with pytest.raises(InputError, match="do not fit"):
        load_backbone_weights(target, str(path))
    other = build_backbone("MobileNetV2", image_size=32, alpha=0.35)
    other = truncate(other, "block_2_add")
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(InputError, match="do not fit"):
        load_backbone_weights(target, str(tmp_path / "other.weights.h5"))
    other.save(tmp_path / "other.keras")
    with pytest.raises(InputError, match="holds another network"):
        load_backbone_weights(target, str(tmp_path / "other.keras"))
    wide.save(tmp_path / "wide.keras")
    with pytest.raises(InputError, match="has another shape"):
        load_backbone_weights(target, str(tmp_path / "wide.keras"))


def test_files_that_are_no_weights_are_refused(tmp_path):
    with pytest.raises(InputError, match="Did you mean 'letters'"):
        load_backbone_weights(narrow(), "leters")
    (tmp_path / "x.h5").write_text("rubbish")
    with pytest.raises(InputError, match="do not fit"):
        load_backbone_weights(narrow(), str(tmp_path / "x.h5"))
    (tmp_path / "x.keras").write_text("rubbish")
    with pytest.raises(InputError, match="cannot be read as a Keras model"):
        load_backbone_weights(narrow(), str(tmp_path / "x.keras"))


@pytest.mark.assets
def test_real_weights_recognise_a_known_photo(assets):
    """The official file loads by path at another size than its name says."""
    path = next((assets / "keras_home/models").glob("*v2*_1.0_224_no_top.h5"))
    backbone = build_backbone("MobileNetV2", image_size=160)
    load_backbone_weights(backbone, str(path))
    reference = keras.applications.MobileNetV2(
        include_top=False, weights=str(path), input_shape=(224, 224, 3)
    )
    assert_equal(backbone, reference)

"""Networks from files: what of them is taken, and what they expect."""

import json

import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.models.backbones import build_backbone, find_spec
from tlkeras.models.classifier import build_classifier
from tlkeras.models.own_contract import measure_contract
from tlkeras.models.preprocessing import CONTRACTS, contract_values

SIDE = 32
CLASSES = ["cat", "dog"]


def by_hand(side=SIDE, top=True, front=()):
    """A small residual network, with its own top."""
    images = x = keras.Input((side, side, 3))
    for layer in front:
        x = layer(x)
    x = keras.layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(x)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = kept = keras.layers.ReLU(name="stem_out")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depth")(x)
    x = keras.layers.Conv2D(8, 1, name="point")(x)
    x = keras.layers.Add(name="join")([x, kept])
    x = keras.layers.Conv2D(16, 3, 2, "same", name="last")(x)
    x = keras.layers.ReLU(name="last_out")(x)
    if top:
        x = keras.layers.GlobalAveragePooling2D()(x)
        x = keras.layers.Dropout(0.2)(x)
        x = keras.layers.Dense(5, activation="softmax")(x)
    return keras.Model(images, x, name="hand")


def guide_style():
    """A classifier as the guide builds it: a network inside, a front, a top."""
    base = keras.applications.MobileNet(
        alpha=0.25, input_shape=(SIDE, SIDE, 3), include_top=False, weights=None
    )
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.RandomFlip("horizontal")(images)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(3)(x)
    return keras.Model(images, x), base


def save(model, path):
    model.save(path)
    return str(path)


@pytest.fixture
def pixels(photo_crops):
    """uint8 [N, 32, 32, 3] of photos."""
    from PIL import Image

    crops = [crop for crops in photo_crops.values() for crop in crops[:20]]
    return np.stack(
        [np.asarray(Image.fromarray(c).resize((SIDE, SIDE))) for c in crops]
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("top", [True, False])
def test_a_network_by_hand_is_taken_up_to_its_last_pooling(
    tmp_path, suffix, top
):
    model = by_hand(top=top)
    path = save(model, tmp_path / f"hand{suffix}")
    built = build_backbone(path, imagenet=True)
    assert built.output_shape == (None, 8, 8, 16)
    images = np.random.default_rng(0).random((2, SIDE, SIDE, 3), np.float32)
    upto = keras.Model(model.inputs[0], model.get_layer("last_out").output)
    np.testing.assert_allclose(built(images), upto(images), atol=1e-6)
    names = [layer.name for layer in built.layers]
    assert "join" in names
    assert "dense" not in " ".join(names)
    random = build_backbone(path)
    assert not np.allclose(random(images), upto(images), atol=1e-3)


def test_the_network_inside_a_classifier_is_taken_with_its_contract(tmp_path):
    model, base = guide_style()
    path = save(model, tmp_path / "guide.keras")
    assert find_spec(path).contract == "minus_one_one"
    classifier = build_classifier(path, class_names=CLASSES)
    assert classifier.backbone.name == base.name
    images = np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 3))
    images = images.astype(np.float32)
    codes = classifier.code_model(images)
    inner = keras.Model(model.inputs[0], model.layers[-2].output)
    np.testing.assert_allclose(codes, inner(images), atol=1e-5)


def test_a_run_is_a_backbone(tmp_path):
    run = build_classifier(
        "MobileNet",
        class_names=CLASSES,
        weights="none",
        image_size=SIDE,
        alpha=0.25,
        features_from="conv_pw_3_relu",
    )
    run.model.save(tmp_path / "model.keras")
    assert find_spec(str(tmp_path)).contract == "minus_one_one"
    built = build_classifier(str(tmp_path), class_names=CLASSES)
    assert built.backbone.output_shape == run.backbone.output_shape
    for mine, theirs in zip(
        built.backbone.weights, run.backbone.weights, strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_its_own_rescaling_stays_in_it(tmp_path):
    model = by_hand(front=[keras.layers.Rescaling(1 / 255)])
    path = save(model, tmp_path / "hand.keras")
    assert find_spec(path).contract == "none"


def test_a_front_that_no_contract_knows_is_refused(tmp_path):
    base = by_hand(top=False)
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 64, offset=-2, name="odd")(images)
    path = save(keras.Model(images, base(x)), tmp_path / "odd.keras")
    with pytest.raises(InputError, match=r"odd: 0\.\.255 becomes -2\.\.1\.98"):
        find_spec(path)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_contract_is_read_off_the_statistics(contract, pixels):
    network = by_hand(top=False)
    norm = network.get_layer("stem_bn")
    below = keras.Model(network.inputs[0], network.get_layer("stem").output)
    found = below.predict_on_batch(
        contract_values(pixels[::2], contract).astype(np.float32)
    )
    norm.moving_mean.assign(found.mean((0, 1, 2)))
    norm.moving_variance.assign(found.var((0, 1, 2)))
    assert measure_contract(network, pixels[1::2]) == contract


@pytest.mark.parametrize("images", ["clothing", "omniglot"])
def test_the_contract_of_a_real_network_is_found(images, assets, tmp_path):
    from tlkeras.data.load import load_dataset
    from tlkeras.training.reading import read_pixels

    network = keras.applications.MobileNet(
        alpha=0.25, input_shape=(128, 128, 3), include_top=False, weights=None
    )
    name = "mobilenet_2_5_224_tf_no_top.h5"
    network.load_weights(assets / "keras_home" / "models" / name)
    dataset = load_dataset(str(assets / "datasets" / images))
    few = dataset.splits["train"].draw(64, seed=0)
    found = measure_contract(network, read_pixels(few, 128))
    assert found == "minus_one_one"


def test_statistics_that_tell_nothing_are_a_question(pixels):
    network = by_hand(top=False)
    norm = network.get_layer("stem_bn")
    norm.moving_variance.assign(np.full(8, 1e12))  # of nothing that is here
    with pytest.raises(InputError, match=r"may expect '.*' or '.*'"):
        measure_contract(network, pixels)


def test_without_statistics_the_user_is_asked(pixels, tmp_path):
    images = keras.Input((SIDE, SIDE, 3))
    network = keras.Model(images, keras.layers.Conv2D(4, 3)(images))
    with pytest.raises(InputError, match=r"config\.model\.contract=none"):
        measure_contract(network, pixels)
    path = save(network, tmp_path / "plain.keras")
    with pytest.raises(InputError, match="Nothing says which values"):
        build_classifier(path, class_names=CLASSES)
    built = build_classifier(path, class_names=CLASSES, contract="zero_one")
    assert built.spec.contract == "zero_one"


def test_another_size_of_images_is_built(tmp_path):
    path = save(by_hand(), tmp_path / "hand.keras")
    built = build_backbone(path, image_size=64, imagenet=True)
    assert built.input_shape == (None, 64, 64, 3)
    flat = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Reshape((SIDE, SIDE * 3, 1)),
        ]
    )
    path = save(flat, tmp_path / "flat.keras")
    with pytest.raises(InputError, match="cannot be built for images of 64"):
        build_backbone(path, image_size=64)


def test_any_size_must_be_named(tmp_path):
    path = save(by_hand(side=None), tmp_path / "hand.keras")
    with pytest.raises(InputError, match="takes any size of images"):
        build_backbone(path)
    assert build_backbone(path, image_size=48).input_shape[1] == 48


def test_a_file_of_keras_2_with_groups_is_read(tmp_path):
    """Teachable Machine's files have `groups` in every DepthwiseConv2D."""
    import h5py

    model = by_hand()
    path = save(model, tmp_path / "old.h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "DepthwiseConv2D":
                layer["config"]["groups"] = 1
        file.attrs["model_config"] = json.dumps(config).encode()
    built = build_backbone(path, imagenet=True)
    np.testing.assert_array_equal(
        built.get_layer("depth").kernel, model.get_layer("depth").kernel
    )
    built.save(tmp_path / "new.keras")  # as what it is now
    keras.saving.load_model(tmp_path / "new.keras")


def lambda_model(path):
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Lambda(lambda t: t * 2)(images)
    keras.Model(images, keras.layers.Conv2D(4, 3)(x)).save(path)


def hidden_lambda(path):
    import h5py

    lambda_model(path)
    with h5py.File(path, "r+") as file:
        text = file.attrs["model_config"]
        text = text if isinstance(text, str) else text.decode()
        hidden = text.replace('"Lambda"', '"\\u004cambda"')
        assert hidden != text
        file.attrs["model_config"] = hidden.encode()


def two_inputs(path):
    one, two = (keras.Input((SIDE, SIDE, 3)) for _ in range(2))
    keras.Model([one, two], keras.layers.Add()([one, two])).save(path)


def grey(path):
    images = keras.Input((SIDE, SIDE, 1))
    keras.Model(images, keras.layers.Conv2D(4, 3)(images)).save(path)


def of_words(path):
    words = keras.Input((7,))
    keras.Model(words, keras.layers.Dense(4)(words)).save(path)


def weights_alone(path):
    by_hand().save_weights(path.with_suffix(".weights.h5"))
    path.with_suffix(".weights.h5").rename(path)


def two_outputs(path):
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 8, 8)(images)
    keras.Model(images, [x, keras.layers.ReLU()(x)]).save(path)


def test_tokens_are_taken_and_pooled(tmp_path):
    images = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(4, 8, 8)(images)
    x = keras.layers.Reshape((16, 4))(x)
    x = keras.layers.LayerNormalization()(x)
    top = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling1D()(x))
    path = save(keras.Model(images, top), tmp_path / "tokens.keras")
    built = build_classifier(path, class_names=CLASSES, contract="none")
    assert built.backbone.output_shape == (None, 16, 4)
    pixels = np.random.default_rng(0).random((2, SIDE, SIDE, 3), np.float32)
    means = np.asarray(keras.Model(images, x)(pixels)).mean(1)
    np.testing.assert_allclose(built.code_model(pixels), means, atol=1e-6)


@pytest.mark.parametrize(
    ("write", "suffix", "text"),
    [
        (lambda_model, ".keras", "Lambda"),
        (lambda_model, ".h5", "has a Lambda layer, which is code"),
        (hidden_lambda, ".h5", "has a Lambda layer, which is code"),
        (two_inputs, ".keras", "no network for images"),
        (grey, ".keras", r"\(None, 32, 32, 1\)"),
        (of_words, ".keras", "no network for images"),
        (weights_alone, ".h5", "holds weights alone"),
        (two_outputs, ".keras", "expected one feature map"),
        (lambda path: path.write_bytes(b"PK"), ".keras", "cannot be read"),
        (lambda path: path.write_bytes(b"PK"), ".h5", "cannot be read"),
        (lambda path: None, ".keras", "does not exist"),
    ],
)
def test_what_is_no_backbone_is_one_sentence(tmp_path, write, suffix, text):
    path = tmp_path / f"model{suffix}"
    write(path)
    with pytest.raises(InputError, match=text):
        find_spec(str(path))


def test_a_name_that_is_neither_says_that_a_file_would_do():
    with pytest.raises(InputError, match="Did you mean 'MobileNetV2'"):
        find_spec("MobileNetV22")


def test_alpha_does_not_apply(tmp_path):
    path = save(by_hand(), tmp_path / "hand.keras")
    with pytest.raises(InputError, match="no width multiplier"):
        build_backbone(path, alpha=0.5)

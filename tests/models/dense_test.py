import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.models.backbones import BACKBONES, SMALLEST
from tlkeras.models.classifier import build_classifier
from tlkeras.models.dense import build_dense, share_of_cells
from tlkeras.models.heads import HeadConfig

from .families import by_cost

# Their smallest size; the others take 64 pixels.
LARGER = {"Xception": 96, "InceptionV3": 96, "InceptionResNetV2": 96}
QUICK = ("MobileNet", "MobileNetV3Small")
LOWER = "conv_pw_3_relu"  # of a MobileNet, with a stride of 4


def build(name="MobileNet", size=64, *, seed=0, features_from="", **head):
    """A classifier whose logits are of the order of one."""
    built = build_classifier(
        name,
        class_names=("a", "b", "c"),
        weights="none",
        image_size=size,
        alpha=0.25 if name in ("MobileNet",) else 1.0,
        features_from=features_from,
        head=HeadConfig(**head),
    )
    rng = np.random.default_rng(seed)
    images = rng.uniform(0, 255, (2, size, size, 3)).astype(np.float32)
    codes = np.asarray(built.code_model(images))
    scale = np.abs(codes).sum(-1).mean()
    kernel, bias = built.logits_layer.get_weights()
    kernel = rng.normal(0, 10 / scale, kernel.shape)
    built.logits_layer.set_weights([kernel, rng.normal(size=bias.shape)])
    return built, images


def relative(ours, theirs):
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("name", by_cost(SMALLEST.values(), QUICK))
def test_the_mean_of_the_class_maps_is_the_logits(name):
    size = LARGER.get(name, 64)
    built, images = build(name, size)
    dense = build_dense(built.model)
    maps = np.asarray(dense.model(images, training=False))
    logits = np.asarray(built.model(images, training=False))
    assert dense.is_additive
    assert maps.shape == (2, *dense.grid, 3)
    assert relative(maps.mean((1, 2)), logits) < 1e-4
    # At twice the size the same weights see more cells.
    larger = build_dense(built.model, image_size=2 * size)
    assert larger.grid[0] >= 2 * dense.grid[0]
    assert sum(map(np.size, larger.model.get_weights())) == sum(
        map(np.size, built.model.get_weights())
    )
    assert dense.stride == 32
    keras.backend.clear_session()


@pytest.mark.parametrize("pooling", ["average", "max", "flatten"])
@pytest.mark.parametrize("kind", ["linear", "svm", "multi_label"])
def test_every_pooling_of_a_linear_head_is_exact(pooling, kind):
    built, images = build(
        pooling=pooling, kind=kind, size=32, features_from=LOWER
    )
    maps = build_dense(built.model).model(images, training=False)
    logits = built.model(images, training=False)
    mean = np.asarray(maps).mean((1, 2))
    assert relative(mean, np.asarray(logits)) < 1e-4


def test_each_cell_of_average_pooling_is_the_head_of_that_cell():
    built, images = build(size=96)
    features = built.backbone(
        keras.Model(
            built.model.inputs[0],
            built.model.get_layer("input_contract").output,
        )(images),
        training=False,
    )
    kernel, bias = built.logits_layer.get_weights()
    maps = build_dense(built.model).model(images, training=False)
    expected = np.asarray(features) @ kernel + bias
    np.testing.assert_allclose(np.asarray(maps), expected, rtol=1e-3, atol=1e-4)


def test_a_maximum_is_the_share_of_one_cell():
    features = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    shares = np.asarray(share_of_cells(keras.ops.convert_to_tensor(features)))
    np.testing.assert_allclose(
        shares.mean((1, 2)), features.max((1, 2)), rtol=1e-5
    )
    assert ((shares != 0).sum((1, 2)) == 1).all()


def test_a_flat_head_slides_over_larger_images():
    """The 6 x 6 case of the notes: 2 x 2 cells give 3 x 3 answers on 4 x 4."""
    built, _ = build(pooling="flatten", size=64)
    dense = build_dense(built.model)
    assert dense.grid == (1, 1)
    assert dense.window == 2
    assert build_dense(built.model, image_size=128).grid == (3, 3)


def test_hidden_layers_give_cell_scores_that_are_not_additive():
    built, images = build(kind="mlp", hidden_units=(8,), size=96)
    dense = build_dense(built.model)
    assert not dense.is_additive
    assert dense.model(images).shape == (2, 3, 3, 3)


def test_a_convolution_far_from_borders_sees_what_a_crop_shows():
    """Cells of a repeated pattern are alike, wherever the image ends."""
    built, _ = build(size=64)
    pixel = np.full((1, 448, 448, 3), 90.0, np.float32)
    maps = np.asarray(build_dense(built.model, image_size=448).model(pixel))
    middle = maps[0, 6:8, 6:8].reshape(-1, 3)
    assert np.ptp(middle, axis=0).max() < 1e-3 * np.abs(maps).max()


def test_sizes_that_do_not_fit_are_refused():
    built, _ = build(size=64)
    for size in (70, 8, 32 * 1000):
        with pytest.raises(InputError, match="multiple of its stride 32"):
            build_dense(built.model, image_size=size)


def test_a_mean_image_fixes_the_size():
    built = build_classifier(
        "MobileNet",
        class_names="ab",
        weights="none",
        image_size=32,
        alpha=0.25,
        mean=np.full((32, 32, 3), 100.0),
    )
    build_dense(built.model)
    with pytest.raises(InputError, match="mean image"):
        build_dense(built.model, image_size=64)


def test_a_channel_mean_goes_along_to_another_size():
    built = build_classifier(
        "VGG16",
        class_names="ab",
        weights="none",
        image_size=32,
        mean=np.array([100.0, 120.0, 140.0]),
    )
    assert build_dense(built.model, image_size=64).grid == (2, 2)


@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_a_loaded_classifier_gives_the_same_maps(pooling, tmp_path):
    built, _ = build(pooling=pooling, size=32, features_from=LOWER)
    built.model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    images = np.full((1, 64, 64, 3), 90.0, np.float32)
    ours, theirs = (
        np.asarray(build_dense(model, image_size=64).model(images))
        for model in (loaded, built.model)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_a_head_without_cells_is_refused():
    built = build_classifier(
        "EfficientNetB0",
        class_names="ab",
        weights="none",
        image_size=32,
        features_from="block1a_se_squeeze",
    )
    with pytest.raises(InputError, match="cannot be dense"):
        build_dense(built.model)


def test_every_family_is_covered():
    assert {BACKBONES[name].family for name in SMALLEST.values()} == {
        spec.family for spec in BACKBONES.values()
    }

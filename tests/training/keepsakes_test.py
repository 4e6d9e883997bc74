from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.data.dataset import Split
from tlkeras.models.classifier import build_classifier
from tlkeras.models.graph import leaf_layers, topological_layers
from tlkeras.training import keepsakes


def make_run(directory, targets):
    paths = tuple(str(i) for i in range(len(targets)))
    split = Split(paths, np.array(targets, np.float32), paths)
    dataset = SimpleNamespace(
        class_names=("cat", "dog"), splits={"validation": split}
    )
    return SimpleNamespace(directory=directory, dataset=dataset)


def written(directory):
    with np.load(directory / workdir.CODES) as stored:
        return stored["codes"], stored["labels"].tolist()


def test_codes_keep_their_rows_and_labels(tmp_path):
    codes = np.arange(6, dtype=np.float32).reshape(3, 2)
    keepsakes.write_codes(make_run(tmp_path, [[1, 0], [0, 1], [1, 1]]), codes)
    stored, labels = written(tmp_path)
    np.testing.assert_array_equal(stored, codes)
    assert stored.dtype == np.float16
    assert labels == ["cat", "dog", "cat|dog"]


@pytest.mark.parametrize("value", [1e6, np.nan])
def test_codes_that_float16_cannot_hold_stay_float32(tmp_path, value):
    codes = np.full((2, 3), value, np.float32)
    keepsakes.write_codes(make_run(tmp_path, [[1, 0], [0, 1]]), codes)
    stored, _ = written(tmp_path)
    np.testing.assert_array_equal(stored, codes)


@pytest.mark.parametrize("limit", ["MAX_CODES", "MAX_CODE_BYTES"])
def test_of_many_codes_rows_from_everywhere_are_kept(
    tmp_path, monkeypatch, limit
):
    # Ten rows of two float16 numbers.
    monkeypatch.setattr(keepsakes, limit, {"MAX_CODES": 10}.get(limit, 40))
    codes = np.arange(200, dtype=np.float32).reshape(100, 2)
    targets = [[row < 50, row >= 50] for row in range(100)]
    keepsakes.write_codes(make_run(tmp_path, targets), codes)
    stored, labels = written(tmp_path)
    assert stored[:, 0].tolist() == (22 * np.arange(10)).tolist()
    assert labels == ["cat"] * 5 + ["dog"] * 5


@pytest.mark.parametrize("name", ["MobileNet", "VGG16", "ConvNeXtTiny"])
def test_the_first_kernel_is_that_of_the_first_convolution(name):
    classifier = build_classifier(
        name, class_names="ab", weights="none", image_size=32
    )
    convolution = next(
        leaf
        for layer in topological_layers(classifier.backbone)
        for leaf in leaf_layers(layer)
        if isinstance(leaf, keras.layers.Conv2D)
    )
    kernel = keepsakes.first_kernel(classifier.backbone)
    np.testing.assert_array_equal(kernel, convolution.kernel)
    convolution.kernel.assign(0 * convolution.kernel)
    assert kernel.any()


def test_a_network_without_convolutions_leaves_no_filters(tmp_path):
    images = keras.Input((4,))
    dense = keras.Model(images, keras.layers.Dense(2)(images))
    run = SimpleNamespace(
        directory=tmp_path,
        first_kernel=keepsakes.first_kernel(dense),
        classifier=SimpleNamespace(backbone=dense),
    )
    assert run.first_kernel is None
    keepsakes.write_filters(run)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cutoff", "moves"), [("all", True), ("stage2", False)]
)
def test_filters_move_where_they_train(small_config, tmp_path, cutoff, moves):
    small_config.model.features_from = "conv_pw_2_relu"
    small_config.model.weights = "none"
    small_config.checks.enabled = False
    small_config.evaluation.test_at_end = False
    small_config.phases.linear_probe.epochs = 0
    small_config.phases.fine_tune.epochs = 1
    small_config.phases.fine_tune.trainable_from = cutoff
    train_and_evaluate(small_config, tmp_path / "run")
    with np.load(tmp_path / "run" / workdir.FILTERS) as stored:
        assert (stored["before"] != stored["after"]).any() == moves

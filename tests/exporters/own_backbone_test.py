"""From a network of one's own to a run, a probe, and files to serve."""

import keras
import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.export import export_run
from tlkeras.exporters.settings import ExportSettings
from tlkeras.models.preprocessing import contract_values
from tlkeras.studies.linear_probe import run_linear_probe
from tlkeras.training.reading import read_pixels
from tlkeras.training.trainer import train_and_evaluate

SIDE = 32


@pytest.fixture(scope="module")
def network(tmp_path_factory, photo_folder, make_small_config):
    """A residual network whose statistics are those of photos in 0..1."""
    images = x = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Conv2D(8, 3, 2, "same", use_bias=False, name="stem")(x)
    stem = keras.Model(images, x)
    x = keras.layers.BatchNormalization(name="stem_bn")(x)
    x = kept = keras.layers.ReLU(name="stem_out")(x)
    x = keras.layers.Conv2D(8, 3, padding="same", name="middle")(x)
    x = keras.layers.Add(name="join")([x, kept])
    x = keras.layers.Conv2D(16, 3, 2, "same", name="last")(x)
    x = keras.layers.ReLU(name="last_out")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(5, activation="softmax")(x)
    model = keras.Model(images, x, name="hand")
    dataset = load_configured(make_small_config())
    pixels = read_pixels(dataset.splits["train"], SIDE)
    found = stem.predict_on_batch(
        contract_values(pixels, "zero_one").astype(np.float32)
    )
    norm = model.get_layer("stem_bn")
    norm.moving_mean.assign(found.mean((0, 1, 2)))
    norm.moving_variance.assign(found.var((0, 1, 2)))
    path = tmp_path_factory.mktemp("network") / "hand.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def config(make_small_config, network):
    return make_small_config(
        {
            "model.backbone": str(network),
            "model.alpha": 1.0,
            "model.image_size": None,
            "model.weights": "imagenet",
            "model.features_from": "",
            "phases.fine_tune.trainable_from": "middle",
            "evaluation.replace_p_value": 1.0,  # fine-tuning stays
            "report.enabled": False,
        }
    )


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    """Trained with all checks, that of the input contract too."""
    directory = tmp_path_factory.mktemp("own") / "run"
    train_and_evaluate(config, directory, console=Console(quiet=True))
    return directory


def test_it_trains_from_a_middle_block(run, network):
    result = workdir.read_json(run / workdir.RESULT)
    assert result["val/top_1_accuracy"] > 0.5
    given = keras.saving.load_model(network)
    kept = load_run(run)
    backbone = next(x for x in kept.model.layers if isinstance(x, keras.Model))
    for name, is_same in (("stem", True), ("middle", False), ("last", False)):
        mine = backbone.get_layer(name).kernel
        assert np.array_equal(mine, given.get_layer(name).kernel) == is_same
    rescaling = kept.model.get_layer("input_contract")
    np.testing.assert_allclose(rescaling.scale, 1 / 255)


def test_its_depths_are_probed(config, tmp_path):
    result = run_linear_probe(config, tmp_path / "probe")
    assert "last_out" in {row["layer"] for row in result["depths"]}


def test_it_is_exported_through_the_gate(run, tmp_path):
    settings = ExportSettings(formats=("saved_model", "float32"), max_drop=0.3)
    records = export_run(run, tmp_path / "model", settings)
    assert records
    assert list(tmp_path.rglob("saved_model.pb"))
    assert list(tmp_path.rglob("*.tflite"))


def test_the_run_is_a_backbone_again(run, config, tmp_path):
    again = config.copy_and_resolve_references()
    again.model.backbone = str(run)
    again.phases.phase_order = ("linear_probe",)
    train_and_evaluate(again, tmp_path / "run", console=Console(quiet=True))
    first = load_run(run).model
    second = load_run(tmp_path / "run").model
    for mine, theirs in zip(
        *(
            next(x for x in m.layers if isinstance(x, keras.Model)).weights
            for m in (first, second)
        ),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)

"""A small ViT and a small ResNet of KerasHub, from training to export."""

import json
import zipfile

import keras
import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.evaluation.run import load_run
from tlkeras.exporters import parity
from tlkeras.exporters.export import export_run
from tlkeras.exporters.settings import ExportSettings
from tlkeras.studies.linear_probe import run_linear_probe
from tlkeras.training.trainer import train_and_evaluate

from .hub_presets import build_resnet, build_vit, save_preset

QUIET = Console(quiet=True)
MIDDLE = {
    "vit": "transformer_block_2",
    "resnet": "stack1_block0_1_conv",
}


# Once written anew, a ResNet of KerasHub is one like Keras' own.
RESNET = pytest.param("resnet", marks=pytest.mark.slow)


@pytest.fixture(scope="module", params=["vit", RESNET])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def config(kind, tmp_path_factory, make_small_config):
    keras.utils.set_random_seed(0)
    network = build_vit() if kind == "vit" else build_resnet()
    preset = save_preset(
        network,
        tmp_path_factory.mktemp("preset") / kind,
        family={"vit": "ViT", "resnet": "ResNet"}[kind],
        scale=1 / 127.5,
        offset=-1.0,
    )
    # A word for the rate of the one, and for the groups of the other.
    own = {
        "vit": {
            "model.pooling": "class_token",
            "phases.fine_tune.layer_decay": 0.5,
        },
        "resnet": {"phases.fine_tune.learning_rate": "auto"},
    }
    return make_small_config(
        {
            "model.backbone": preset,
            "model.alpha": 1.0,
            "model.image_size": 32,
            "model.weights": "imagenet",
            "model.features_from": "",
            "phases.fine_tune.trainable_from": MIDDLE[kind],
            "phases.fine_tune.epochs": 1,
            "checks.enabled": False,
            "runtime.engine": "keras",  # compiled sooner
            "report.enabled": False,
            **own[kind],
        }
    )


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    """A probe, then fine-tuning from a middle block; stitches are proved."""
    directory = tmp_path_factory.mktemp("run") / "photos"
    train_and_evaluate(config, directory, console=QUIET)
    return directory


def test_a_run_trains_above_a_middle_block(run, kind):
    result = json.loads((run / workdir.RESULT).read_text())
    phases = {phase["phase"]: phase for phase in result["phases"]}
    assert set(phases) == {"linear_probe", "fine_tune"}
    groups = [group["group"] for group in phases["fine_tune"]["layer_groups"]]
    if kind == "vit":
        blocks = ["transformer_block_3", "transformer_block_2"]
        assert groups == ["head", *blocks]
    log = (run / workdir.LOG).read_text()
    assert log.count("stitched;") == 2


def test_the_model_of_a_run_needs_no_kerashub(run):
    model = zipfile.ZipFile(run / workdir.MODEL)
    assert b"keras_hub" not in model.read("config.json")
    loaded = load_run(run)
    size = loaded.image_size
    images = np.zeros((1, size, size, 3), np.float32)
    assert loaded.model(images).shape == (1, 2)


def test_it_is_exported_through_the_gate(run, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "LATENCY_RUNS", 5)
    # Eleven images: one that changes sides is a drop of 0.09.
    settings = ExportSettings(("saved_model", "float32"), max_drop=0.3)
    record = export_run(run, tmp_path / "models", settings, console=QUIET)
    assert set(record["formats"]) == {"saved_model", "float32"}
    for row in record["formats"].values():
        assert not row["refused"]
        assert (tmp_path / "models" / row["path"]).exists()


def test_depths_are_probed(config, kind, tmp_path):
    result = run_linear_probe(config, tmp_path, console=QUIET)
    depths = [row["layer"] for row in result["depths"]]
    assert len(depths) > 2
    if kind == "vit":
        assert depths[1:3] == ["transformer_block_1", "transformer_block_2"]

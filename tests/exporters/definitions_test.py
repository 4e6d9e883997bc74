"""Which definition of an image a run has, from its config to its clients."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from tlkeras import workdir
from tlkeras.config.hashing import config_hash
from tlkeras.config.run_directory import read_config
from tlkeras.data.definition import FIRST
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.export import ExportSettings, export_run

FIELDS = ("image_definition", "geometry", "max_pixels")


@pytest.fixture(scope="module")
def sideways(tmp_path_factory, photo_crops):
    exif = Image.Exif()
    exif[274] = 6
    folder = tmp_path_factory.mktemp("sideways")
    photo = Image.fromarray(np.tile(photo_crops["flower"][1], (3, 4, 1)))
    photo.save(folder / "as_is.png")
    photo.save(folder / "turned.png", exif=exif)
    photo.transpose(Image.Transpose.ROTATE_270).save(folder / "upright.png")
    return [folder / f"{n}.png" for n in ("as_is", "turned", "upright")]


def answers(run, paths):
    return [row.probabilities for row in run.predict(paths)]


@pytest.fixture(scope="module")
def older(train_run, tmp_path_factory):
    """A run as it was written before there was a second definition."""
    import shutil

    directory = tmp_path_factory.mktemp("older") / "photos"
    trained = train_run(**{"data.image_definition": 1})
    shutil.copytree(trained, directory)
    for name in (workdir.CONFIG, workdir.RESULT):
        values = workdir.read_json(directory / name)
        values.pop("image_definition", None)
        for field in FIELDS:
            values.get("data", {}).pop(field, None)
        workdir.write_json(directory / name, values)
    return directory


def test_a_new_run_says_what_an_image_is(finished):
    result = workdir.read_json(finished / workdir.RESULT)
    assert result["image_definition"] == {"version": 2, "geometry": "squash"}


def test_an_older_run_keeps_the_first_definition(older, loaded, sideways):
    run = load_run(older)
    assert run.image_definition.recipe == FIRST.recipe
    train = run.load_dataset("validation").splits["train"]
    assert train.definition == run.image_definition
    as_is, turned, upright = answers(run, sideways)
    assert as_is == turned != upright
    as_is, turned, upright = answers(loaded, sideways)
    assert as_is != turned == upright


def test_an_older_run_keeps_its_identity(older, small_config):
    config = read_config(older)
    assert config.data.image_definition == 1
    without_fields = config_hash(config)
    config.data.max_pixels = 5
    assert config_hash(config) == without_fields
    config.data.geometry = "letterbox"
    assert config_hash(config) != without_fields


def test_an_exported_older_run_keeps_the_first_definition(
    older, sideways, tmp_path
):
    import tensorflow as tf

    output = tmp_path / "photos"
    settings = ExportSettings(formats=("saved_model", "float32"), max_drop=0.5)
    export_run(older, output, settings)
    info = json.loads((output / "1" / "model_info.json").read_text())
    assert info["image_definition"] == {"version": 1, "geometry": "squash"}
    assert "EXIF orientation is not applied" in str(info["input_contract"])
    model = tf.saved_model.load(str(output / "1"))
    contents = [path.read_bytes() for path in sideways]
    found = model.signatures["serving_default"](
        image_bytes=tf.constant(contents)
    )["probabilities"]
    np.testing.assert_allclose(
        found, answers(load_run(older), sideways), atol=1e-5
    )
    with zipfile.ZipFile(output / "tflite" / "1" / "float32.tflite") as file:
        stored = json.loads(file.read("image_definition.json"))
    assert stored == info["image_definition"]

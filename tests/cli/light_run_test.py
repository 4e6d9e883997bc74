"""`predict` answers as Keras does, and from its second call without it."""

import csv
import dataclasses
import io
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tlkeras import load_run, workdir
from tlkeras.evaluation import light_run
from tlkeras.evaluation.light_run import (
    LightRun,
    load_for_prediction,
    load_light_run,
    write_engine,
)
from tlkeras.evaluation.run import Run

WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import fails
from tlkeras.cli.main import main
main(["tlkeras", "predict", *sys.argv[1:]])
"""
# Other tests may have asked the shared run.
ENGINE_FILES = shutil.ignore_patterns(workdir.ENGINE, workdir.ENGINE_RECORD)


@pytest.fixture(scope="module")
def prepared(finished, tmp_path_factory):
    """A run that was asked once."""
    directory = tmp_path_factory.mktemp("light") / "run"
    shutil.copytree(finished, directory, ignore=ENGINE_FILES)
    assert isinstance(load_for_prediction(directory), LightRun)
    return directory


@pytest.fixture
def fresh(finished, tmp_path):
    """A run that was never asked."""
    shutil.copytree(finished, tmp_path / "run", ignore=ENGINE_FILES)
    return tmp_path / "run"


@pytest.fixture
def photos(photo_folder):
    return sorted(photo_folder.glob("*/*.jpg"))[::7]


def test_it_answers_as_keras_does(prepared, photos, tmp_path):
    (text := tmp_path / "no.jpg").write_text("no image")
    light = load_light_run(prepared)
    found, expected = (
        list(run.predict([*photos, text]))
        for run in (light, load_run(prepared))
    )
    for one, other in zip(found, expected, strict=True):
        assert (one.path, one.label, one.error) == (
            other.path,
            other.label,
            other.error,
        )
        np.testing.assert_allclose(
            one.probabilities, other.probabilities, atol=1e-5
        )
    assert light.class_names == load_run(prepared).class_names


def test_the_command_needs_no_tensorflow_then(prepared, photos):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT_TENSORFLOW,
            f"--workdir={prepared}",
            str(photos[0]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    (expected,) = load_light_run(prepared).predict(photos[0])
    assert row["label"] == expected.label
    assert float(row["score"]) == pytest.approx(expected.score, abs=1e-6)


def test_the_network_is_asked_about_the_images_alone(prepared, photos):
    light = load_light_run(prepared)
    asked = []

    def count(images):
        asked.append(len(images))
        return light.model(images)

    count.image_size = light.model.image_size
    counting = dataclasses.replace(light, model=count)
    assert len(list(counting.predict(photos[:3]))) == 3
    assert asked == [3]


def test_another_model_gets_another_file(fresh, prepared):
    for name in (workdir.ENGINE, workdir.ENGINE_RECORD):
        shutil.copy(prepared / name, fresh / name)
    assert load_light_run(fresh) is not None
    with open(fresh / workdir.MODEL, "ab") as file:
        file.write(b"\0")
    assert load_light_run(fresh) is None


@pytest.mark.parametrize("content", [b"", b"TFL3" * 20])
def test_a_damaged_file_is_made_again(fresh, prepared, content):
    shutil.copy(prepared / workdir.ENGINE_RECORD, fresh)
    (fresh / workdir.ENGINE).write_bytes(content)
    assert load_light_run(fresh) is None


def test_a_network_without_a_light_form_is_tried_once(fresh, monkeypatch):
    def refuse(_):
        tried.append(1)
        raise RuntimeError("no such operator")

    tried = []
    monkeypatch.setattr(light_run, "convert_to_litert", refuse)
    for _ in range(2):
        assert isinstance(load_for_prediction(fresh), Run)
    assert tried == [1]
    assert not (fresh / workdir.ENGINE).exists()


def test_a_file_that_answers_otherwise_is_not_used(fresh, monkeypatch):
    monkeypatch.setattr(light_run, "TOLERANCE", -1.0)
    assert isinstance(load_for_prediction(fresh), Run)
    record = workdir.read_json(fresh / workdir.ENGINE_RECORD)
    assert "from Keras" in record["reason"]
    assert not (fresh / workdir.ENGINE).exists()


def test_where_nothing_can_be_written_keras_answers(fresh):
    (fresh / workdir.ENGINE_RECORD).mkdir()
    assert not write_engine(load_run(fresh))
    assert isinstance(load_for_prediction(fresh), Run)

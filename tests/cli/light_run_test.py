"""`predict` and `evaluate` answer as Keras does, from then on without it."""

import csv
import dataclasses
import io
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tlkeras import load_run, workdir
from tlkeras.evaluation import engine_file, light_run
from tlkeras.evaluation.engine_file import write_engine
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.light_run import (
    LightRun,
    load_light_run,
    load_lightest,
)
from tlkeras.evaluation.metrics import TOP_1
from tlkeras.evaluation.run import Run

WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import fails
from tlkeras.cli.main import main
main(["tlkeras", *sys.argv[1:]])
"""
# Other tests may have asked the shared run.
ENGINE_FILES = shutil.ignore_patterns(workdir.ENGINE, workdir.ENGINE_RECORD)


@pytest.fixture(scope="module")
def prepared(finished, tmp_path_factory):
    """A run that was asked once."""
    directory = tmp_path_factory.mktemp("light") / "run"
    shutil.copytree(finished, directory, ignore=ENGINE_FILES)
    assert isinstance(load_lightest(directory), LightRun)
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


def run_light(*arguments):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_predict_needs_no_tensorflow_then(prepared, photos):
    text = run_light("predict", f"--workdir={prepared}", photos[0])
    (row,) = csv.DictReader(io.StringIO(text))
    (expected,) = load_light_run(prepared).predict(photos[0])
    assert row["label"] == expected.label
    assert float(row["score"]) == pytest.approx(expected.score, abs=1e-6)


def test_evaluate_needs_no_tensorflow_then(prepared):
    name = workdir.evaluation_name("test")
    keras = load_run(prepared)
    expected = keras.evaluate("test")
    maps = prepared / workdir.mistake_maps_name("test")
    written = maps.read_bytes()
    looks = len(read_test_looks(prepared))
    text = run_light("evaluate", f"--workdir={prepared}", "--split=test")
    assert f"looks at the test split so far: {looks + 1}" in text
    found = workdir.read_json(prepared / name)
    assert found[TOP_1] == expected[TOP_1]
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-5)
    assert found["confusion_matrix"] == expected["confusion_matrix"]
    assert maps.read_bytes() == written


def test_maps_of_other_mistakes_are_made_anew(prepared):
    light = load_light_run(prepared)
    light.evaluate("validation")
    maps = prepared / workdir.mistake_maps_name("validation")
    expected = dict(np.load(maps))
    np.savez(maps, **expected | {"answers": np.array([["a.jpg", "b"]])})
    light.evaluate("validation")
    found = dict(np.load(maps))
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values)


def test_many_images_go_to_an_accelerator(prepared, monkeypatch):
    assert isinstance(load_lightest(prepared, has_many=True), LightRun)
    monkeypatch.setattr(light_run, "may_have_accelerator", lambda: True)
    assert isinstance(load_lightest(prepared, has_many=True), Run)
    assert isinstance(load_lightest(prepared), LightRun)


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


def test_a_file_of_another_result_is_not_used(fresh, prepared):
    for name in (workdir.ENGINE, workdir.ENGINE_RECORD):
        shutil.copy(prepared / name, fresh / name)
    result = workdir.read_json(fresh / workdir.RESULT)
    workdir.write_json(
        fresh / workdir.RESULT, {**result, "class_names": ["a", "b", "c"]}
    )
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
    monkeypatch.setattr(engine_file, "convert_to_litert", refuse)
    for _ in range(2):
        assert isinstance(load_lightest(fresh), Run)
    assert tried == [1]
    assert not (fresh / workdir.ENGINE).exists()


def test_a_file_that_answers_otherwise_is_not_used(fresh, monkeypatch):
    monkeypatch.setattr(engine_file, "TOLERANCE", -1.0)
    assert isinstance(load_lightest(fresh), Run)
    record = workdir.read_json(fresh / workdir.ENGINE_RECORD)
    assert "from Keras" in record["reason"]
    assert not (fresh / workdir.ENGINE).exists()


def test_where_nothing_can_be_written_keras_answers(fresh):
    (fresh / workdir.ENGINE_RECORD).mkdir()
    assert not write_engine(load_run(fresh))
    assert isinstance(load_lightest(fresh), Run)

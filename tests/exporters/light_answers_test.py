"""`serve_check` gives the SavedModel's answers without TensorFlow."""

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlkeras import workdir
from tlkeras.exporters import served_version
from tlkeras.exporters.light_answers import LightAnswers
from tlkeras.exporters.rest import answer, load_versions
from tlkeras.exporters.saved_answers import SavedAnswers
from tlkeras.exporters.served_version import ServedVersion
from tlkeras.exporters.version_files import MODEL_INFO

WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import fails
from tlkeras.exporters.rest import answer, load_versions
served = load_versions(sys.argv[1])
body = open(sys.argv[2], "rb").read()
import json
print(json.dumps([
    answer(served, "GET", "/v1/models/photos/metadata", b""),
    answer(served, "POST", "/v1/models/photos:predict", body),
]))
"""


def encode(contents):
    return [{"b64": base64.b64encode(content).decode()} for content in contents]


@pytest.fixture(scope="module")
def heavy(exported):
    return SavedAnswers(exported / "1")


@pytest.fixture
def served(exported):
    return ServedVersion(exported / "1")


def assert_same(found, expected):
    assert set(found) == set(expected)
    for name, values in expected.items():
        if values.dtype == object:
            np.testing.assert_array_equal(found[name], values)
        else:
            assert found[name].dtype == values.dtype
            np.testing.assert_allclose(found[name], values, atol=1e-5)


def test_requests_need_no_tensorflow(exported, heavy, photos, tmp_path):
    values = encode([Path(path).read_bytes() for path in photos])
    (body := tmp_path / "body").write_text(json.dumps({"instances": values}))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(exported), str(body)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    metadata, found = json.loads(done.stdout)
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert set(signatures) == set(heavy.signatures)
    expected = heavy.run("serving_default", "image_bytes", values)
    for row, label, scores in zip(
        found["predictions"],
        expected["label"],
        expected["probabilities"],
        strict=True,
    ):
        assert row["label"] == label.decode()
        np.testing.assert_allclose(row["probabilities"], scores, atol=1e-5)


def test_it_describes_itself_as_the_saved_model_does(served, heavy):
    assert served.signatures == heavy.signatures


@pytest.mark.parametrize("name", ["serving_default", "image"])
def test_both_answer_alike(served, heavy, photos, name, monkeypatch):
    monkeypatch.setattr(ServedVersion, "_saved", None)  # is not asked
    if name == "image":
        rng = np.random.default_rng(0)
        value = rng.integers(0, 256, (3, 32, 32, 3)).tolist()
    else:
        value = encode([Path(path).read_bytes() for path in photos])
    (key,) = heavy.signatures[name].inputs
    assert_same(served.run(name, key, value), heavy.run(name, key, value))


def test_several_labels_are_in_the_same_order(exported, heavy, monkeypatch):
    light = LightAnswers(exported / "1")
    light._multi_label = True
    found = light._answer(np.float32([[0.2, 0.9], [0.7, 0.6], [0.1, 0.1]]))
    assert found["labels"].tolist() == [
        [b"flower", b""],
        [b"china", b"flower"],
        [b"", b""],
    ]
    np.testing.assert_array_equal(
        found["scores"], np.float32([[0.9, 0.2], [0.7, 0.6], [0.1, 0.1]])
    )


def gif():
    buffer = io.BytesIO()
    Image.new("P", (40, 30), 7).save(buffer, "GIF")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("serving_default", encode([gif()])),  # only TensorFlow decodes it
        ("features", encode([gif()])),
        ("heatmap", encode([gif()])),
    ],
)
def test_what_it_cannot_answer_the_saved_model_does(
    served, heavy, name, value, exported
):
    assert LightAnswers(exported / "1").try_run(name, value) is None
    expected = heavy.run(name, "image_bytes", value)
    assert_same(served.run(name, "image_bytes", value), expected)


def test_without_the_file_the_saved_model_answers(exported, tmp_path, photos):
    folder = tmp_path / "photos" / "1"
    shutil.copytree(exported / "1", folder)
    assert ServedVersion(folder)._light is None
    info = workdir.read_json(folder / MODEL_INFO)
    del info["max_pixels"]  # as versions of before have it
    workdir.write_json(folder / MODEL_INFO, info)
    shutil.copytree(exported / "tflite", tmp_path / "photos" / "tflite")
    served = load_versions(tmp_path / "photos")
    assert served.versions[1]._light is None
    values = encode([Path(photos[0]).read_bytes()])
    body = json.dumps({"instances": values}).encode()
    found = answer(served, "POST", "/v1/models/photos:predict", body)
    assert len(found["predictions"]) == 1


def test_a_file_that_answers_otherwise_is_not_used(exported, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(exported, folder)
    path = folder / "tflite" / "1" / workdir.EXPORT
    record = workdir.read_json(path)
    record["formats"]["float32"]["largest_probability_shift"] = 0.01
    workdir.write_json(path, record)
    assert served_version.ServedVersion(folder / "1")._light is None


def test_a_damaged_file_is_not_used(exported, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(exported, folder)
    (file,) = folder.glob("tflite/1/float32.tflite")
    file.write_bytes(b"TFL3" * 20)
    assert served_version.ServedVersion(folder / "1")._light is None

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from tlkeras.exporters.warmup import WARMUP_BATCH_SIZES, WARMUP_FILE

CLIENT = Path(__file__).with_name("c_api.py")


@pytest.fixture(scope="module")
def version(exported):
    return exported / "1"


@pytest.fixture(scope="module")
def photos(photo_folder):
    return [str(path) for path in sorted(photo_folder.rglob("*.jpg"))[:3]]


@pytest.fixture(scope="module")
def expected(loaded, photos):
    """Probabilities [3, 2] as `tlkeras predict` gives them."""
    return [p.probabilities for p in loaded.predict(photos)]


def test_labels_and_description_lie_beside_the_graph(version, loaded):
    labels = (version / "assets" / "labels.txt").read_text()
    assert labels == "china\nflower\n"
    info = json.loads((version / "model_info.json").read_text())
    assert info["classes"] == ["china", "flower"]
    assert info["version"] == 1
    assert info["image_size"] == 32
    assert info["weights_are_constants"] is True
    assert info["config_hash"] == loaded.config_hash
    assert set(info["libraries"]) >= {"tensorflow", "keras", "tlkeras"}
    low, high = info["metrics"]["validation"]["top_1_accuracy_interval"]
    assert low <= info["metrics"]["validation"]["top_1_accuracy"] <= high
    serving = info["signatures"]["serving_default"]
    assert serving["inputs"] == {"image_bytes": "string [None]"}
    assert serving["outputs"]["probabilities"] == "float32 [None, 2]"
    assert info["signatures"]["image"]["inputs"] == {
        "image": "float32 [None, 32, 32, 3]"
    }


def test_every_signature_uses_the_predict_method(version):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((version / "saved_model.pb").read_bytes())
    signatures = dict(proto.meta_graphs[0].signature_def)
    signatures.pop("__saved_model_init_op")
    assert set(signatures) == {
        "serving_default",
        "image",
        "features",
        "heatmap",
    }
    assert {s.method_name for s in signatures.values()} == {
        "tensorflow/serving/predict"
    }
    for signature in signatures.values():
        for output in signature.outputs.values():
            assert output.tensor_shape.dim[0].size == -1


def test_weights_are_stored_once(version, served):
    size = (version / "saved_model.pb").stat().st_size
    assert served.num_bytes < size < 1.5 * served.num_bytes


def test_the_c_api_gives_what_predict_gives(version, photos, expected):
    """Without Python's TensorFlow, Keras, or this package."""
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((version / "saved_model.pb").read_bytes())
    definition = proto.meta_graphs[0].signature_def["serving_default"]
    library = next(Path(tf.__file__).parent.glob("libtensorflow_cc.so*"))
    name, index = definition.outputs["probabilities"].name.split(":")
    done = subprocess.run(
        [
            sys.executable,
            str(CLIENT),
            str(library),
            str(version),
            definition.inputs["image_bytes"].name.split(":")[0],
            name,
            index,
            *photos,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [line.split() for line in done.stdout.splitlines()]
    np.testing.assert_allclose(np.float64(found), expected, atol=1e-5)


def test_saved_model_cli_runs_it(version, photos, expected, tmp_path):
    """As its main() does, in this process, which has TensorFlow already."""
    from tensorflow.python.tools import saved_model_cli

    contents = np.array([Path(path).read_bytes() for path in photos])
    np.save(tmp_path / "images.npy", contents)
    command = saved_model_cli.create_parser().parse_args(
        [
            "run",
            f"--dir={version}",
            "--tag_set=serve",
            "--signature_def=serving_default",
            f"--inputs=image_bytes={tmp_path}/images.npy",
            f"--outdir={tmp_path}",
        ]
    )
    command.func()
    found = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_warm_up_requests_parse_and_run(version, exported, saved):
    signatures = saved.signatures
    sizes = []
    for record in tf.data.TFRecordDataset(str(version / WARMUP_FILE)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        assert request.model_spec.name == exported.name
        images = tf.make_ndarray(request.inputs["image_bytes"])
        answers = signatures[request.model_spec.signature_name](
            image_bytes=tf.constant(images)
        )
        assert len(answers["label"]) == len(images)
        sizes.append(len(images))
    assert tuple(sizes) == WARMUP_BATCH_SIZES

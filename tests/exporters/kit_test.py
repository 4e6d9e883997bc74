"""The deployment kit in export/, against servers of the real protocols."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

from tlkeras.evaluation.run import load_run
from tlkeras.exporters.rest import answer, load_versions, make_server
from tlkeras.exporters.warmup import BATCH_SIZES

KIT = Path(__file__).parents[2] / "export"


@pytest.fixture(scope="module")
def photos(photo_folder):
    return [str(path) for path in sorted(photo_folder.rglob("*.jpg"))[::16]]


@pytest.fixture(scope="module")
def expected(finished, photos):
    """Path -> (label, score) as `tlkeras predict` gives them."""
    return {
        p.path: (p.label, p.score) for p in load_run(finished).predict(photos)
    }


@pytest.fixture(scope="module")
def junk(tmp_path_factory):
    path = tmp_path_factory.mktemp("junk") / "letter.jpg"
    path.write_bytes(b"Dear Sir or Madam")
    return str(path)


@pytest.fixture(scope="module")
def served(exported):
    return load_versions(exported)


@pytest.fixture(scope="module")
def rest_url(served):
    with make_server(served, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's PredictionService over one loaded SavedModel."""

    def __init__(self, served):
        self.served = served

    def Predict(self, request, context):  # noqa: N802 - of the protocol
        spec = request.model_spec
        if spec.name != self.served.name:
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Latest({spec.name})",
            )
        if spec.version_label:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"Unrecognized servable version label: {spec.version_label}",
            )
        if spec.signature_name == "slow":
            time.sleep(3)
        _, model = self.served.find(spec.name, None)
        if spec.signature_name not in model.signatures:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{spec.signature_name}" not found.',
            )
        inputs = {
            name: tf.constant(tf.make_ndarray(tensor))
            for name, tensor in request.inputs.items()
        }
        try:
            outputs = model.signatures[spec.signature_name](**inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@pytest.fixture(scope="module")
def grpc_address(served):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(served), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def run_client(rest_url, grpc_address, exported):
    """Runs a client as users do; returns (exit code, lines, errors)."""

    def run(script, *arguments):
        where = {
            "client_rest.py": [f"--url={rest_url}", "--model=photos"],
            "client_grpc.py": [f"--address={grpc_address}", "--model=photos"],
            "client_tflite.py": [
                f"--model={exported}/tflite/1/float32.tflite",
            ],
            "load_test.py": [f"--url={rest_url}", "--model=photos"],
        }[script]
        done = subprocess.run(
            [sys.executable, str(KIT / script), *where, *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


@pytest.mark.parametrize(
    "script", ["client_rest.py", "client_grpc.py", "client_tflite.py"]
)
def test_clients_label_as_predict_does(run_client, script, photos, expected):
    code, lines, errors = run_client(script, *photos)
    assert code == 0, errors
    rows = [line.split("\t") for line in lines]
    assert [path for path, _, _ in rows] == photos
    for path, label, score in rows:
        assert label == expected[path][0]
        assert float(score) == pytest.approx(expected[path][1], abs=2e-4)


@pytest.mark.parametrize("script", ["client_rest.py", "client_grpc.py"])
def test_a_bad_image_fails_alone(run_client, script, photos, junk):
    code, lines, errors = run_client(script, photos[0], junk, photos[1])
    assert code == 1
    assert [line.split("\t")[0] for line in lines] == photos[:2]
    (sentence,) = errors.splitlines()
    assert sentence.startswith(f"{junk}: refused:")
    assert "holds no JPEG" in sentence


def test_a_bad_file_of_a_tflite_client_fails_alone(run_client, photos, junk):
    code, lines, errors = run_client("client_tflite.py", junk, photos[0])
    assert code == 1
    assert len(lines) == 1
    assert "cannot be read" in errors
    code, _, errors = run_client("client_tflite.py", f"--model={junk}", junk)
    assert code == 2
    assert "is no model of tlkeras export" in errors


@pytest.mark.parametrize("script", ["client_rest.py", "client_grpc.py"])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=cats"], "serves no such model"),
        (["--signature=slow_one"], "has no signature 'slow_one'"),
        (["--timeout=1e-3"], "within 0.001 s"),
        (["--label=canary"], "no version labelled 'canary'"),
        (["--model=my photos/ö"], "serves no such model"),
    ],
    ids=["model", "signature", "deadline", "label", "name"],
)
def test_mistakes_get_one_sentence(
    run_client, script, photos, arguments, message
):
    code, lines, errors = run_client(script, photos[0], *arguments)
    assert code == 2
    assert lines == []
    assert message in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "flag"),
    [("client_rest.py", "url"), ("client_grpc.py", "address")],
)
def test_a_server_that_is_down_gets_one_sentence(
    run_client, script, flag, photos
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    url = f"http://{address}" if flag == "url" else address
    code, _, errors = run_client(script, f"--{flag}={url}", photos[0])
    assert code == 2
    assert "no server answers" in errors
    assert len(errors.splitlines()) == 1


def test_a_slow_server_meets_the_deadline(run_client, photos):
    code, _, errors = run_client(
        "client_grpc.py", "--signature=slow", "--timeout=0.5", photos[0]
    )
    assert code == 2
    assert "within 0.5 s" in errors


@pytest.mark.parametrize("script", ["client_rest.py", "client_grpc.py"])
def test_a_batch_of_no_images_is_refused(run_client, script, photos):
    code, lines, errors = run_client(script, "--batch=0", photos[0])
    assert code == 2
    assert lines == []
    assert "0 is below 1" in errors


@pytest.mark.parametrize("url", ["foo", "http://a b"])
def test_an_address_that_is_none_gets_one_sentence(run_client, photos, url):
    code, _, errors = run_client("client_rest.py", f"--url={url}", photos[0])
    assert code == 2
    assert "check --url" in errors
    assert len(errors.splitlines()) == 1


def test_percentiles_are_of_the_sample():
    import importlib.util

    sys.path.insert(0, str(KIT))
    try:
        spec = importlib.util.spec_from_file_location(
            "load_test", KIT / "load_test.py"
        )
        load_test = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(load_test)
    finally:
        sys.path.remove(str(KIT))
    assert load_test.percentile(range(1, 101), 0.99) == 99
    assert load_test.percentile([1, 2], 0.5) == 1
    assert load_test.percentile([7], 0.99) == 7


def test_the_load_is_bounded(run_client, photos, junk):
    code, (line,), errors = run_client(
        "load_test.py", "--requests=20", "--clients=3", *photos
    )
    assert code == 0, errors
    result = json.loads(line)
    assert result["requests"] == 20
    assert result["failed"] == 0
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
    code, (line,), errors = run_client("load_test.py", "--requests=2", junk)
    assert code == 1
    assert json.loads(line)["failed"] == 2


def test_the_smoke_test_waits_and_reports(rest_url, photos):
    script = str(KIT / "smoke_test.sh")
    done = subprocess.run(
        ["bash", script, photos[0], "photos", rest_url],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ok: photos answers" in done.stdout
    done = subprocess.run(
        ["bash", script, photos[0], "cats", rest_url],
        env={"SMOKE_TEST_SECONDS": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "does not answer" in done.stderr


def post(served, path, **body):
    return answer(served, "POST", path, json.dumps(body).encode())


def test_rows_and_columns_hold_the_same(served, photos):
    import base64

    values = [
        {"b64": base64.b64encode(Path(path).read_bytes()).decode()}
        for path in photos
    ]
    path = "/v1/models/photos/versions/1:predict"
    rows = post(served, path, instances=values)["predictions"]
    named = post(
        served, path, instances=[{"image_bytes": value} for value in values]
    )["predictions"]
    columns = post(served, path, inputs={"image_bytes": values})["outputs"]
    assert rows == named
    for key, column in columns.items():
        assert column == [row[key] for row in rows]
    codes = post(served, path, signature_name="features", instances=values)[
        "predictions"
    ]
    assert np.shape(codes) == (len(photos), 256)


def test_status_and_metadata_are_those_of_tf_serving(served):
    status = answer(served, "GET", "/v1/models/photos", b"")
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    metadata = answer(served, "GET", "/v1/models/photos/metadata", b"")
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    image = signatures["image"]["inputs"]["image"]
    assert image["dtype"] == "DT_FLOAT"
    sizes = [dim["size"] for dim in image["tensor_shape"]["dim"]]
    assert sizes == ["-1", "32", "32", "3"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/v1/models/photos:predict", b"{", "JSON Parse error"),
        ("/v1/models/photos:predict", b"[]", "not an object"),
        ("/v1/models/photos:predict", b"{}", "Missing 'inputs' or 'instances'"),
        ("/v1/models/photos:predict", b'{"instances": []}', "at least one"),
        (
            "/v1/models/photos:predict",
            b'{"instances": [{"b64": "?"}]}',
            "Unable to base64 decode",
        ),
        (
            "/v1/models/photos:predict",
            b'{"instances": [{"pixels": 1}]}',
            "expected the key 'image_bytes'",
        ),
        (
            "/v1/models/photos:predict",
            b'{"inputs": {"pixels": 1}}',
            "input tensor alias not found",
        ),
        (
            "/v1/models/photos:predict",
            b'{"signature_name": "image", "instances": [[[1]]]}',
            "not compatible with expected shape",
        ),
        (
            "/v1/models/photos:predict",
            b'{"signature_name": [1], "instances": [1]}',
            "must be a string",
        ),
        ("/v1/models/photos/versions/7:predict", b"{}", "Specific(photos, 7)"),
        ("/v1/models/photos:classify", b"{}", "Malformed request"),
        ("/favicon.ico", b"", "Malformed request"),
    ],
)
def test_bad_requests_get_an_error_body(rest_url, path, body, message):
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"{rest_url}{path}", body)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == (404 if "versions/7" in path else 400)
    assert message in json.loads(refused.value.read())["error"]


def make_message(package, fields, **messages):
    """Builds a message class from published field numbers."""
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    file = descriptor_pb2.FileDescriptorProto(
        name="config.proto",
        package=package,
        syntax="proto3",
        dependency=[wrappers.name],
    )
    for name, columns in {"Config": fields, **messages}.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in columns.items():
            repeated = kind.startswith("repeated ")
            kind = kind.removeprefix("repeated ")
            added = message.field.add(
                name=field, number=number, label=3 if repeated else 1
            )
            if kind.startswith("."):
                added.type, added.type_name = 11, kind
            else:
                added.type = {"int64": 3, "bool": 8, "string": 9}[kind]
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"{package}.Config")
    )


def test_the_model_config_parses():
    text = (KIT / "models.config").read_text()
    second = re.sub(r"^  # (  |config|\})", r"  \1", text, flags=re.M)
    for content, names in (
        (text, ["digits"]),
        (second, ["digits", "clothing"]),
    ):
        parsed = text_format.Parse(
            content, model_server_config_pb2.ModelServerConfig()
        )
        models = parsed.model_config_list.config
        assert [model.name for model in models] == names
        for model in models:
            assert model.base_path == f"/models/{model.name}"
    first = models[0]
    loaded = list(first.model_version_policy.specific.versions)
    assert set(first.version_labels) == {"stable", "canary"}
    assert set(first.version_labels.values()) <= set(loaded)


def test_the_batching_config_parses():
    """Fields of session_bundle_config.proto of TF Serving."""
    number = ".google.protobuf.Int64Value"
    config = text_format.Parse(
        (KIT / "batching.config").read_text(),
        make_message(
            "batching",
            {
                1: ("max_batch_size", number),
                2: ("batch_timeout_micros", number),
                3: ("max_enqueued_batches", number),
                4: ("num_batch_threads", number),
                6: ("allowed_batch_sizes", "repeated int64"),
                7: ("pad_variable_length_inputs", "bool"),
            },
        )(),
    )
    # The server demands that the largest size is max_batch_size.
    assert tuple(config.allowed_batch_sizes) == BATCH_SIZES
    assert config.max_batch_size.value == max(BATCH_SIZES)


def test_the_monitoring_config_parses():
    """Fields of monitoring_config.proto of TF Serving."""
    config = text_format.Parse(
        (KIT / "monitoring.config").read_text(),
        make_message(
            "monitoring",
            {1: ("prometheus_config", ".monitoring.Prometheus")},
            Prometheus={1: ("enable", "bool"), 2: ("path", "string")},
        )(),
    )
    assert config.prometheus_config.enable
    assert config.prometheus_config.path.startswith("/")


def test_compose_mounts_what_the_flags_name():
    compose = yaml.safe_load((KIT / "compose.yaml").read_text())
    service = compose["services"]["serving"]
    mounts = dict(volume.split(":")[:2] for volume in service["volumes"])
    assert mounts == {"./models": "/models", ".": "/config"}
    for flag in service["command"]:
        value = flag.partition("=")[2]
        if value.startswith("/config/"):
            assert (KIT / value.removeprefix("/config/")).exists()


def test_the_kubernetes_manifest_serves_the_same_flags():
    documents = list(yaml.safe_load_all((KIT / "kubernetes.yaml").read_text()))
    kinds = {document["kind"]: document for document in documents}
    assert set(kinds) == {
        "PersistentVolumeClaim",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
    }
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    compose = yaml.safe_load((KIT / "compose.yaml").read_text())
    assert container["args"] == compose["services"]["serving"]["command"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/digits"
    volumes = {volume["name"] for volume in pod["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} == volumes


def test_the_kit_does_without_tlkeras():
    for script in KIT.glob("*.py"):
        assert "tlkeras" not in re.findall(
            r"^\s*(?:import|from) (\w+)", script.read_text(), re.M
        ), script


def test_serve_check_answers_and_ends(exported, photos):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tlkeras.cli.main",
            "serve_check",
            f"--model={exported}",
            "--port=0",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    url = re.search(r"http://[\d.:]+", line).group()
    done = subprocess.run(
        [
            sys.executable,
            str(KIT / "client_rest.py"),
            f"--url={url}",
            "--model=photos",
            photos[0],
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    process.terminate()
    process.wait(30)
    process.stdout.close()
    assert done.returncode == 0, done.stderr


def test_serve_check_needs_a_saved_model(tmp_path, exported):
    from tlkeras.errors import InputError

    with pytest.raises(InputError, match="holds no SavedModel"):
        load_versions(tmp_path)
    shutil.copytree(exported / "1", tmp_path / "photos" / "1")
    one = load_versions(tmp_path / "photos" / "1")
    assert (one.name, one.latest) == ("photos", 1)

"""The clients in export/, against servers of the real protocols."""

import importlib.util
import json
import socket
import subprocess
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

KIT = Path(__file__).parents[2] / "export"


@pytest.fixture(scope="module")
def expected(loaded, photos):
    """Path -> (label, score) as `tlkeras predict` gives them."""
    return {p.path: (p.label, p.score) for p in loaded.predict(photos)}


@pytest.fixture(scope="module")
def junk(tmp_path_factory):
    path = tmp_path_factory.mktemp("junk") / "letter.jpg"
    path.write_bytes(b"Dear Sir or Madam")
    return str(path)


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's PredictionService over one loaded SavedModel."""

    def __init__(self, name, model):
        self.name = name
        self.model = model

    def Predict(self, request, context):  # noqa: N802 - of the protocol
        spec = request.model_spec
        if spec.name != self.name:
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
        if spec.signature_name not in self.model.signatures:
            context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{spec.signature_name}" not found.',
            )
        inputs = {
            name: tf.constant(tf.make_ndarray(tensor))
            for name, tensor in request.inputs.items()
        }
        try:
            outputs = self.model.signatures[spec.signature_name](**inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


@pytest.fixture(scope="module")
def grpc_address(exported, saved):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        Servicer(exported.name, saved), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(scope="module")
def places(rest_url, grpc_address, exported):
    """Script -> the arguments that say where it asks."""
    return {
        "client_rest.py": [f"--url={rest_url}", "--model=photos"],
        "client_grpc.py": [f"--address={grpc_address}", "--model=photos"],
        "client_tflite.py": [f"--model={exported}/tflite/1/float32.tflite"],
        "load_test.py": [f"--url={rest_url}", "--model=photos"],
    }


@pytest.fixture
def run_client(places):
    """Runs a client as users do; returns (exit code, lines, errors)."""

    def run(script, *arguments):
        done = subprocess.run(
            [sys.executable, str(KIT / script), *places[script], *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def load_script(name):
    """Imports a script of the kit, which finds those beside it."""
    sys.path.insert(0, str(KIT))
    try:
        spec = importlib.util.spec_from_file_location(name, KIT / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(KIT))
    return module


@pytest.fixture
def call_client(places, run_client, capsys, monkeypatch):
    """As `run_client`; the gRPC client in this process.

    It takes seconds to import what it needs, which is here already.
    """
    monkeypatch.syspath_prepend(str(KIT))  # as where a script lies

    def call(script, *arguments):
        if script != "client_grpc.py":
            return run_client(script, *arguments)
        main = load_script("client_grpc").main
        try:
            code = main([*places[script], *arguments])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    return call


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
def test_clients_draw_the_maps_that_are_served(
    call_client, script, photos, expected, tmp_path
):
    from PIL import Image

    code, lines, errors = call_client(
        script,
        "--signature=heatmap",
        f"--output={tmp_path / 'out'}",
        *photos,
    )
    assert code == 0, errors
    assert [line.split("\t")[:2] for line in lines] == [
        [path, expected[path][0]] for path in photos
    ]
    pictures = {path.name for path in (tmp_path / "out").iterdir()}
    assert pictures == {
        f"{Path(path).parent.name}-{Path(path).stem}.png" for path in photos
    }
    with Image.open(tmp_path / "out" / pictures.pop()) as picture:
        assert len(picture.getcolors(2**20)) > 50


@pytest.mark.parametrize("script", ["client_rest.py", "client_grpc.py"])
def test_a_bad_image_fails_alone(call_client, script, photos, junk):
    code, lines, errors = call_client(script, photos[0], junk, photos[1])
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
        (["--label=canary"], "no version labelled 'canary'"),
        (["--model=my photos/ö"], "serves no such model"),
    ],
    ids=["model", "signature", "label", "name"],
)
def test_mistakes_get_one_sentence(
    call_client, script, photos, arguments, message
):
    code, lines, errors = call_client(script, photos[0], *arguments)
    assert code == 2
    assert lines == []
    assert message in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "signature"),
    [("client_rest.py", "serving_default"), ("client_grpc.py", "slow")],
)
def test_a_deadline_gets_one_sentence(call_client, script, signature, photos):
    """The one in this process asks for what takes 3 s."""
    code, lines, errors = call_client(
        script, photos[0], "--timeout=1e-3", f"--signature={signature}"
    )
    assert code == 2
    assert lines == []
    assert "within 0.001 s" in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "flag"),
    [("client_rest.py", "url"), ("client_grpc.py", "address")],
)
def test_a_server_that_is_down_gets_one_sentence(
    call_client, script, flag, photos
):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    url = f"http://{address}" if flag == "url" else address
    code, _, errors = call_client(script, f"--{flag}={url}", photos[0])
    assert code == 2
    assert "no server answers" in errors
    assert len(errors.splitlines()) == 1


def test_a_slow_server_meets_the_deadline(call_client, photos):
    code, _, errors = call_client(
        "client_grpc.py", "--signature=slow", "--timeout=0.5", photos[0]
    )
    assert code == 2
    assert "within 0.5 s" in errors


@pytest.mark.parametrize("script", ["client_rest.py", "client_grpc.py"])
def test_a_batch_of_no_images_is_refused(call_client, script, photos):
    code, lines, errors = call_client(script, "--batch=0", photos[0])
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
    load_test = load_script("load_test")
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

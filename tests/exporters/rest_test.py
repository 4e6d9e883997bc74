"""TF Serving's REST JSON, as `tlkeras serve_check` answers it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tlkeras.exporters.rest import answer, load_versions

KIT = Path(__file__).parents[2] / "export"


def post(versions, path, **body):
    return answer(versions, "POST", path, json.dumps(body).encode())


def test_rows_and_columns_hold_the_same(versions, photos):
    import base64

    values = [
        {"b64": base64.b64encode(Path(path).read_bytes()).decode()}
        for path in photos
    ]
    path = "/v1/models/photos/versions/1:predict"
    rows = post(versions, path, instances=values)["predictions"]
    named = post(
        versions, path, instances=[{"image_bytes": value} for value in values]
    )["predictions"]
    columns = post(versions, path, inputs={"image_bytes": values})["outputs"]
    assert rows == named
    for key, column in columns.items():
        assert column == [row[key] for row in rows]
    codes = post(versions, path, signature_name="features", instances=values)[
        "predictions"
    ]
    assert np.shape(codes) == (len(photos), 256)


def test_status_and_metadata_are_those_of_tf_serving(versions):
    status = answer(versions, "GET", "/v1/models/photos", b"")
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    metadata = answer(versions, "GET", "/v1/models/photos/metadata", b"")
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

"""TF Serving's REST JSON over an exported model, in this process.

For trying a client without Docker; production is TF Serving. Paths, formats and
error bodies follow tensorflow.org/tfx/serving/api_rest.
"""

import base64
import binascii
import dataclasses
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tlkeras.errors import InputError
from tlkeras.exporters.signatures import DEFAULT_SIGNATURE

REQUEST = re.compile(
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<rest>/metadata|:\w+)?"
)
Json = dict[str, Any]  # an object of a request or an answer

MAX_REQUEST_BYTES = 256 * 1024**2


class RequestError(Exception):
    """A request that is answered with an error body.

    Attributes:
        code: HTTP status.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class ServedVersions:
    """The versions of one model, loaded.

    Attributes:
        name: Of the model, as clients call it.
        versions: Number -> loaded SavedModel.
    """

    name: str
    versions: dict[int, Any]

    @property
    def latest(self) -> int:
        """The version that answers when none is asked for."""
        return max(self.versions)

    def find(self, name: str, version: str | None) -> tuple[int, Any]:
        """Returns a version's number and model.

        Raises:
            RequestError: If it is not served.
        """
        number = int(version) if version else self.latest
        if name != self.name or number not in self.versions:
            asked = f"Specific({name}, {version})" if version else None
            raise RequestError(
                404,
                f"Servable not found for request: {asked or f'Latest({name})'}",
            )
        return number, self.versions[number]


def load_versions(directory: str | Path) -> ServedVersions:
    """Loads an export folder with all its versions, or one version.

    Raises:
        InputError: If there is no SavedModel.
    """
    path = Path(directory).resolve()
    folders = [path] if path.name.isdecimal() else sorted(path.glob("[0-9]*"))
    models = {
        int(folder.name): tf.saved_model.load(str(folder))
        for folder in folders
        if folder.name.isdecimal() and (folder / "saved_model.pb").exists()
    }
    if not models:
        raise InputError(
            f"'{directory}' holds no SavedModel; expected a folder of versions "
            "as tlkeras export writes it: check --model."
        )
    name = path.parent.name if path.name.isdecimal() else path.name
    return ServedVersions(name, models)


def answer(served: ServedVersions, method: str, path: str, body: bytes) -> Json:
    """Answers one request.

    Args:
        served: The model.
        method: GET | POST.
        path: Of the URL.
        body: JSON of a prediction request.

    Returns:
        The JSON of the answer.

    Raises:
        RequestError: With the status and message of the error body.
    """
    match = REQUEST.fullmatch(path)
    rest = match and match["rest"]
    expected = "POST" if rest == ":predict" else "GET"
    known = rest in (None, "/metadata", ":predict")
    if match is None or not known or method != expected:
        raise RequestError(400, f"Malformed request: {method} {path}")
    number, model = served.find(match["name"], match["version"])
    if match["label"]:
        raise RequestError(
            400,
            f"Unrecognized servable version label: {match['label']}; labels "
            "are TF Serving's, from models.config",
        )
    if rest == ":predict":
        return predict(model, body)
    if rest == "/metadata":
        return describe(served.name, number, model)
    numbers = [number] if match["version"] else sorted(served.versions)
    return {
        "model_version_status": [
            {
                "version": str(n),
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for n in numbers
        ]
    }


def describe(name: str, number: int, model: Any) -> Json:
    """Returns what the metadata path says of the signatures."""
    signatures = {
        key: {
            "inputs": _specs(function.structured_input_signature[1]),
            "outputs": _specs(function.structured_outputs),
            "method_name": "tensorflow/serving/predict",
        }
        for key, function in model.signatures.items()
    }
    return {
        "model_spec": {
            "name": name,
            "signature_name": "",
            "version": str(number),
        },
        "metadata": {"signature_def": {"signature_def": signatures}},
    }


def _specs(specs: dict[str, tf.TensorSpec]) -> dict[str, Json]:
    return {
        name: {
            "dtype": f"DT_{spec.dtype.name.replace('32', '').upper()}",
            "tensor_shape": {
                "dim": [
                    {"size": str(-1 if size is None else size)}
                    for size in spec.shape.as_list()
                ]
            },
        }
        for name, spec in specs.items()
    }


def predict(model: Any, body: bytes) -> Json:
    """Answers a prediction request in row or column format.

    Raises:
        RequestError: 400 for what the model cannot take.
    """
    try:
        request = json.loads(body)
    except ValueError as error:
        raise RequestError(400, f"JSON Parse error: {error}") from None
    if not isinstance(request, dict):
        raise RequestError(400, "JSON Value: not an object")
    name = request.get("signature_name") or DEFAULT_SIGNATURE
    if not isinstance(name, str):
        raise RequestError(400, "'signature_name' key must be a string value.")
    if name not in model.signatures:
        raise RequestError(
            400, f'Serving signature name: "{name}" not found in signature def'
        )
    function = model.signatures[name]
    by_row = "instances" in request
    if by_row == ("inputs" in request):
        raise RequestError(400, "Missing 'inputs' or 'instances' key")
    ((key, spec),) = function.structured_input_signature[1].items()
    value = _column(request["instances"], key) if by_row else request["inputs"]
    if not by_row and isinstance(value, dict) and "b64" not in value:
        if set(value) != {key}:
            raise RequestError(
                400, f"input tensor alias not found in signature: {[*value]}"
            )
        value = value[key]
    try:
        tensor = tf.constant(_decode(value), spec.dtype)
        outputs = {k: v.numpy() for k, v in function(**{key: tensor}).items()}
    except tf.errors.OpError as error:
        raise RequestError(400, error.message) from None
    except (TypeError, ValueError) as error:
        raise RequestError(
            400, f"Failed to process input '{key}': {error}"
        ) from None
    return _format(outputs, by_row)


def _column(instances: Any, key: str) -> list[Any]:
    """Turns rows, named or plain, into one column."""
    if not isinstance(instances, list) or not instances:
        raise RequestError(400, "'instances' must be a list of at least one")
    column = []
    for row in instances:
        named = isinstance(row, dict) and "b64" not in row
        if named and set(row) != {key}:
            raise RequestError(
                400, f"Failed to process element: expected the key '{key}'"
            )
        column.append(row[key] if named else row)
    return column


def _decode(value: Any) -> Any:
    """Replaces {"b64": ...} by its bytes, in lists of any depth."""
    if isinstance(value, list):
        return [_decode(part) for part in value]
    if isinstance(value, dict):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise RequestError(400, "Unable to base64 decode") from None
    return value


def _format(outputs: dict[str, np.ndarray], by_row: bool) -> Json:
    """Returns outputs as JSON; a single output goes without its name."""
    columns = {key: _listed(value) for key, value in outputs.items()}
    only = next(iter(columns.values())) if len(columns) == 1 else None
    if not by_row:
        return {"outputs": columns if only is None else only}
    if only is not None:
        return {"predictions": only}
    rows = [
        dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    return {"predictions": rows}


def _listed(values: np.ndarray) -> list[Any]:
    if values.dtype == object:
        values = np.vectorize(bytes.decode, otypes=[str])(values)
    return values.tolist()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: ServedVersions

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        size = int(length) if length.isdecimal() else MAX_REQUEST_BYTES + 1
        if size > MAX_REQUEST_BYTES:
            self.close_connection = True
            self._send(
                413, {"error": f"Request of {length} bytes is too large"}
            )
            return
        self._answer(self.rfile.read(size))

    def _answer(self, body: bytes) -> None:
        try:
            self._send(200, answer(self.served, self.command, self.path, body))
        except RequestError as error:
            self._send(error.code, {"error": str(error)})

    def _send(self, code: int, value: Json) -> None:
        content = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing of every request."""


def make_server(
    served: ServedVersions, *, host: str, port: int
) -> ThreadingHTTPServer:
    """Binds a server; `serve_forever` answers.

    Args:
        served: The model.
        host: To listen on.
        port: 0 takes a free one.

    Raises:
        InputError: If the port cannot be had.
    """
    handler = type("Handler", (_Handler,), {"served": served})
    try:
        return ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"Port {port} of {host} cannot be had ({error}); expected a free "
            "one: choose another --port, or 0 for any."
        ) from None

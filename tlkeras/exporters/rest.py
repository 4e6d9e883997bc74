"""TF Serving's REST JSON over an exported model, in this process.

For trying a client without Docker; production is TF Serving. Paths, formats and
error bodies follow tensorflow.org/tfx/serving/api_rest.
"""

import base64
import binascii
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tlkeras.errors import InputError, quote
from tlkeras.exporters.signatures import DEFAULT_SIGNATURE

REQUEST = re.compile(
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<rest>/metadata|:\w+)?"
)
Json = dict[str, Any]  # an object of a request or an answer


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
        known = {str(number): number for number in self.versions}
        number = known.get(version.lstrip("0")) if version else self.latest
        if name != self.name or number is None:
            asked = f"Latest({quote(name)})"
            if version:
                asked = f"Specific({quote(name)}, {quote(version)})"
            raise RequestError(404, f"Servable not found for request: {asked}")
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
        raise RequestError(400, f"Malformed request: {method} {quote(path)}")
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
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"JSON Parse error: {error}") from None
    if not isinstance(request, dict):
        raise RequestError(400, "JSON Value: not an object")
    name = request.get("signature_name") or DEFAULT_SIGNATURE
    if not isinstance(name, str):
        raise RequestError(400, "'signature_name' key must be a string value.")
    if name not in model.signatures:
        raise RequestError(
            400,
            f'Serving signature name: "{quote(name)}" not found in signature '
            "def",
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
                400,
                f"input tensor alias not found in signature: {quote([*value])}",
            )
        value = value[key]
    try:
        tensor = _as_tensor(value, spec.dtype)
        outputs = {k: v.numpy() for k, v in function(**{key: tensor}).items()}
    except tf.errors.OpError as error:
        raise RequestError(400, error.message) from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RequestError(
            400, f"Failed to process input '{key}': {quote(error)}"
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


def _as_tensor(value: Any, dtype: tf.DType) -> tf.Tensor:
    """Returns lists of any depth as a tensor of the signature's type."""
    if dtype == tf.string:
        return tf.constant(_decode(value), dtype)
    array = np.asarray(value)  # TensorFlow walks over numbers one by one
    if array.dtype.kind not in "iuf":
        raise TypeError(f"expected numbers of type {dtype.name}")
    return tf.constant(array.astype(dtype.as_numpy_dtype))


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

"""TF Serving's REST JSON over an exported model, in this process.

For trying a client without Docker; production is TF Serving. Paths, formats and
error bodies follow tensorflow.org/tfx/serving/api_rest.
"""

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras.errors import InputError, quote
from tlkeras.exporters.rest_values import (
    Json,
    RequestError,
    Signature,
    TensorInfo,
)
from tlkeras.exporters.served_version import ServedVersion
from tlkeras.exporters.version_files import DEFAULT_SIGNATURE, GRAPH

REQUEST = re.compile(
    r"/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<rest>/metadata|:\w+)?"
)


@dataclasses.dataclass(frozen=True)
class ServedVersions:
    """The versions of one model.

    Attributes:
        name: Of the model, as clients call it.
        versions: Number -> what answers.
    """

    name: str
    versions: dict[int, ServedVersion]

    @property
    def latest(self) -> int:
        """The version that answers when none is asked for."""
        return max(self.versions)

    def find(self, name: str, version: str | None) -> tuple[int, ServedVersion]:
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
        int(folder.name): ServedVersion(folder)
        for folder in folders
        if folder.name.isdecimal() and (folder / GRAPH).exists()
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
        return describe(served.name, number, model.signatures)
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


def describe(
    name: str, number: int, signatures: Mapping[str, Signature]
) -> Json:
    """Returns what the metadata path says of a version's signatures."""
    described = {
        key: {
            "inputs": _specs(signature.inputs),
            "outputs": _specs(signature.outputs),
            "method_name": "tensorflow/serving/predict",
        }
        for key, signature in signatures.items()
    }
    return {
        "model_spec": {
            "name": name,
            "signature_name": "",
            "version": str(number),
        },
        "metadata": {"signature_def": {"signature_def": described}},
    }


def _specs(tensors: Mapping[str, TensorInfo]) -> dict[str, Json]:
    return {
        name: {
            "dtype": f"DT_{tensor.dtype.replace('32', '').upper()}",
            "tensor_shape": {
                "dim": [
                    {"size": str(-1 if size is None else size)}
                    for size in tensor.shape
                ]
            },
        }
        for name, tensor in tensors.items()
    }


def predict(model: ServedVersion, body: bytes) -> Json:
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
    by_row = "instances" in request
    if by_row == ("inputs" in request):
        raise RequestError(400, "Missing 'inputs' or 'instances' key")
    (key,) = model.signatures[name].inputs
    value = _column(request["instances"], key) if by_row else request["inputs"]
    if not by_row and isinstance(value, dict) and "b64" not in value:
        if set(value) != {key}:
            raise RequestError(
                400,
                f"input tensor alias not found in signature: {quote([*value])}",
            )
        value = value[key]
    return _format(model.run(name, key, value), by_row)


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

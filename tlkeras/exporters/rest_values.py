"""What requests of TF Serving's REST JSON hold, and how they are refused."""

import base64
import binascii
import dataclasses
from collections.abc import Mapping
from typing import Any

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
class TensorInfo:
    """A tensor of a signature.

    Attributes:
        dtype: `float32` or `string`.
        shape: None where any size will do.
    """

    dtype: str
    shape: tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a function of a model takes and gives.

    Attributes:
        inputs: Name -> tensor; one.
        outputs: Name -> tensor.
    """

    inputs: Mapping[str, TensorInfo]
    outputs: Mapping[str, TensorInfo]


def decode_bytes(value: Any) -> Any:
    """Replaces {"b64": ...} by its bytes, in lists of any depth.

    Raises:
        RequestError: 400, for what is no base64.
    """
    if isinstance(value, list):
        return [decode_bytes(part) for part in value]
    if isinstance(value, dict):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise RequestError(400, "Unable to base64 decode") from None
    return value

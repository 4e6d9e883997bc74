"""A SavedModel that answers requests, in TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tlkeras.errors import quote
from tlkeras.exporters.rest_values import (
    RequestError,
    Signature,
    TensorInfo,
    decode_bytes,
)


class SavedAnswers:
    """A loaded SavedModel.

    Args:
        path: Of the version directory.

    Attributes:
        signatures: Name -> what it takes and gives.
    """

    def __init__(self, path: Path) -> None:
        self._loaded = tf.saved_model.load(str(path))
        self.signatures: Mapping[str, Signature] = {
            name: Signature(
                _describe(function.structured_input_signature[1]),
                _describe(function.structured_outputs),
            )
            for name, function in self._loaded.signatures.items()
        }

    def run(self, name: str, key: str, value: Any) -> dict[str, np.ndarray]:
        """Answers with a signature.

        Args:
            name: Of the signature.
            key: Of its input.
            value: Numbers, text and {"b64": ...}, in lists of any depth.

        Returns:
            Output -> values [N, ...]; text as bytes.

        Raises:
            RequestError: 400 for what the model cannot take.
        """
        function = self._loaded.signatures[name]
        spec = function.structured_input_signature[1][key]
        try:
            outputs = function(**{key: _as_tensor(value, spec.dtype)})
            return {k: v.numpy() for k, v in outputs.items()}
        except tf.errors.OpError as error:
            raise RequestError(400, error.message) from None
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise RequestError(
                400, f"Failed to process input '{key}': {quote(error)}"
            ) from None


def _describe(specs: Mapping[str, tf.TensorSpec]) -> dict[str, TensorInfo]:
    return {
        name: TensorInfo(spec.dtype.name, tuple(spec.shape.as_list()))
        for name, spec in specs.items()
    }


def _as_tensor(value: Any, dtype: tf.DType) -> tf.Tensor:
    """Returns lists of any depth as a tensor of the signature's type."""
    if dtype == tf.string:
        return tf.constant(decode_bytes(value), dtype)
    array = np.asarray(value)  # TensorFlow walks over numbers one by one
    if array.dtype.kind not in "iuf":
        raise TypeError(f"expected numbers of type {dtype.name}")
    return tf.constant(array.astype(dtype.as_numpy_dtype))

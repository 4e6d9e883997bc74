"""A Keras model as a LiteRT file, and such files at work.

A file answers without TensorFlow: LiteRT is imported in a tenth of a second.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkeras.startup import silenced_stderr

if TYPE_CHECKING:
    import keras
    from ai_edge_litert.interpreter import Interpreter


def convert_to_litert(model: "keras.Model") -> bytes:
    """Converts a model to float32 arithmetic; one image at a time.

    Args:
        model: One image input [N, S, S, 3], float32; one output [N, ...].

    Raises:
        Exception: The converter's many kinds, for what LiteRT has no operator.
    """
    converter = make_converter(model)
    with silenced_stderr():
        return converter.convert()


def make_converter(model: "keras.Model") -> Any:
    """Returns TensorFlow's converter of a model, with built-in operators.

    Args:
        model: As for `convert_to_litert`.
    """
    import tensorflow as tf

    from tlkeras.frozen_graph import freeze_graph

    # Frozen first: a Keras 3 model hands its variables to the converter as
    # resources that stay uninitialised.
    graph = freeze_graph(model, batch_size=1, dtype="float32")
    with silenced_stderr():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [graph.function]
        )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


def open_interpreter(path: Path, *, with_delegate: bool) -> "Interpreter":
    """Returns an interpreter of a file, ready to run.

    Args:
        path: Of the file.
        with_delegate: Whether XNNPACK computes what it can.

    Raises:
        RuntimeError: If an operator is not supported so.
    """
    with silenced_stderr():
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolver = (
            OpResolverType.AUTO
            if with_delegate
            else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        )
        interpreter = Interpreter(
            model_path=str(path),
            num_threads=os.cpu_count(),
            experimental_op_resolver_type=resolver,
        )
        interpreter.allocate_tensors()
    return interpreter


class LiteRtModel:
    """A float32 file of one input and one output.

    Args:
        path: As `convert_to_litert` made it.

    Raises:
        RuntimeError: If it cannot be run here.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = open_interpreter(path, with_delegate=True)
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    @property
    def image_size(self) -> int:
        """S, pixels."""
        return int(self._input["shape"][1])

    @property
    def num_outputs(self) -> int:
        """Values of an answer, of the last dimension."""
        return int(self._output["shape"][-1])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Returns what the model says of images, float32 [N, ...].

        Args:
            images: [N, S, S, 3] in 0..255.
        """
        found = []
        for image in images.astype(np.float32):
            self._interpreter.set_tensor(self._input["index"], image[None])
            self._interpreter.invoke()
            found.append(self._interpreter.get_tensor(self._output["index"]))
        return np.concatenate(found)

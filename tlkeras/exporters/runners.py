"""Running written files as production runs them: encoded images -> scores."""

from pathlib import Path
from typing import Protocol

import numpy as np

from tlkeras.exporters.version_files import (
    DEFAULT_SIGNATURE,
    HEATMAP_SIGNATURE,
)
from tlkeras.litert import open_interpreter


class Runner(Protocol):
    """A loaded file.

    Attributes:
        note: What a user must know to run it, or "".
    """

    note: str

    def run(self, contents: list[bytes], images: np.ndarray) -> np.ndarray:
        """Returns scores float32 [N, C].

        Args:
            contents: [N] encoded images, for what decodes by itself.
            images: uint8 [N, S, S, 3], the same images decoded, for the rest.
        """

    def operators(self) -> list[str]:
        """Returns the names of the operators in the file, sorted."""

    def class_maps(self, contents: list[bytes]) -> np.ndarray | None:
        """Returns the class maps [N, h, w, C]; None where it has none.

        Args:
            contents: [N] encoded images.
        """
        return None


class SavedModelRunner(Runner):
    """A SavedModel through its default signature."""

    note = ""

    def __init__(self, path: Path) -> None:
        import tensorflow as tf

        self._loaded = tf.saved_model.load(str(path))
        self._as_tensor = tf.constant
        self._serve = self._loaded.signatures[DEFAULT_SIGNATURE]

    def run(self, contents: list[bytes], images: np.ndarray) -> np.ndarray:
        """Decodes in the graph; scores [N, C]."""
        answers = self._serve(image_bytes=self._as_tensor(contents))
        return answers["probabilities"].numpy()

    def class_maps(self, contents: list[bytes]) -> np.ndarray | None:
        """Logits of the cells [N, h, w, C]; their mean is the logits."""
        locate = self._loaded.signatures.get(HEATMAP_SIGNATURE)
        if locate is None:
            return None
        return locate(image_bytes=self._as_tensor(contents))["heatmap"].numpy()

    def operators(self) -> list[str]:
        """Of all signatures and the functions that they call."""
        graphs = [f.graph for f in self._loaded.signatures.values()]
        names: set[str] = set()
        for graph in graphs:
            definition = graph.as_graph_def()
            names.update(node.op for node in definition.node)
            for function in definition.library.function:
                names.update(node.op for node in function.node_def)
        return sorted(name for name in names if "PartitionedCall" not in name)


class TfliteRunner(Runner):
    """A .tflite file in the LiteRT interpreter."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.note = ""
        try:
            self._interpreter = open_interpreter(path, with_delegate=True)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            self._interpreter = open_interpreter(path, with_delegate=False)
            self.note = f"runs without the XNNPACK delegate only: {reason}"
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    @property
    def image_size(self) -> int:
        """Side of its input, pixels."""
        return int(self._input["shape"][1])

    def run(self, contents: list[bytes], images: np.ndarray) -> np.ndarray:
        """Runs the images one by one; scores [N, C]."""
        scores = []
        for image in images.astype(self._input["dtype"]):
            self._interpreter.set_tensor(self._input["index"], image[None])
            self._interpreter.invoke()
            scores.append(self._interpreter.get_tensor(self._output["index"]))
        values = np.concatenate(scores).astype(np.float32)
        scale, zero_point = self._output["quantization"]
        return (values - zero_point) * scale if scale else values

    def operators(self) -> list[str]:
        """Of the file, with a custom operator's own name."""
        from ai_edge_litert import schema_py_generated as schema

        model = schema.ModelT.InitFromPackedBuf(self._path.read_bytes(), 0)
        names = {
            code: name
            for name, code in vars(schema.BuiltinOperator).items()
            if isinstance(code, int)
        }
        return sorted(
            {
                code.customCode.decode()
                if code.customCode
                else names[max(code.builtinCode, code.deprecatedBuiltinCode)]
                for code in model.operatorCodes
            }
        )


class OnnxRunner(Runner):
    """An .onnx file in ONNX Runtime, on the CPU."""

    note = ""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._path = path
        self._session = onnxruntime.InferenceSession(
            str(path), providers=["CPUExecutionProvider"]
        )

    def run(self, contents: list[bytes], images: np.ndarray) -> np.ndarray:
        """Runs all images at once; scores [N, C]."""
        (taken,) = self._session.get_inputs()
        feed = {taken.name: images.astype(np.float32)}
        return self._session.run(None, feed)[0]

    def operators(self) -> list[str]:
        """Of the graph."""
        import onnx

        return sorted({n.op_type for n in onnx.load(self._path).graph.node})


class OpenvinoRunner(Runner):
    """An OpenVINO file, in float32 on the CPU."""

    note = ""

    def __init__(self, path: Path) -> None:
        import openvino

        core = openvino.Core()
        self._model = core.read_model(path)
        self._compiled = core.compile_model(
            self._model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        )

    def run(self, contents: list[bytes], images: np.ndarray) -> np.ndarray:
        """Runs all images at once; scores [N, C]."""
        return self._compiled(images.astype(np.float32))[0]

    def operators(self) -> list[str]:
        """Of the graph."""
        return sorted({op.get_type_name() for op in self._model.get_ops()})

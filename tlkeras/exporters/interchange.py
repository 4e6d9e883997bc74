"""ONNX and OpenVINO files, for servers and devices outside TensorFlow."""

import tempfile
from pathlib import Path

import numpy as np

from tlkeras.exporters.inference import ServedModel, build_score_model
from tlkeras.frozen_graph import freeze_graph
from tlkeras.startup import silenced_stderr


def write_onnx(served: ServedModel, path: Path) -> None:
    """Writes images float32 [N, S, S, 3] in 0..255 -> scores [N, C]."""
    model = build_score_model(served)
    size = served.image_size
    with silenced_stderr():
        # Keras exports what was called at least once.
        model(np.zeros((1, size, size, 3), np.float32))
        model.export(str(path), format="onnx", verbose=False)


def write_openvino(served: ServedModel, path: Path) -> None:
    """Writes images float32 [N, S, S, 3] in 0..255 -> scores [N, C].

    From the frozen graph: Keras' own export keeps what folds away, and the
    file is slower.

    Args:
        served: What to convert.
        path: Ends in .xml; the weights go beside it.
    """
    import openvino

    graph = freeze_graph(
        build_score_model(served), batch_size=None, dtype="float32"
    )
    with tempfile.TemporaryDirectory() as folder:
        frozen = Path(folder) / "frozen.pb"
        frozen.write_bytes(graph.serialize())
        model = openvino.Core().read_model(frozen)
        openvino.save_model(model, path, compress_to_fp16=False)

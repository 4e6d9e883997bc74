"""A frozen graph in OpenVINO, on the CPU; needs no Keras and no TensorFlow."""

import queue
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras.features.engine import CPU_BATCH, Engine, pad

# Precision -> (OpenVINO's name of it, the capability that a CPU needs).
OPENVINO_PRECISIONS = {
    "float32": ("f32", "FP32"),
    "bfloat16": ("bf16", "BF16"),
}


def cpu_capabilities() -> tuple[str, ...]:
    """Returns what OpenVINO can use of this CPU, e.g. `FP32`, `BF16`.

    `BF16` stands there only where the CPU has instructions for it. Asking
    imports OpenVINO, which takes about a second.
    """
    import openvino

    core = openvino.Core()
    return tuple(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def open_openvino(
    graph: bytes,
    output_names: Sequence[str],
    *,
    precision: str,
    num_streams: int,
) -> Engine:
    """Compiles a graph, with one stream for each thread that will call it.

    Args:
        graph: GraphDef that takes `CPU_BATCH` images at a time.
        output_names: Of its outputs, in order.
        precision: Key of `OPENVINO_PRECISIONS`. On a CPU without it the engine
            computes in float32, and says so.
        num_streams: Threads that will call `run`.
    """
    compiled = _compile(graph, precision, num_streams)
    ports = [compiled.output(name) for name in output_names]
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(num_streams):
        requests.put(compiled.create_infer_request())

    def run(images: np.ndarray) -> list[np.ndarray]:
        request = requests.get()
        try:
            results = request.infer([pad(images, CPU_BATCH)])
            # Copies: the request's own memory serves the next call.
            return [
                np.array(results[port][: len(images)], np.float32)
                for port in ports
            ]
        finally:
            requests.put(request)

    # Once, by one thread: OpenVINO's bindings build a table when they are first
    # used, and two threads that do so at once wait for each other for ever
    # (one holds the table's guard, the other the interpreter's lock).
    images = compiled.input(0)
    run(np.zeros((1, *images.shape[1:]), images.element_type.to_dtype()))
    return Engine("openvino", _executed_precision(compiled), CPU_BATCH, run)


def _compile(graph: bytes, precision: str, num_streams: int) -> Any:
    import openvino

    hint, capability = OPENVINO_PRECISIONS[precision]
    if capability not in cpu_capabilities():
        # It would take the hint and compute in float32 (2026.4, Zen 1), or
        # slowly imitate the precision.
        hint, _ = OPENVINO_PRECISIONS["float32"]
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.pb"
        path.write_bytes(graph)
        return core.compile_model(
            core.read_model(path),
            "CPU",
            {
                "NUM_STREAMS": num_streams,
                "INFERENCE_NUM_THREADS": num_streams,
                # The default would be bfloat16 wherever the CPU has it.
                "INFERENCE_PRECISION_HINT": hint,
            },
        )


def _executed_precision(compiled: Any) -> str:
    """Returns what a compiled model says that it computes in.

    The property is the hint only before compiling; afterwards it is what was
    made of it (`f32` on a CPU without bfloat16, like each operation's
    `runtimePrecision`).
    """
    executed = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    names = {hint: name for name, (hint, _) in OPENVINO_PRECISIONS.items()}
    return names.get(executed, executed)

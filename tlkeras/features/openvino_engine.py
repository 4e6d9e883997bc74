"""The engine OpenVINO: an extra, on CPUs, and faster there than Keras."""

import importlib.util
import queue
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.features.engine import CPU_BATCH, Engine, EngineSpec, pad

# Precision -> (OpenVINO's name of it, the capability that a CPU needs).
OPENVINO_PRECISIONS = {
    "float32": ("f32", "FP32"),
    "bfloat16": ("bf16", "BF16"),
}


def openvino_obstacle() -> str:
    """Returns why OpenVINO cannot be used here, or ""."""
    if importlib.util.find_spec("openvino") is None:
        return "it is not installed"
    if keras.backend.backend() != "tensorflow":
        return f"Keras runs on {keras.backend.backend()}"
    return ""


def cpu_capabilities() -> tuple[str, ...]:
    """Returns what OpenVINO can use of this CPU, e.g. `FP32`, `BF16`.

    `BF16` stands there only where the CPU has instructions for it. Asking
    imports OpenVINO, which takes about a second.
    """
    import openvino

    core = openvino.Core()
    return tuple(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def build_openvino(
    prefix: keras.Model, *, precision: str, num_streams: int, dtype: str
) -> Engine:
    """Builds an OpenVINO engine on the CPU, one stream for each worker.

    Args:
        prefix: Images [N, S, S, 3] in 0..255 -> frontier.
        precision: Key of `OPENVINO_PRECISIONS`. On a CPU without it the engine
            computes in float32.
        num_streams: Threads that will call `run`.
        dtype: Of the images.

    Raises:
        InputError: If OpenVINO is not installed, or Keras' backend is not
            TensorFlow, whose graph it reads, or it lacks the precision.
    """
    if obstacle := openvino_obstacle():
        raise InputError(
            f"runtime.engine=openvino cannot be used: {obstacle}; expected the "
            "package openvino on Keras' TensorFlow backend: run pip install "
            "'tlkeras[openvino]', or set --config.runtime.engine=keras."
        )
    if precision not in OPENVINO_PRECISIONS:
        raise InputError(
            f"The engine openvino does not compute in {precision}; expected "
            f"{' or '.join(OPENVINO_PRECISIONS)}: set "
            "--config.runtime.precision=float32, or "
            "--config.runtime.engine=keras."
        )
    compiled, ports = _compile(prefix, precision, num_streams, dtype)
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
    run(np.zeros((1, *prefix.inputs[0].shape[1:]), dtype))
    return Engine("openvino", _executed_precision(compiled), CPU_BATCH, run)


def _compile(
    prefix: keras.Model, precision: str, num_streams: int, dtype: str
) -> tuple[Any, list[Any]]:
    """Returns OpenVINO's compiled model and its ports, in the prefix' order."""
    import openvino

    from tlkeras.frozen_graph import freeze_graph

    hint, capability = OPENVINO_PRECISIONS[precision]
    if capability not in cpu_capabilities():
        # It would take the hint and compute in float32 (2026.4, Zen 1), or
        # slowly imitate the precision.
        hint, _ = OPENVINO_PRECISIONS["float32"]
    frozen = freeze_graph(prefix, batch_size=CPU_BATCH, dtype=dtype)
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.pb"
        path.write_bytes(frozen.serialize())
        compiled = core.compile_model(
            core.read_model(path),
            "CPU",
            {
                "NUM_STREAMS": num_streams,
                "INFERENCE_NUM_THREADS": num_streams,
                # The default would be bfloat16 wherever the CPU has it.
                "INFERENCE_PRECISION_HINT": hint,
            },
        )
    return compiled, [compiled.output(name) for name in frozen.output_names]


def _executed_precision(compiled: Any) -> str:
    """Returns what a compiled model says that it computes in.

    The property is the hint only before compiling; afterwards it is what was
    made of it (`f32` on a CPU without bfloat16, like each operation's
    `runtimePrecision`).
    """
    executed = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    names = {hint: name for name, (hint, _) in OPENVINO_PRECISIONS.items()}
    return names.get(executed, executed)


OPENVINO = EngineSpec(
    build_openvino,
    precisions=lambda own: tuple(OPENVINO_PRECISIONS),
    obstacle=openvino_obstacle,
    capabilities=cpu_capabilities,
)

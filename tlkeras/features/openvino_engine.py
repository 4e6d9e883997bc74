"""The engine OpenVINO: an extra, on CPUs, and faster there than Keras."""

import importlib.util

import keras

from tlkeras.errors import InputError
from tlkeras.features.engine import CPU_BATCH, Engine, EngineSpec
from tlkeras.features.openvino_graph import (
    OPENVINO_PRECISIONS,
    cpu_capabilities,
    open_openvino,
)


def openvino_obstacle() -> str:
    """Returns why OpenVINO cannot be used here, or ""."""
    if importlib.util.find_spec("openvino") is None:
        return "it is not installed"
    if keras.backend.backend() != "tensorflow":
        return f"Keras runs on {keras.backend.backend()}"
    return ""


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
    from tlkeras.frozen_graph import freeze_graph

    frozen = freeze_graph(prefix, batch_size=CPU_BATCH, dtype=dtype)
    return open_openvino(
        frozen.serialize(),
        frozen.output_names,
        precision=precision,
        num_streams=num_streams,
    )


OPENVINO = EngineSpec(
    build_openvino,
    precisions=lambda own: tuple(OPENVINO_PRECISIONS),
    obstacle=openvino_obstacle,
    capabilities=cpu_capabilities,
)
